DROP INDEX `orders_open`;--> statement-breakpoint
ALTER TABLE `orders` ADD `trigger` text;--> statement-breakpoint
ALTER TABLE `orders` ADD `replace_requested` integer DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX `orders_open` ON `orders` (`symbol`,`id`) WHERE status IN ('pending_new', 'held', 'new', 'partially_filled');