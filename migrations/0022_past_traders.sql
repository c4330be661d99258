CREATE TABLE `past_traders` (
	`symbol` text NOT NULL,
	`account_id` text NOT NULL,
	PRIMARY KEY(`symbol`, `account_id`)
);
