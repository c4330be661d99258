CREATE TABLE `breaks` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`object` text NOT NULL,
	`name` text NOT NULL,
	`subject` text NOT NULL,
	`expected` text NOT NULL,
	`found` text NOT NULL,
	`opened_at` integer NOT NULL,
	`last_seen_at` integer NOT NULL,
	`closed_at` integer,
	`acknowledged_at` integer,
	`acknowledged_by` text,
	`acknowledged_reason` text,
	CONSTRAINT "breaks_acknowledged_whole" CHECK(("breaks"."acknowledged_at" IS NULL) = ("breaks"."acknowledged_by" IS NULL))
);
--> statement-breakpoint
CREATE UNIQUE INDEX `breaks_open` ON `breaks` (`object`,`name`,`kind`,`subject`) WHERE closed_at IS NULL;--> statement-breakpoint
CREATE TABLE `check_marks` (
	`object` text NOT NULL,
	`name` text NOT NULL,
	`orders_after` text NOT NULL,
	`entries_after` integer NOT NULL,
	PRIMARY KEY(`object`, `name`)
);
--> statement-breakpoint
CREATE TABLE `checks` (
	`id` text PRIMARY KEY NOT NULL,
	`phase` text NOT NULL,
	`position` text NOT NULL,
	`version` integer NOT NULL,
	`state` text NOT NULL,
	`started_at` integer NOT NULL,
	`finished_at` integer,
	`accounts` integer NOT NULL,
	`markets` integer NOT NULL,
	`orders` integer NOT NULL,
	`entries` integer NOT NULL,
	`result` text
);
--> statement-breakpoint
CREATE INDEX `checks_finished` ON `checks` (`finished_at`);--> statement-breakpoint
CREATE TABLE `liability_nodes` (
	`round` integer NOT NULL,
	`storey` integer NOT NULL,
	`first` text NOT NULL,
	`hash` text NOT NULL,
	`sums` text NOT NULL,
	`account_id` text,
	`salt` text,
	PRIMARY KEY(`round`, `storey`, `first`),
	CONSTRAINT "liability_nodes_leaf" CHECK(("liability_nodes"."storey" = 0) = ("liability_nodes"."account_id" IS NOT NULL))
);
--> statement-breakpoint
CREATE UNIQUE INDEX `liability_nodes_account` ON `liability_nodes` (`round`,`account_id`) WHERE account_id IS NOT NULL;--> statement-breakpoint
CREATE TABLE `liability_rounds` (
	`round` integer PRIMARY KEY NOT NULL,
	`phase` text NOT NULL,
	`position` text NOT NULL,
	`storey` integer NOT NULL,
	`version` integer NOT NULL,
	`accounts` integer NOT NULL,
	`missing` text NOT NULL,
	`root` text,
	`totals` text,
	`started_at` integer NOT NULL,
	`finished_at` integer
);
