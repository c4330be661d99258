CREATE TABLE `balances` (
	`account_id` text NOT NULL,
	`asset` text NOT NULL,
	`available` integer NOT NULL,
	`held` integer NOT NULL,
	`epoch` integer NOT NULL,
	`seq` integer NOT NULL,
	PRIMARY KEY(`account_id`, `asset`),
	CONSTRAINT "balances_available_units" CHECK(typeof("balances"."available") = 'integer' AND "balances"."available" BETWEEN 0 AND 9007199254740991),
	CONSTRAINT "balances_held_units" CHECK(typeof("balances"."held") = 'integer' AND "balances"."held" BETWEEN 0 AND 9007199254740991)
);
--> statement-breakpoint
CREATE TABLE `dead_letters` (
	`id` text PRIMARY KEY NOT NULL,
	`queue` text NOT NULL,
	`subject` text NOT NULL,
	`reason` text NOT NULL,
	`body` text NOT NULL,
	`count` integer NOT NULL,
	`at` integer NOT NULL,
	`last_at` integer NOT NULL,
	`replayed_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `dead_letters_subject` ON `dead_letters` (`queue`,`subject`);--> statement-breakpoint
CREATE TABLE `executions` (
	`id` text PRIMARY KEY NOT NULL,
	`trade_id` text NOT NULL,
	`order_id` text NOT NULL,
	`account_id` text NOT NULL,
	`symbol` text NOT NULL,
	`side` text NOT NULL,
	`qty` integer NOT NULL,
	`price` integer NOT NULL,
	`fee` integer NOT NULL,
	`liquidity` text NOT NULL,
	`at` integer NOT NULL,
	`epoch` integer NOT NULL,
	`seq` integer NOT NULL,
	CONSTRAINT "executions_qty_units" CHECK(typeof("executions"."qty") = 'integer' AND "executions"."qty" BETWEEN 0 AND 9007199254740991),
	CONSTRAINT "executions_price_units" CHECK(typeof("executions"."price") = 'integer' AND "executions"."price" BETWEEN 0 AND 9007199254740991),
	CONSTRAINT "executions_fee_units" CHECK(typeof("executions"."fee") = 'integer' AND "executions"."fee" BETWEEN 0 AND 9007199254740991)
);
--> statement-breakpoint
CREATE INDEX `executions_order` ON `executions` (`order_id`);--> statement-breakpoint
CREATE TABLE `ledger_entries` (
	`object` text NOT NULL,
	`name` text NOT NULL,
	`epoch` integer NOT NULL,
	`seq` integer NOT NULL,
	`id` text NOT NULL,
	`at` integer NOT NULL,
	`kind` text NOT NULL,
	`ref` text NOT NULL,
	`hash` text NOT NULL,
	`postings` text NOT NULL,
	PRIMARY KEY(`object`, `name`, `epoch`, `seq`),
	CONSTRAINT "ledger_entries_postings" CHECK(json_type("ledger_entries"."postings") = 'array')
);
--> statement-breakpoint
CREATE TABLE `orders` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`client_order_id` text,
	`symbol` text NOT NULL,
	`side` text NOT NULL,
	`type` text NOT NULL,
	`time_in_force` text NOT NULL,
	`post_only` integer NOT NULL,
	`qty` integer,
	`notional` integer,
	`limit_price` integer,
	`expires_at` integer,
	`self_trade_prevention` text NOT NULL,
	`maker_fee_bps` integer NOT NULL,
	`taker_fee_bps` integer NOT NULL,
	`status` text NOT NULL,
	`reason` text,
	`cancel_requested` integer NOT NULL,
	`filled_qty` integer NOT NULL,
	`filled_notional` integer NOT NULL,
	`fee` integer NOT NULL,
	`hold` integer NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`seq` integer NOT NULL,
	`epoch` integer NOT NULL,
	`event_seq` integer NOT NULL,
	CONSTRAINT "orders_qty_units" CHECK("orders"."qty" IS NULL OR (typeof("orders"."qty") = 'integer' AND "orders"."qty" BETWEEN 0 AND 9007199254740991)),
	CONSTRAINT "orders_notional_units" CHECK("orders"."notional" IS NULL OR (typeof("orders"."notional") = 'integer' AND "orders"."notional" BETWEEN 0 AND 9007199254740991)),
	CONSTRAINT "orders_limit_price_units" CHECK("orders"."limit_price" IS NULL OR (typeof("orders"."limit_price") = 'integer' AND "orders"."limit_price" BETWEEN 0 AND 9007199254740991)),
	CONSTRAINT "orders_filled_qty_units" CHECK(typeof("orders"."filled_qty") = 'integer' AND "orders"."filled_qty" BETWEEN 0 AND 9007199254740991),
	CONSTRAINT "orders_filled_notional_units" CHECK(typeof("orders"."filled_notional") = 'integer' AND "orders"."filled_notional" BETWEEN 0 AND 9007199254740991),
	CONSTRAINT "orders_fee_units" CHECK(typeof("orders"."fee") = 'integer' AND "orders"."fee" BETWEEN 0 AND 9007199254740991),
	CONSTRAINT "orders_hold_units" CHECK(typeof("orders"."hold") = 'integer' AND "orders"."hold" BETWEEN 0 AND 9007199254740991)
);
--> statement-breakpoint
CREATE INDEX `orders_symbol` ON `orders` (`symbol`,`id`);--> statement-breakpoint
CREATE INDEX `orders_account` ON `orders` (`account_id`,`id`);--> statement-breakpoint
CREATE INDEX `orders_open` ON `orders` (`symbol`,`id`) WHERE status IN ('pending_new', 'new', 'partially_filled');--> statement-breakpoint
CREATE TABLE `projection_heads` (
	`id` integer PRIMARY KEY NOT NULL,
	`object` text NOT NULL,
	`name` text NOT NULL,
	`epoch` integer NOT NULL,
	`applied_seq` integer NOT NULL,
	`applied_at` integer NOT NULL,
	CONSTRAINT "projection_heads_applied_seq" CHECK("projection_heads"."applied_seq" > 0)
);
--> statement-breakpoint
CREATE UNIQUE INDEX `projection_heads_source` ON `projection_heads` (`object`,`name`,`epoch`);--> statement-breakpoint
CREATE TABLE `projection_slices` (
	`object` text NOT NULL,
	`name` text NOT NULL,
	`epoch` integer NOT NULL,
	`from_seq` integer NOT NULL,
	`to_seq` integer NOT NULL,
	`events` text NOT NULL,
	`kept_at` integer NOT NULL,
	PRIMARY KEY(`object`, `name`, `epoch`, `from_seq`, `to_seq`),
	CONSTRAINT "projection_slices_range" CHECK("projection_slices"."from_seq" > 0 AND "projection_slices"."to_seq" >= "projection_slices"."from_seq")
);
--> statement-breakpoint
CREATE TABLE `sweep_cursors` (
	`name` text PRIMARY KEY NOT NULL,
	`position` text NOT NULL,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `trades` (
	`id` text PRIMARY KEY NOT NULL,
	`market` text NOT NULL,
	`price` integer NOT NULL,
	`qty` integer NOT NULL,
	`side` text NOT NULL,
	`at` integer NOT NULL,
	`epoch` integer NOT NULL,
	`seq` integer NOT NULL,
	CONSTRAINT "trades_price_units" CHECK(typeof("trades"."price") = 'integer' AND "trades"."price" BETWEEN 0 AND 9007199254740991),
	CONSTRAINT "trades_qty_units" CHECK(typeof("trades"."qty") = 'integer' AND "trades"."qty" BETWEEN 0 AND 9007199254740991)
);
--> statement-breakpoint
CREATE INDEX `trades_market` ON `trades` (`market`,`id`);--> statement-breakpoint
CREATE TABLE `transfers` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` text NOT NULL,
	`kind` text NOT NULL,
	`asset` text NOT NULL,
	`amount` integer NOT NULL,
	`status` text NOT NULL,
	`created_at` integer NOT NULL,
	`epoch` integer NOT NULL,
	`seq` integer NOT NULL,
	CONSTRAINT "transfers_amount_units" CHECK(typeof("transfers"."amount") = 'integer' AND "transfers"."amount" BETWEEN 0 AND 9007199254740991)
);
--> statement-breakpoint
CREATE INDEX `transfers_account` ON `transfers` (`account_id`,`id`);--> statement-breakpoint
CREATE VIEW `ledger_postings` AS SELECT e.object, e.name, e.epoch, e.seq, p.value ->> 0 AS account, p.value ->> 1 AS asset, p.value ->> 2 AS amount, p.value ->> 3 AS balance FROM ledger_entries e, json_each(e.postings) p;