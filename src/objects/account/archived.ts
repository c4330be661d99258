// What an account says of a past that its journal no longer has.
import { accountAfter } from "../../core/account/cut.ts";
import {
  type AccountEvent,
  type AccountState,
  applyAccountEvent,
  type Balance,
  balanceOf,
} from "../../core/account/state.ts";
import type { Base } from "../../core/base.ts";
import { timeOfId } from "../../core/ids.ts";
import { balanceKey } from "../../core/ledger.ts";
import { invariant, type Refusal } from "../../core/result.ts";
import { eventsBetween } from "../cutting.ts";
import type { Sql } from "../ports.ts";

/** Why nothing is said of a time before an account's journal begins. */
export function archivedBefore({ at }: Base): Refusal {
  const from = new Date(at + 1).toISOString();
  return { code: "period_archived", detail: `What was before ${from} has been archived.` };
}

/** Why nothing is said of the time from a moment in ms on; null when the journal goes back so far. */
export function periodGone({ base }: Pick<AccountState, "base">, fromMs: number): Refusal | null {
  return base.seq > 0 && fromMs <= base.at ? archivedBefore(base) : null;
}

/** Why a list that goes forward cannot go on after a stream number; null when nothing after it is gone, or it is the beginning. */
export function nextGone({ base }: Pick<AccountState, "base">, cursor: number | null): Refusal | null {
  return cursor !== null && cursor < base.seq ? archivedBefore(base) : null;
}

/**
 * Why there is no order with an id: it has been archived where the id is of a time from before the journal's beginning, whether or not
 * there was one, else there is none.
 */
export function orderGone({ base }: Pick<AccountState, "base">, id: string): Refusal {
  const madeAt = timeOfId(id);
  return { code: base.seq > 0 && madeAt !== null && madeAt <= base.at ? "order_archived" : "not_found" };
}

/** Why what a key has made cannot be shown. Throws InvariantError where nothing has been cut: then it is lost. */
export function madeAndArchived({ base }: Pick<AccountState, "base">, what: string): Refusal {
  invariant(base.seq > 0, `a once record has lost ${what}`);
  return { code: "order_archived", detail: `This was done, and has been archived: ${what}.` };
}

/** What the owner has of an asset in a state; null for one never had. */
export function balanceIn(state: Readonly<AccountState>, asset: string): Balance | null {
  const had = ["available", "held"].some((account) => state.balances.has(balanceKey(account, asset)));
  return had ? { asset, available: balanceOf(state, "available", asset), held: balanceOf(state, "held", asset) } : null;
}

/** The last event that says what is kept for ever; 0 for none. A journal begins with them, and they change no state. */
export function keptThrough(sql: Sql): number {
  const [next] = sql<{ first: number }>("SELECT first FROM journal WHERE kind <> 'kept' ORDER BY seq LIMIT 1");
  return next === undefined ? 0 : next.first - 1;
}

/** The account where its journal begins, kept for as long as that is there. */
export class AtBase {
  readonly #sql: Sql;
  #kept: AccountState | null = null;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Empty, unless the journal has been cut. */
  of({ id, base }: Pick<AccountState, "id" | "base">): Readonly<AccountState> {
    if (this.#kept?.base.seq === base.seq) return this.#kept;
    const after = keptThrough(this.#sql);
    const state = accountAfter(id, after);
    for (const event of eventsBetween<AccountEvent>(this.#sql, after, base.seq)) applyAccountEvent(state, event);
    this.#kept = state;
    return state;
  }
}
