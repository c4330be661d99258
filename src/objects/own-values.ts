// The table `meta`: single values that every object keeps of itself, its epoch among them.
import { type Base, UNCUT } from "../core/base.ts";
import { decode, encode } from "../core/codec.ts";
import { FIRST_EPOCH } from "../core/epochs.ts";
import type { Sql } from "./ports.ts";

/** What a store is that keeps values of its object's own. */
export class OwnValues {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Which life this is; 0 for what is stored and cannot be an epoch. */
  epoch(): number {
    const epoch = Number(this.meta("epoch"));
    return Number.isSafeInteger(epoch) && epoch >= FIRST_EPOCH ? epoch : 0;
  }

  /** Where its journal begins. */
  base(): Base {
    const base = this.meta("base");
    return base === undefined ? UNCUT : decode<Base>(base);
  }

  /** Keeps where its journal begins. Belongs in the transaction that cuts it, or writes a cut one. */
  protected setBase(base: Base): void {
    this.setMeta("base", encode(base));
  }

  /** One value of the object's own, or undefined. */
  meta(key: string): string | undefined {
    return this.#sql<{ value: string }>("SELECT value FROM meta WHERE key = ?", key)[0]?.value;
  }

  /** Keeps one value of the object's own, in place of any it had. */
  setMeta(key: string, value: string): void {
    this.#sql(
      "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
      key,
      value,
    );
  }
}
