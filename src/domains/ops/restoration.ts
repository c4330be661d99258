// Restoring one object: what the objects themselves say of it, and who a restored market must hear before it opens.
import { and, ne } from "drizzle-orm";
import { ok, type Result, refuse } from "../../core/result.ts";
import { among, type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { orders, transfers } from "../../db/read-model.ts";
import { tradersOf } from "../../db/traders.ts";
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

const OF_ANOTHER = refuse({
  code: "validation_failed",
  errors: [{ pointer: "/journal", code: "invalid", detail: "is another account's" }],
});

/** What an account's own events name, and no other's. By its field: a client_order_id may look like anything. */
const OWN_ID = /"id":"((?:ord|dep|wdr)_[0-9a-z]{26})"/g;
/** Enough to tell whose it is; all of them would be as long as the journal. */
const IDS_LOOKED_FOR = 100;

/**
 * Whether D1 knows orders or transfers of this journal as another account's: its events do not name whose they are. What D1 does not know,
 * or while it is away, is the operator's word: an account comes back without D1.
 */
async function isOfAnother(env: DatabaseBinding, account: string, journal: readonly string[]): Promise<boolean> {
  const ids = new Set<string>();
  for (const body of journal) {
    for (const [, id = ""] of body.matchAll(OWN_ID)) ids.add(id);
    if (ids.size > IDS_LOOKED_FOR) break;
  }
  if (ids.size === 0) return false;
  const db = database(env);
  const found = await guardD1(
    db
      .select({ id: orders.id })
      .from(orders)
      .where(and(among(orders.id, [...ids]), ne(orders.accountId, account)))
      .union(
        db
          .select({ id: transfers.id })
          .from(transfers)
          .where(and(among(transfers.id, [...ids]), ne(transfers.accountId, account))),
      )
      .limit(1),
  );
  return found.ok && found.value.length > 0;
}

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
 * `validation_failed` where a part before is missing or it is another account's, and `unavailable`.
 */
export async function keepPart(
  env: ObjectBindings & DatabaseBinding,
  which: Restored,
  part: SnapshotPart,
): Promise<Result<{ events: number }>> {
  if ("account" in which && (await isOfAnother(env, which.account, part.journal))) return OF_ANOTHER;
  return callObject(async () => {
    const kept = await stubOf(env, which).keepPart(part);
    return kept.ok ? ok({ events: kept.value }) : kept;
  });
}

/**
 * Begins an object's next life; a market then waits for every account that is `expected`, that the read model has or has had an order
 * of there, or that it knows itself. Refuses `validation_failed` for an epoch or a journal that does not fit, that is another account's, or
 * that is left out where it is to replace what there is, and `unavailable`, a market's also while D1 is away.
 */
export async function restore(
  env: ObjectBindings & DatabaseBinding,
  which: Restored,
  { expected = [], journal, ...wish }: RestoreWish,
  act: OperatorAct,
): Promise<Result<null>> {
  // Left out by mistake it would take all that there is, and put nothing in its place.
  if (journal === undefined && wish.replace && !wish.after) return REPLACED_BY_NOTHING;
  const snapshot: Snapshot = { ...wish, journal: journal ?? [] };
  if ("account" in which) {
    if (await isOfAnother(env, which.account, snapshot.journal)) return OF_ANOTHER;
    return callObject(() => accountStub(env, which.account).restore(snapshot, act));
  }
  const traded = await guardD1(tradersOf(database(env), which.market));
  if (!traded.ok) return traded;
  const all = new Set([...expected, ...traded.value.map(({ account }) => account)]);
  return callObject(() => marketStub(env, which.market).restore(snapshot, [...all], act));
}

/** Opens a restored object though it still waits. Refuses `not_found` when it is not restoring, and `unavailable`. */
export function reopen(env: ObjectBindings, which: Restored, act: OperatorAct): Promise<Result<null>> {
  return callObject(() => stubOf(env, which).reopen(act));
}
