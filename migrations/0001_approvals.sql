CREATE TABLE `approvals` (
	`tenant` text NOT NULL,
	`id` text NOT NULL,
	`tool_call_id` text NOT NULL,
	`status` text NOT NULL,
	`kind` text NOT NULL,
	`actor` text NOT NULL,
	`tool` text NOT NULL,
	`session_id` text NOT NULL,
	`requested_by` text NOT NULL,
	`requested_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`resolved_at` integer,
	`digest` text NOT NULL,
	PRIMARY KEY(`tenant`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `approvals_by_time` ON `approvals` (`tenant`,`requested_at`,`id`);