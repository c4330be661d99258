CREATE TABLE `tasks` (
	`id` text PRIMARY KEY NOT NULL,
	`user_id` text NOT NULL,
	`title` text NOT NULL,
	`notes` text NOT NULL,
	`status` text NOT NULL,
	`due_at` integer,
	`version` integer NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`deleted_at` integer,
	`searched` text NOT NULL,
	`reminded_of` integer,
	CONSTRAINT "tasks_status" CHECK("tasks"."status" IN ('open', 'done')),
	CONSTRAINT "tasks_version" CHECK("tasks"."version" >= 1)
);
--> statement-breakpoint
CREATE INDEX `tasks_created` ON `tasks` (`user_id`,`created_at`,`id`) WHERE "tasks"."deleted_at" IS NULL;--> statement-breakpoint
CREATE INDEX `tasks_to_remind` ON `tasks` (`due_at`) WHERE "tasks"."status" = 'open' AND "tasks"."deleted_at" IS NULL AND "tasks"."due_at" IS NOT "tasks"."reminded_of";