CREATE TABLE `backups` (
	`id` text PRIMARY KEY NOT NULL,
	`phase` text NOT NULL,
	`version` integer NOT NULL,
	`state` text NOT NULL,
	`started_at` integer NOT NULL,
	`finished_at` integer,
	`complete` integer NOT NULL,
	`accounts` integer NOT NULL,
	`markets` integer NOT NULL,
	`events` integer NOT NULL,
	`rows` integer NOT NULL,
	`parts` integer NOT NULL,
	`bytes` integer NOT NULL,
	`missing` text NOT NULL,
	`asked_by` text,
	`forgotten_at` integer
);
--> statement-breakpoint
CREATE INDEX `backups_started` ON `backups` (`started_at`);