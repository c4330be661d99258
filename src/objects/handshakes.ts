// With whom an object must still shake hands, since one of the two has been restored (protocol rule 15).
import type { ObjectPorts } from "./ports.ts";

/** The statements that make its table, for the version of an object's schema that brings it. Never edited. */
export const HANDSHAKES_SCHEMA: readonly string[] = [
  "CREATE TABLE handshakes (peer TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT, WITHOUT ROWID",
];

/** Who is still to be met. `add` and `remove` belong inside a transaction; after a throw in it, make this anew. */
export class Handshakes {
  readonly #ports: Pick<ObjectPorts, "sql" | "now">;
  readonly #unmet: Set<string>;

  constructor(ports: Pick<ObjectPorts, "sql" | "now">) {
    this.#ports = ports;
    this.#unmet = new Set(
      ports.sql<{ peer: string }>("SELECT peer FROM handshakes ORDER BY peer").map(({ peer }) => peer),
    );
  }

  /** Who is still to be met. */
  get unmet(): ReadonlySet<string> {
    return this.#unmet;
  }

  /** Whether nothing but a handshake may pass between this object and a peer. */
  has(peer: string): boolean {
    return this.#unmet.has(peer);
  }

  /** Holds a pair until hands are shaken. */
  add(peer: string): void {
    if (this.#unmet.has(peer)) return;
    this.#ports.sql("INSERT INTO handshakes (peer, since) VALUES (?, ?)", peer, this.#ports.now());
    this.#unmet.add(peer);
  }

  /** Hands are shaken. */
  remove(peer: string): void {
    if (!this.#unmet.delete(peer)) return;
    this.#ports.sql("DELETE FROM handshakes WHERE peer = ?", peer);
  }
}
