// What identity's files share: the context of a verb, a person, an id.

import { typeId } from "../../core/ids.ts";
import { type Database, type DatabaseBinding, database } from "../../db/client.ts";
import type { users } from "../../db/tables.ts";
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
  nowMs: number;
}

/** Puts together what a verb of identity works with. */
export function identityContext(
  env: DatabaseBinding,
  config: Config,
  ports: Pick<IdentityContext, "revoker" | "limits" | "audit">,
  nowMs: number,
): IdentityContext {
  return { db: database(env), config, ...ports, nowMs };
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
}

/** A new id of `prefix` for a thing made at `nowMs`. An id is not a secret. */
export function newId(prefix: string, nowMs: number): string {
  return typeId(prefix, nowMs, crypto.getRandomValues(new Uint8Array(10)));
}

/** A row of the users table as the owner sees it: without its hash. */
export function userOf(row: Omit<typeof users.$inferSelect, "passwordHash">, accountId: string): User {
  return {
    id: row.id,
    email: row.email,
    username: row.username,
    emailVerified: row.emailVerified,
    roles: row.roles,
    accountId,
    createdAtMs: row.createdAt,
  };
}
