CREATE TABLE `applied_writes` (
	`id` text PRIMARY KEY NOT NULL,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `applied_writes_at` ON `applied_writes` (`at`);