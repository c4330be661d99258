CREATE TABLE `portfolio_snapshots` (
	`account_id` text NOT NULL,
	`at` integer NOT NULL,
	`seq` integer NOT NULL,
	`cash` text NOT NULL,
	`positions_value` text NOT NULL,
	`deposits` text,
	`withdrawals` text,
	`growth` text,
	PRIMARY KEY(`account_id`, `at`)
);
