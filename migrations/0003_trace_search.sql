CREATE TABLE `admissions` (
	`tenant` text NOT NULL,
	`hour` integer NOT NULL,
	`session_id` text NOT NULL,
	`from_seq` integer NOT NULL,
	`to_seq` integer NOT NULL,
	`is_uncertain` integer NOT NULL,
	`calls` text NOT NULL,
	PRIMARY KEY(`tenant`, `hour`, `session_id`, `from_seq`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `audit_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`public_key` text NOT NULL,
	`first_used_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `audit_segments` (
	`tenant` text NOT NULL,
	`first_seq` integer NOT NULL,
	`last_seq` integer NOT NULL,
	`first_at` integer NOT NULL,
	`last_at` integer NOT NULL,
	`prev_hash` text NOT NULL,
	`last_hash` text NOT NULL,
	`object` text NOT NULL,
	`checkpoint` text NOT NULL,
	PRIMARY KEY(`tenant`, `first_seq`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `erasures` (
	`tenant` text NOT NULL,
	`id` text NOT NULL,
	`scope` text NOT NULL,
	`subject` text,
	`reason` text,
	`status` text NOT NULL,
	`requested_at` integer NOT NULL,
	`requested_by` text NOT NULL,
	`finished_at` integer,
	`progress` text NOT NULL,
	`receipt` text NOT NULL,
	PRIMARY KEY(`tenant`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `export_figures` (
	`tenant` text NOT NULL,
	`exporter` text NOT NULL,
	`sent` integer NOT NULL,
	`failed` integer NOT NULL,
	`last_failure` text,
	`changed_at` integer NOT NULL,
	PRIMARY KEY(`tenant`, `exporter`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `outcomes` (
	`tenant` text NOT NULL,
	`trace_hex` text NOT NULL,
	`id` text NOT NULL,
	`outcome` text,
	`labels` text NOT NULL,
	`scores` text NOT NULL,
	`comment` text,
	`source` text,
	`at` integer NOT NULL,
	`recorded_at` integer NOT NULL,
	`recorded_by` text NOT NULL,
	`digest` text NOT NULL,
	PRIMARY KEY(`tenant`, `trace_hex`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `outcomes_by_name` ON `outcomes` (`tenant`,`outcome`,`at`);--> statement-breakpoint
CREATE TABLE `drift_findings` (
	`tenant` text NOT NULL,
	`week` integer NOT NULL,
	`id` text NOT NULL,
	`found_at` integer NOT NULL,
	`delivered_at` integer,
	`finding` text NOT NULL,
	PRIMARY KEY(`tenant`, `week`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `rollups` (
	`tenant` text NOT NULL,
	`day` integer NOT NULL,
	`kind` text NOT NULL,
	`subject` text NOT NULL,
	`release` text NOT NULL,
	`status` text NOT NULL,
	`decision` text NOT NULL,
	`calls` integer NOT NULL,
	`cost_micro_usd` integer NOT NULL,
	`input_tokens` integer NOT NULL,
	`output_tokens` integer NOT NULL,
	`duration_ms` integer NOT NULL,
	`attempts` integer NOT NULL,
	`masked` integer NOT NULL,
	`masked_calls` integer NOT NULL,
	`latency` text NOT NULL,
	`cost` text NOT NULL,
	`input` text NOT NULL,
	`output` text NOT NULL,
	PRIMARY KEY(`tenant`, `day`, `kind`, `subject`, `release`, `status`, `decision`)
) WITHOUT ROWID;
--> statement-breakpoint
-- The rows of the index before this one are written anew from the segments: `interlock traces reindex`.
DROP TABLE `calls`;--> statement-breakpoint
CREATE TABLE `calls` (
	`id` integer PRIMARY KEY NOT NULL,
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
	`release` text,
	`user` text,
	`rules` text NOT NULL,
	`upstream` text,
	`attempts` integer,
	`masked` integer NOT NULL,
	`segment` text NOT NULL,
	`line` integer NOT NULL
);
--> statement-breakpoint
CREATE VIRTUAL TABLE `calls_text` USING fts5(`facets`, `body`, content='', contentless_delete=1);
