CREATE TABLE `oauth_identities` (
	`id` text PRIMARY KEY NOT NULL,
	`provider` text NOT NULL,
	`issuer` text NOT NULL,
	`subject` text NOT NULL,
	`user_id` text NOT NULL,
	`email` text,
	`created_at` integer NOT NULL,
	`last_used_at` integer NOT NULL,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `oauth_identities_subject` ON `oauth_identities` (`issuer`,`subject`);--> statement-breakpoint
CREATE UNIQUE INDEX `oauth_identities_user` ON `oauth_identities` (`user_id`,`provider`);--> statement-breakpoint
CREATE TABLE `oauth_used_states` (
	`hash` text PRIMARY KEY NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `oauth_used_states_expires` ON `oauth_used_states` (`expires_at`);