// Stream tickets: one use, short-lived, kept as hashes. They let a browser open a socket without a header.
import { TICKET_TTL_MS, TICKETS_OPEN_MAX } from "../../core/limits.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import type { ObjectPorts } from "../ports.ts";
import type { StreamCaller } from "../protocol.ts";

type TicketPorts = Pick<ObjectPorts, "sql" | "sha256" | "now" | "name">;

/**
 * The table of unused tickets, as a version of the account's schema. Accounts have had one of two shapes before there was
 * this version; what waits in them is thirty seconds old at most, and its owner asks for another.
 */
export const TICKETS_SCHEMA = [
  "DROP TABLE IF EXISTS tickets",
  `CREATE TABLE tickets (hash TEXT PRIMARY KEY, session_id TEXT NOT NULL, issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, token_expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
];

/** The unused tickets of one account, at most 100, each good once and for 30 s. */
export class Tickets {
  readonly #ports: TicketPorts;

  constructor(ports: TicketPorts) {
    this.#ports = ports;
  }

  /** Makes a ticket for a caller's session out of `secret`, at least 128 random bits. Refuses when too many are unused. */
  issue(caller: StreamCaller, secret: string): Result<{ ticket: string; expiresAt: number }> {
    const { sql, sha256, now, name } = this.#ports;
    sql("DELETE FROM tickets WHERE expires_at <= ?", now());
    const [count] = sql<{ n: number }>("SELECT count(*) AS n FROM tickets");
    if ((count?.n ?? 0) >= TICKETS_OPEN_MAX)
      return refuse({ code: "rate_limited", retryAfterSeconds: TICKET_TTL_MS / 1_000 });
    const ticket = `tkt_${name.slice("acc_".length)}_${secret}`;
    const expiresAt = now() + TICKET_TTL_MS;
    sql(
      "INSERT INTO tickets (hash, session_id, issued_at, token_expires_at, expires_at) VALUES (?, ?, ?, ?, ?)",
      sha256(ticket),
      caller.sessionId,
      caller.issuedAtMs,
      caller.expiresAtMs,
      expiresAt,
    );
    return ok({ ticket, expiresAt });
  }

  /** Uses a ticket up and answers whose session and token it stands for. Refuses `unauthenticated` when it is unknown, used or late. */
  redeem(ticket: string): Result<StreamCaller> {
    const { sql, sha256, now, name } = this.#ports;
    const [row] = sql<{ session_id: string; issued_at: number; token_expires_at: number; expires_at: number }>(
      "DELETE FROM tickets WHERE hash = ? RETURNING session_id, issued_at, token_expires_at, expires_at",
      sha256(ticket),
    );
    if (row === undefined || row.expires_at <= now()) return refuse({ code: "unauthenticated" });
    const { session_id: sessionId, issued_at: issuedAtMs, token_expires_at: expiresAtMs } = row;
    return ok({ accountId: name, sessionId, issuedAtMs, expiresAtMs });
  }
}
