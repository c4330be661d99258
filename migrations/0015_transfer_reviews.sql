ALTER TABLE `transfers` ADD `worth` integer;--> statement-breakpoint
ALTER TABLE `transfers` ADD `updated_at` integer;--> statement-breakpoint
ALTER TABLE `transfers` ADD `provider` text;--> statement-breakpoint
ALTER TABLE `transfers` ADD `provider_ref` text;--> statement-breakpoint
ALTER TABLE `transfers` ADD `failure` text;--> statement-breakpoint
ALTER TABLE `transfers` ADD `decisions` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
CREATE INDEX `transfers_status` ON `transfers` (`kind`,`status`,`id`);--> statement-breakpoint
DROP TRIGGER `audit_events_of_transfers`;--> statement-breakpoint
CREATE TRIGGER `audit_events_of_transfers` AFTER INSERT ON `transfers` WHEN NOT EXISTS (SELECT 1 FROM `audit_events` WHERE `id` = 'aud_' || substr(NEW.`id`, 5)) BEGIN INSERT INTO `audit_events` (`id`, `at`, `actor_kind`, `actor`, `act`, `target`, `outcome`, `ip`, `request_id`, `reason`) VALUES ('aud_' || substr(NEW.`id`, 5), NEW.`created_at`, 'user', coalesce((SELECT `user_id` FROM `accounts` WHERE `id` = NEW.`account_id`), NEW.`account_id`), 'money.' || NEW.`kind`, NEW.`id`, CASE NEW.`status` WHEN 'settled' THEN 'ok' ELSE NEW.`status` END, '', '', NULL); END;
