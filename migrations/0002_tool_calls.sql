CREATE TABLE `tool_calls` (
	`tenant` text NOT NULL,
	`id` text NOT NULL,
	`status` text NOT NULL,
	`actor` text NOT NULL,
	`tool` text NOT NULL,
	`session_id` text NOT NULL,
	`task_id` text,
	`trace_id` text NOT NULL,
	`created_at` integer NOT NULL,
	`changed_at` integer NOT NULL,
	PRIMARY KEY(`tenant`, `id`)
);
--> statement-breakpoint
CREATE INDEX `tool_calls_by_status` ON `tool_calls` (`tenant`,`status`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `tool_calls_by_time` ON `tool_calls` (`tenant`,`created_at`,`id`);