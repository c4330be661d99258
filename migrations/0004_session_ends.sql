ALTER TABLE `sessions` ADD `ended_by` text;--> statement-breakpoint
ALTER TABLE `sessions` ADD `ended_note` text;--> statement-breakpoint
ALTER TABLE `sessions` ADD `refused_uses` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `sessions_ended` ON `sessions` (`ended_at`) WHERE "sessions"."ended_at" IS NOT NULL;