// The table of acts that are done at most once: under which key, what they made, and what they were first answered.
import { keptKeyOf, type OnceKept, shortened } from "../../core/account/base.ts";
import type { OnceKey } from "../../core/account/state.ts";
import { decode, encode } from "../../core/codec.ts";
import type { Sha256 } from "../../core/ledger.ts";
import type { Refusal } from "../../core/result.ts";
import type { ObjectPorts, Sql } from "../ports.ts";

/**
 * What is remembered of an act: what it made (`ref`), or what it was refused with, and the first answer where that is kept.
 * Neither made nor refused: it asked again for the order that its client_order_id had made.
 */
export interface OnceRecord {
  bodyHash: string;
  ref: string | null;
  refusal: Refusal | null;
  answer: string | null;
  requestId: string | null;
}

/** What stands in the place of a scope once an act has been cut: its key and its body are digests then. */
const CUT = "cut";

/** The keys of an account. */
export class OnceTable {
  readonly #sql: Sql;
  readonly #sha256: Sha256;
  #isCut = false;

  constructor({ sql, sha256 }: Pick<ObjectPorts, "sql" | "sha256">) {
    this.#sql = sql;
    this.#sha256 = sha256;
  }

  /** Remembers an act under its key. Belongs in the act's transaction. */
  keep(key: OnceKey, ref: string | null, refusal: Refusal | null): void {
    this.#sql(
      "INSERT INTO once (scope, key, body_hash, ref, refusal, request_id) VALUES (?, ?, ?, ?, ?, ?)",
      key.scope,
      key.key,
      key.bodyHash,
      ref,
      refusal === null ? null : encode(refusal),
      key.requestId,
    );
  }

  /** What is remembered of an act under this key, which is asked for with a body of this hash. */
  find(scope: OnceKey["scope"], key: string, bodyHash: string): OnceRecord | undefined {
    const known = this.#row(scope, key);
    if (known !== undefined || !this.#hasCut()) return known;
    const cut = this.#row(CUT, keptKeyOf({ scope, key }, this.#sha256));
    // Of a body only the beginning of its hash is left: where that is the same, it is the same body.
    return cut?.bodyHash === shortened(bodyHash) ? { ...cut, bodyHash } : cut;
  }

  /** Whether any act has been cut: most accounts are spared a look at each order. Once there is one, there is for ever. */
  #hasCut(): boolean {
    this.#isCut ||= this.#sql("SELECT 1 AS cut FROM once WHERE scope = ? LIMIT 1", CUT).length > 0;
    return this.#isCut;
  }

  #row(scope: OnceKey["scope"] | typeof CUT, key: string): OnceRecord | undefined {
    const [row] = this.#sql<{
      body_hash: string;
      ref: string | null;
      refusal: string | null;
      answer: string | null;
      request_id: string | null;
    }>("SELECT body_hash, ref, refusal, answer, request_id FROM once WHERE scope = ? AND key = ?", scope, key);
    if (row === undefined) return undefined;
    const refusal = row.refusal === null ? null : decode<Refusal>(row.refusal);
    return { bodyHash: row.body_hash, ref: row.ref, refusal, answer: row.answer, requestId: row.request_id };
  }

  /** Keeps the first answer to a key, and answers the one that is kept: the same for ever, whoever comes second. */
  keepAnswer(scope: OnceKey["scope"], key: string, answer: string): string {
    const [row] = this.#sql<{ answer: string }>(
      "UPDATE once SET answer = coalesce(answer, ?) WHERE scope = ? AND key = ? RETURNING answer",
      answer,
      scope,
      key,
    );
    return row?.answer ?? answer;
  }

  /** Keeps as little as it takes of an act that has been cut. Belongs in the transaction that cuts it, or restores it. */
  keepShort([key, body, ref, refusal]: OnceKept): void {
    this.#sql(
      "INSERT INTO once (scope, key, body_hash, ref, refusal) VALUES (?, ?, ?, ?, ?)",
      ...[CUT, key, body, ref, refusal === undefined ? null : encode(refusal)],
    );
  }

  /** As {@link keepShort}, of an act that is known by all of its key: what it was answered is forgotten. */
  shorten({ scope, key }: OnceKey, kept: OnceKept): void {
    this.#sql("DELETE FROM once WHERE scope = ? AND key = ?", scope, key);
    this.keepShort(kept);
  }
}
