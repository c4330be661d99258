// Bugs that are built into a run on purpose: a simulator that does not find them is blind, whatever else it says.
import type { SqlValue } from "../../src/objects/ports.ts";
import type { Tamper } from "./object.ts";

/** Each breaks one promise, where an object stores what it has decided. */
export const CANARIES = {
  /** An account forgets what was asked under a key: asked again, it acts again. */
  forgotten_key: (query, bindings) => (query.startsWith("INSERT INTO once") ? null : bindings),
  /** An account forgets which commands its market has acknowledged. */
  forgotten_counter: (query, bindings) => (query.startsWith("INSERT INTO peers (symbol") ? null : bindings),
  /** A balance is stored one unit short. */
  short_balance: (query, bindings) =>
    query.startsWith("INSERT INTO ledger_accounts") ? bindings.map(oneUnitShort) : bindings,
  /** A market forgets the orders that rest in its book. */
  forgotten_order: (query, bindings) => (query.startsWith("INSERT INTO orders (id, rests") ? null : bindings),
  /** A journal is cut, and what stands for its events is not written. */
  forgotten_base: (_, bindings) => (bindings.some(isBase) ? null : bindings),
  /** An object starts without a look at the hashes of its ledger. */
  unchecked_ledger: (query, bindings) =>
    query.startsWith("SELECT seq, at, body FROM journal WHERE") ? null : bindings,
} as const satisfies Record<string, Tamper>;

export type Canary = keyof typeof CANARIES;

function isBase(value: SqlValue): boolean {
  return typeof value === "string" && value.startsWith('{"kind":"base"');
}

function oneUnitShort(value: SqlValue): SqlValue {
  const rows = JSON.parse(String(value)) as [string, string, number, string | null][];
  return JSON.stringify(
    rows.map(([account, asset, units, beyond]) => [
      account,
      asset,
      account === "available" && units > 0 ? units - 1 : units,
      beyond,
    ]),
  );
}
