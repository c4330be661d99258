// The table of acts that are done at most once: under which key, what they made, and what they were first answered.
import type { OnceKey } from "../../core/account/state.ts";
import { decode, encode } from "../../core/codec.ts";
import type { Refusal } from "../../core/result.ts";
import type { Sql } from "../ports.ts";

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

/** The keys of an account. */
export class OnceTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
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

  /** What is remembered of an act under this key. */
  find(scope: OnceKey["scope"], key: string): OnceRecord | undefined {
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

  /** Forgets what was answered under keys whose acts have been cut: that they were done is kept for ever, in as little as it takes. */
  shorten(keys: readonly Pick<OnceKey, "scope" | "key">[]): void {
    this.#sql(
      `UPDATE once SET answer = NULL, request_id = iif(refusal IS NULL, NULL, request_id)
        WHERE (scope, key) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))`,
      JSON.stringify(keys.map(({ scope, key }) => [scope, key])),
    );
  }
}
