// What identity's files share: the context of a verb, a person, an id.

import type { EdgeSessions } from "../../bindings/kv.ts";
import type { MailSubject } from "../../bindings/mail.ts";
import { typeId } from "../../core/ids.ts";
import type { Result } from "../../core/result.ts";
import type { Database } from "../../db/client.ts";
import type { NotificationChoice, users } from "../../db/tables.ts";
import type { AuditAct } from "../../http/audit.ts";
import type { Config, SessionAuthority } from "../../http/context.ts";
import type { Limits } from "../../http/limits.ts";

/** What identity's verbs work with. */
export interface IdentityContext {
  db: Database;
  config: Config;
  revoker: SessionAuthority;
  limits: Limits;
  /** Tells the audit trail, after the answer. */
  audit: (act: AuditAct) => void;
  edge: EdgeSessions;
  /** Asks for an e-mail. Refuses `unavailable` when the queue does not take it. */
  mail: (subject: MailSubject) => Promise<Result<null>>;
  /** Lets something go on after the answer; it never fails. */
  later: (work: Promise<unknown>) => void;
  nowMs: number;
}

/** Where a login comes from: shown to the owner in the list of sessions. */
export interface Origin {
  device: string;
  ip: string;
}

/** A person as the owner sees them. */
export interface User {
  id: string;
  email: string;
  username: string;
  emailVerified: boolean;
  roles: string[];
  accountId: string;
  createdAtMs: number;
  /** The address that is to follow `email`; null when none waits. */
  pendingEmail: string | null;
  locale: string;
  notifications: NotificationChoice;
}

/** What of a profile nobody is asked for at sign-up. */
export const PROFILE_AT_FIRST = {
  pendingEmail: null,
  locale: "en",
  notifications: { new_device: true, orders: true, news: false },
} as const;

/** A new id of `prefix` for a thing made at `nowMs`. An id is not a secret. */
export function newId(prefix: string, nowMs: number): string {
  return typeId(prefix, nowMs, crypto.getRandomValues(new Uint8Array(10)));
}

/** The one form of an address under which it is unique; schema.ts lets ASCII through only. */
export function canonicalEmail(email: string): string {
  return email.toLowerCase();
}

/** A row of the users table as the owner sees it: without its hash. */
export function userOf(row: Omit<typeof users.$inferSelect, "passwordHash" | "closedAt">, accountId: string): User {
  return {
    id: row.id,
    email: row.email,
    username: row.username,
    emailVerified: row.emailVerified,
    roles: row.roles,
    accountId,
    createdAtMs: row.createdAt,
    pendingEmail: row.pendingEmail,
    locale: row.locale,
    notifications: row.notifications,
  };
}

/** What KV kept of a session's bearer, if it is a whole person: another version may have written it. */
export function keptUser(kept: unknown): User | null {
  const { id, email, username, accountId, locale, ...rest } = { ...(kept as Partial<User> | null) };
  const { emailVerified, roles, createdAtMs, pendingEmail, notifications } = rest;
  const texts = [id, email, username, accountId, locale].every((one) => typeof one === "string");
  const waits = pendingEmail === null || typeof pendingEmail === "string";
  const lists = Array.isArray(roles) && typeof notifications === "object" && notifications !== null;
  const whole = texts && waits && lists && typeof emailVerified === "boolean" && typeof createdAtMs === "number";
  return whole ? (kept as User) : null;
}
