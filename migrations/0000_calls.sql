CREATE TABLE `calls` (
	`tenant` text NOT NULL,
	`trace_hex` text NOT NULL,
	`span_id` text NOT NULL,
	`trace_id` text NOT NULL,
	`started_at` integer NOT NULL,
	`duration_ms` integer NOT NULL,
	`kind` text NOT NULL,
	`session_id` text NOT NULL,
	`task_id` text,
	`actor` text NOT NULL,
	`subject` text NOT NULL,
	`status` text NOT NULL,
	`decision` text NOT NULL,
	`error_code` text,
	`policy_version` text NOT NULL,
	`cost_micro_usd` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`seq` integer,
	`call_id` text,
	`segment` text NOT NULL,
	`line` integer NOT NULL,
	PRIMARY KEY(`tenant`, `trace_hex`, `span_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `calls_by_time` ON `calls` (`tenant`,`started_at`,`span_id`);