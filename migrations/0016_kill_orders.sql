CREATE TABLE `kill_orders` (
	`symbol` text PRIMARY KEY NOT NULL,
	`act` text NOT NULL,
	`cancel_orders` integer NOT NULL,
	`by` text NOT NULL,
	`reason` text NOT NULL,
	`at` integer NOT NULL,
	`told_at` integer
);
