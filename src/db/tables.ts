// Identity's tables in D1. Times are milliseconds since 1970; the read model that queues fill is in read-model.ts.

import { sql } from "drizzle-orm";
import { check, index, integer, sqliteTable, text, unique } from "drizzle-orm/sqlite-core";
import { PROVIDERS } from "../core/providers.ts";
import { SESSION_END_REASONS } from "../core/session-ends.ts";

/** What somebody wants to be told of by e-mail; what concerns their security is told in any case. */
export interface NotificationChoice {
  new_device: boolean;
  orders: boolean;
  news: boolean;
}

/** What nobody has chosen yet. */
const NOTIFICATIONS_AT_FIRST: NotificationChoice = { new_device: true, orders: true, news: false };

/**
 * One row a person. `emailCanonical` is what is unique and looked up; `email` is what was typed and gets the mail. Whoever
 * only signs in elsewhere has no `passwordHash`. A closed row keeps its id, for the books, and no name or address.
 */
export const users = sqliteTable(
  "users",
  {
    id: text("id").primaryKey(),
    email: text("email").notNull(),
    emailCanonical: text("email_canonical").notNull().unique(),
    username: text("username").notNull().unique(),
    passwordHash: text("password_hash"),
    roles: text("roles", { mode: "json" }).$type<string[]>().notNull().default(["customer"]),
    emailVerified: integer("email_verified", { mode: "boolean" }).notNull().default(false),
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
    /** The address that is to follow `email`, once its owner has said that it is theirs. */
    pendingEmail: text("pending_email"),
    locale: text("locale").notNull().default("en"),
    notifications: text("notifications", { mode: "json" })
      .$type<NotificationChoice>()
      .notNull()
      .default(NOTIFICATIONS_AT_FIRST),
    closedAt: integer("closed_at"),
  },
  (table) => [check("users_roles_json", sql`json_type(${table.roles}) = 'array'`)],
);

/** Which person an account belongs to. Its money and its status are the account object's. */
export const accounts = sqliteTable(
  "accounts",
  {
    id: text("id").primaryKey(),
    userId: text("user_id")
      .notNull()
      .references(() => users.id),
    createdAt: integer("created_at").notNull(),
  },
  (table) => [index("accounts_user").on(table.userId)],
);

/**
 * One row a login: the family of its refresh tokens, of which only the newest generation is good. An ended one is the
 * blacklist's entry and its audit: who ended it, when and why.
 */
export const sessions = sqliteTable(
  "sessions",
  {
    id: text("id").primaryKey(),
    userId: text("user_id")
      .notNull()
      .references(() => users.id),
    accountId: text("account_id")
      .notNull()
      .references(() => accounts.id),
    generation: integer("generation").notNull(),
    device: text("device").notNull(),
    ip: text("ip").notNull(),
    createdAt: integer("created_at").notNull(),
    rotatedAt: integer("rotated_at").notNull(),
    /** The last refresh tokens that were used, as `[generation, at]`: for ten seconds each has the same successor. */
    rotations: text("rotations", { mode: "json" }).$type<[generation: number, at: number][]>().notNull().default([]),
    expiresAt: integer("expires_at").notNull(),
    endedAt: integer("ended_at"),
    endedReason: text("ended_reason", { enum: SESSION_END_REASONS }),
    /** The user who ended it; null when nobody did: a token was used twice. */
    endedBy: text("ended_by"),
    /** What an operator said for it. */
    endedNote: text("ended_note"),
    /** Uses after its end that were refused by the blacklist in KV. */
    refusedUses: integer("refused_uses").notNull().default(0),
    /** When its bearer last gave a password or a code; null in sessions from before this was kept. */
    authAt: integer("auth_at"),
  },
  (table) => [
    index("sessions_user").on(table.userId),
    index("sessions_ended").on(table.endedAt).where(sql`${table.endedAt} IS NOT NULL`),
    check("sessions_generation", sql`${table.generation} >= 1`),
    check("sessions_ended_whole", sql`(${table.endedAt} IS NULL) = (${table.endedReason} IS NULL)`),
  ],
);

/** Tokens that were sent by e-mail, by their SHA-256: one of each kind a user, good once. `email` is whom it was sent to. */
export const mailTokens = sqliteTable(
  "mail_tokens",
  {
    hash: text("hash").primaryKey(),
    kind: text("kind", { enum: ["verify_email", "reset_password", "change_email"] }).notNull(),
    userId: text("user_id")
      .notNull()
      .references(() => users.id),
    email: text("email").notNull(),
    createdAt: integer("created_at").notNull(),
    expiresAt: integer("expires_at").notNull(),
    usedAt: integer("used_at"),
  },
  (table) => [index("mail_tokens_user").on(table.userId, table.kind)],
);

/** What became of each e-mail. Only the local mailbox keeps `text` and `html`: they have tokens in them. */
export const mails = sqliteTable(
  "mails",
  {
    id: text("id").primaryKey(),
    kind: text("kind").notNull(),
    userId: text("user_id").notNull(),
    recipient: text("recipient").notNull(),
    subject: text("subject").notNull(),
    status: text("status", { enum: ["sent", "refused"] }).notNull(),
    /** The provider's id of it, or its reason for refusing it. */
    said: text("said").notNull(),
    at: integer("at").notNull(),
    text: text("text"),
    html: text("html"),
  },
  (table) => [index("mails_user").on(table.userId)],
);

/**
 * One row a user with a second factor, or on the way to one. `seed` is sealed; `lastStep` is the last step of 30 s whose code
 * was taken; `recovery` has the SHA-256 of each recovery code, and when it was used: 0 for not yet.
 */
export const mfaFactors = sqliteTable(
  "mfa_factors",
  {
    userId: text("user_id")
      .primaryKey()
      .references(() => users.id),
    seed: text("seed").notNull(),
    lastStep: integer("last_step").notNull().default(0),
    recovery: text("recovery", { mode: "json" }).$type<Record<string, number>>().notNull().default({}),
    createdAt: integer("created_at").notNull(),
    /** Since when it is asked for; null until a first code has shown that the user has the seed. */
    confirmedAt: integer("confirmed_at"),
  },
  (table) => [check("mfa_factors_recovery_json", sql`json_type(${table.recovery}) = 'object'`)],
);

/** One row a sign-in that waits for its code, by the SHA-256 of its token; good once. */
export const mfaChallenges = sqliteTable(
  "mfa_challenges",
  {
    hash: text("hash").primaryKey(),
    userId: text("user_id")
      .notNull()
      .references(() => users.id),
    createdAt: integer("created_at").notNull(),
    expiresAt: integer("expires_at").notNull(),
    usedAt: integer("used_at"),
  },
  (table) => [index("mfa_challenges_user").on(table.userId), index("mfa_challenges_expires").on(table.expiresAt)],
);

/** One row an identity at a provider that somebody may sign in with: who they are there, and which user here. */
export const oauthIdentities = sqliteTable(
  "oauth_identities",
  {
    id: text("id").primaryKey(),
    provider: text("provider", { enum: PROVIDERS }).notNull(),
    /** Who vouches, and under which name there: nobody is ever found by an address. */
    issuer: text("issuer").notNull(),
    subject: text("subject").notNull(),
    userId: text("user_id")
      .notNull()
      .references(() => users.id),
    /** The address that the provider had verified when this was linked, to recognise it by. */
    email: text("email"),
    createdAt: integer("created_at").notNull(),
    lastUsedAt: integer("last_used_at").notNull(),
  },
  (table) => [
    unique("oauth_identities_subject").on(table.issuer, table.subject),
    unique("oauth_identities_user").on(table.userId, table.provider),
  ],
);

/** Sign-ins with a provider that have been used, by the SHA-256 of their state, for as long as their cookie is good. */
export const oauthUsedStates = sqliteTable(
  "oauth_used_states",
  {
    hash: text("hash").primaryKey(),
    expiresAt: integer("expires_at").notNull(),
  },
  (table) => [index("oauth_used_states_expires").on(table.expiresAt)],
);
