DROP INDEX `orders_open`;--> statement-breakpoint
CREATE INDEX `orders_open` ON `orders` (`symbol`,`id`) WHERE status IN ('pending_new', 'held', 'new', 'partially_filled');