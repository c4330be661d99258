CREATE TABLE `audit_events` (
	`id` text PRIMARY KEY NOT NULL,
	`at` integer NOT NULL,
	`actor_kind` text NOT NULL,
	`actor` text NOT NULL,
	`act` text NOT NULL,
	`target` text NOT NULL,
	`outcome` text NOT NULL,
	`ip` text NOT NULL,
	`request_id` text NOT NULL,
	`reason` text
);
--> statement-breakpoint
CREATE INDEX `audit_events_actor` ON `audit_events` (`actor`,`id`);--> statement-breakpoint
CREATE INDEX `audit_events_act` ON `audit_events` (`act`,`id`);--> statement-breakpoint
CREATE INDEX `audit_events_target` ON `audit_events` (`target`,`id`);--> statement-breakpoint
CREATE TABLE `idempotency_keys` (
	`scope` text NOT NULL,
	`key` text NOT NULL,
	`body_hash` text NOT NULL,
	`request_id` text NOT NULL,
	`lease_until` integer NOT NULL,
	`created_at` integer NOT NULL,
	`status` integer,
	`content_type` text,
	`body` text,
	PRIMARY KEY(`scope`, `key`),
	CONSTRAINT "idempotency_keys_whole" CHECK(("idempotency_keys"."status" IS NULL) = ("idempotency_keys"."body" IS NULL))
);
--> statement-breakpoint
CREATE INDEX `idempotency_keys_created` ON `idempotency_keys` (`created_at`);--> statement-breakpoint
CREATE TABLE `ip_rules` (
	`id` text PRIMARY KEY NOT NULL,
	`list` text NOT NULL,
	`block` text NOT NULL,
	`reason` text NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	CONSTRAINT "ip_rules_list" CHECK("ip_rules"."list" IN ('allow', 'deny'))
);
--> statement-breakpoint
CREATE UNIQUE INDEX `ip_rules_block_unique` ON `ip_rules` (`block`);