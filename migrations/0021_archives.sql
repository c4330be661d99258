CREATE TABLE `archives` (
	`key` text PRIMARY KEY NOT NULL,
	`object` text NOT NULL,
	`name` text NOT NULL,
	`epoch` integer NOT NULL,
	`from_seq` integer NOT NULL,
	`to_seq` integer NOT NULL,
	`before` integer NOT NULL,
	`sha256` text NOT NULL,
	`bytes` integer NOT NULL,
	`archived_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `archives_object` ON `archives` (`object`,`name`,`epoch`,`from_seq`);