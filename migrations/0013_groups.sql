ALTER TABLE `orders` ADD `group_id` text;--> statement-breakpoint
ALTER TABLE `orders` ADD `order_class` text;