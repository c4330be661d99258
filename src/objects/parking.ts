// The pairs that one object has parked (protocol rule 9): nothing is sent to the other end until an operator resumes it.
import { strangeEpoch } from "../core/epochs.ts";
import type { ExchangeAnswer, HandshakeAnswer, ReportAnswer } from "./calls.ts";
import type { ObjectPorts, SqlValue } from "./ports.ts";
import type { OperatorAct, Page, PageRequest, ParkedPair } from "./protocol.ts";

/** The statements that make its table, for the version of an object's schema that brings it. Never edited. */
export const PARKINGS_SCHEMA: readonly string[] = [
  `CREATE TABLE parkings (id INTEGER PRIMARY KEY, peer TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL,
    resumed_at INTEGER, resumed_by TEXT, resumed_reason TEXT) STRICT`,
  "CREATE UNIQUE INDEX parkings_open ON parkings (peer) WHERE resumed_at IS NULL",
];

/**
 * Why the pair must be parked after this answer, or null when it need not: the other end called what it was sent a bug, or
 * speaks from a life that has ended. Every other answer is worth another try.
 */
export function reasonToPark(
  answer: ExchangeAnswer | HandshakeAnswer | ReportAnswer | null,
  who: "account" | "market",
  knownEpoch: number | null,
): string | null {
  if (answer === null) return null;
  const parks = answer.outcome === "bug" || answer.outcome === "conflict";
  return parks ? answer.detail : strangeEpoch(who, knownEpoch, answer.epoch);
}

/** What is parked and what was. `park` and `resume` belong inside a transaction; after a throw in it, make this anew. */
export class Parking {
  readonly #ports: Pick<ObjectPorts, "sql" | "now">;
  readonly #parked: Set<string>;

  constructor(ports: Pick<ObjectPorts, "sql" | "now">) {
    this.#ports = ports;
    const rows = ports.sql<{ peer: string }>("SELECT peer FROM parkings WHERE resumed_at IS NULL");
    this.#parked = new Set(rows.map(({ peer }) => peer));
  }

  /** Whether nothing may be sent to this peer. */
  has(peer: string): boolean {
    return this.#parked.has(peer);
  }

  /** Parks a peer, with the reason for it; one that is parked already keeps its first reason. */
  park(peer: string, reason: string): void {
    if (this.#parked.has(peer)) return;
    this.#ports.sql("INSERT INTO parkings (peer, reason, at) VALUES (?, ?, ?)", peer, reason, this.#ports.now());
    this.#parked.add(peer);
  }

  /** Takes a peer up again, and keeps who said so and why. False when it was not parked. */
  resume(peer: string, act: OperatorAct): boolean {
    if (!this.#parked.has(peer)) return false;
    this.#ports.sql(
      "UPDATE parkings SET resumed_at = ?, resumed_by = ?, resumed_reason = ? WHERE peer = ? AND resumed_at IS NULL",
      this.#ports.now(),
      act.by,
      act.reason,
      peer,
    );
    this.#parked.delete(peer);
    return true;
  }

  /** What is parked now, the last one first; `waiting` says how many messages a peer has not been sent. */
  page(query: PageRequest, waiting: (peer: string) => number): Page<ParkedPair> {
    const bindings: SqlValue[] = query.cursor === null ? [] : [query.cursor];
    const rows = this.#ports.sql<{ id: number; peer: string; reason: string; at: number }>(
      `SELECT id, peer, reason, at FROM parkings WHERE resumed_at IS NULL ${query.cursor === null ? "" : "AND id < ?"}
        ORDER BY id DESC LIMIT ?`,
      ...bindings,
      query.limit + 1,
    );
    const shown = rows.slice(0, query.limit);
    const data = shown.map(({ peer, reason, at }) => ({ peer, reason, since: at, waiting: waiting(peer) }));
    return { data, nextCursor: rows.length > query.limit ? (shown.at(-1)?.id ?? null) : null };
  }
}
