// Restoring one object: what the objects themselves say of it, and who a restored market must hear before it opens.
import { eq } from "drizzle-orm";
import { ok, type Result, refuse } from "../../core/result.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { orders, pastTraders } from "../../db/read-model.ts";
import type { OperatorAct, Page, PageRequest, RestoreView, Snapshot, SnapshotPart } from "../../objects/protocol.ts";
import { accountStub, callObject, marketStub, type ObjectBindings } from "../../objects/stubs.ts";

/** The object that is restored: an account by its id, or a market by its symbol, which must be listed. */
export type Restored = { account: string } | { market: string };

function stubOf(env: ObjectBindings, which: Restored) {
  return "account" in which ? accountStub(env, which.account) : marketStub(env, which.market);
}

/** What an operator says of a restore. */
export interface RestoreWish extends Omit<Snapshot, "journal"> {
  journal?: string[] | undefined;
  expected?: string[];
}

const REPLACED_BY_NOTHING = refuse({
  code: "validation_failed",
  errors: [
    { pointer: "/journal", code: "required", detail: "is what replaces all that there is; [] where that is nothing" },
  ],
});

/** How far a restore has come. Refuses `unavailable`. */
export function restoration(env: ObjectBindings, which: Restored): Promise<Result<RestoreView>> {
  return callObject(async () => ok(await stubOf(env, which).restoration()));
}

/** A page of an object's journal, as it is stored. Refuses `unavailable`. */
export function listJournal(env: ObjectBindings, which: Restored, query: PageRequest): Promise<Result<Page<string>>> {
  return callObject(async () => ok(await stubOf(env, which).journal(query)));
}

/**
 * Has an object keep a part of a snapshot that is too long for one request; answers how many events it keeps. Refuses
 * `validation_failed` where a part before is missing, and `unavailable`.
 */
export function keepPart(
  env: ObjectBindings,
  which: Restored,
  part: SnapshotPart,
): Promise<Result<{ events: number }>> {
  return callObject(async () => {
    const kept = await stubOf(env, which).keepPart(part);
    return kept.ok ? ok({ events: kept.value }) : kept;
  });
}

/**
 * Begins an object's next life; a market then waits for every account that is `expected`, that the read model has or has had an order
 * of there, or that it knows itself. Refuses `validation_failed` for an epoch or a journal that does not fit, or is left out where it is to
 * replace what there is, and `unavailable`, a market's also while D1 is away.
 */
export async function restore(
  env: ObjectBindings & DatabaseBinding,
  which: Restored,
  { expected = [], journal, ...wish }: RestoreWish,
  act: OperatorAct,
): Promise<Result<null>> {
  // Left out by mistake it would take all that there is, and put nothing in its place.
  if (journal === undefined && wish.replace && wish.after === 0) return REPLACED_BY_NOTHING;
  const snapshot: Snapshot = { ...wish, journal: journal ?? [] };
  if ("account" in which) return callObject(() => accountStub(env, which.account).restore(snapshot, act));
  const db = database(env);
  const traded = await guardD1(
    db
      .select({ account: orders.accountId })
      .from(orders)
      .where(eq(orders.symbol, which.market))
      .union(
        db.select({ account: pastTraders.accountId }).from(pastTraders).where(eq(pastTraders.symbol, which.market)),
      ),
  );
  if (!traded.ok) return traded;
  const all = new Set([...expected, ...traded.value.map(({ account }) => account)]);
  return callObject(() => marketStub(env, which.market).restore(snapshot, [...all], act));
}

/** Opens a restored object though it still waits. Refuses `not_found` when it is not restoring, and `unavailable`. */
export function reopen(env: ObjectBindings, which: Restored, act: OperatorAct): Promise<Result<null>> {
  return callObject(() => stubOf(env, which).reopen(act));
}
