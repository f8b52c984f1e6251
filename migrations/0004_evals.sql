CREATE TABLE `eval_audits` (
	`tenant` text NOT NULL,
	`id` text NOT NULL,
	`run` text NOT NULL,
	`case_id` text NOT NULL,
	`side` text NOT NULL,
	`repeat` integer NOT NULL,
	`judge` text NOT NULL,
	`grader` text NOT NULL,
	`judge_digest` text NOT NULL,
	`rubric_version` text NOT NULL,
	`judged` text NOT NULL,
	`status` text NOT NULL,
	`priority` integer NOT NULL,
	`is_random` integer NOT NULL,
	`created_at` integer NOT NULL,
	`settled_at` integer,
	`settled` text,
	`labels` text NOT NULL,
	PRIMARY KEY(`tenant`, `id`)
);
--> statement-breakpoint
CREATE INDEX `eval_audits_by_status` ON `eval_audits` (`tenant`,`status`,`priority`,`id`);--> statement-breakpoint
CREATE INDEX `eval_audits_by_judge` ON `eval_audits` (`tenant`,`judge`,`judge_digest`,`settled_at`);--> statement-breakpoint
CREATE TABLE `eval_calibrations` (
	`tenant` text NOT NULL,
	`judge` text NOT NULL,
	`at` integer NOT NULL,
	`judge_digest` text NOT NULL,
	`rubric_version` text NOT NULL,
	`status` text NOT NULL,
	`calibration` text NOT NULL,
	PRIMARY KEY(`tenant`, `judge`, `at`)
);
--> statement-breakpoint
CREATE TABLE `eval_cases` (
	`tenant` text NOT NULL,
	`dataset` text NOT NULL,
	`version` integer NOT NULL,
	`id` text NOT NULL,
	`cluster` text NOT NULL,
	`trace_id` text,
	`session_id` text,
	`user` text,
	`tags` text NOT NULL,
	`risk` text NOT NULL,
	`is_adversarial` integer NOT NULL,
	`segment` text NOT NULL,
	`line` integer NOT NULL,
	PRIMARY KEY(`tenant`, `dataset`, `version`, `id`)
);
--> statement-breakpoint
CREATE TABLE `eval_datasets` (
	`tenant` text NOT NULL,
	`name` text NOT NULL,
	`version` integer NOT NULL,
	`created_at` integer NOT NULL,
	`created_by` text NOT NULL,
	`cases` integer NOT NULL,
	`clusters` integer NOT NULL,
	`digest` text NOT NULL,
	`origin` text NOT NULL,
	PRIMARY KEY(`tenant`, `name`, `version`)
);
--> statement-breakpoint
CREATE TABLE `eval_results` (
	`tenant` text NOT NULL,
	`run` text NOT NULL,
	`id` text NOT NULL,
	`cluster` text NOT NULL,
	`tags` text NOT NULL,
	`risk` text NOT NULL,
	`segment` text NOT NULL,
	`line` integer NOT NULL,
	`status` text NOT NULL,
	`lease` text,
	`leased_until` integer NOT NULL,
	`attempts` integer NOT NULL,
	`cost_micro_usd` integer NOT NULL,
	`graded` text,
	`episodes` text,
	`finished_at` integer,
	PRIMARY KEY(`tenant`, `run`, `id`)
);
--> statement-breakpoint
CREATE TABLE `eval_runs` (
	`tenant` text NOT NULL,
	`id` text NOT NULL,
	`suite` text NOT NULL,
	`agent` text NOT NULL,
	`dataset` text NOT NULL,
	`version` integer NOT NULL,
	`mode` text NOT NULL,
	`trigger` text NOT NULL,
	`requested_by` text NOT NULL,
	`reason` text,
	`created_at` integer NOT NULL,
	`finished_at` integer,
	`status` text NOT NULL,
	`verdict` text,
	`candidate` text NOT NULL,
	`candidate_digest` text NOT NULL,
	`baseline` text NOT NULL,
	`baseline_digest` text,
	`suite_digest` text NOT NULL,
	`cases` integer NOT NULL,
	`budget_micro_usd` integer NOT NULL,
	`moved_at` integer NOT NULL,
	`summary` text,
	`followed` text,
	PRIMARY KEY(`tenant`, `id`)
);
--> statement-breakpoint
CREATE INDEX `eval_runs_by_digest` ON `eval_runs` (`tenant`,`candidate_digest`,`suite`);--> statement-breakpoint
CREATE INDEX `eval_runs_by_status` ON `eval_runs` (`status`,`moved_at`);--> statement-breakpoint
CREATE TABLE `eval_watches` (
	`tenant` text NOT NULL,
	`agent` text NOT NULL,
	`generation` integer NOT NULL,
	`release` text NOT NULL,
	`live` text NOT NULL,
	`status` text NOT NULL,
	`started_at` integer NOT NULL,
	`looked_at` integer NOT NULL,
	`evidence` text NOT NULL,
	PRIMARY KEY(`tenant`, `agent`, `generation`)
);
