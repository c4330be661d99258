// The pairs that objects have parked, asked of the objects themselves: D1 may be away when an operator must act.
import { ok, type Result } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { renderPage } from "../../http/page.ts";
import type { OperatorAct, PageRequest, ParkedPair, ParkedView } from "../../objects/protocol.ts";
import { accountStub, callObject, marketStub, type ObjectBindings } from "../../objects/stubs.ts";

/** The object that parks: an account by its id, or a market by its symbol, which must be listed. */
export type Parker = { account: string } | { market: string };

function stubOf(env: ObjectBindings, parker: Parker) {
  return "account" in parker ? accountStub(env, parker.account) : marketStub(env, parker.market);
}

/** What an object sends nothing to, the last one parked first, and whether it is stopped. Refuses `unavailable`. */
export function listParked(env: ObjectBindings, parker: Parker, query: PageRequest): Promise<Result<ParkedView>> {
  return callObject(async () => ok(await stubOf(env, parker).parked(query)));
}

/** Has an object send a parked peer what waits for it. Refuses `not_found` when it is not parked, and `unavailable`. */
export function resume(env: ObjectBindings, parker: Parker, peer: string, act: OperatorAct): Promise<Result<null>> {
  return callObject(() => stubOf(env, parker).unpark(peer, act));
}

/** A page of parked pairs as it is answered. */
export function wireParked(view: ParkedView) {
  return { stopped: view.stopped, ...renderPage(view, wirePair) };
}

function wirePair({ peer, reason, since, waiting }: ParkedPair) {
  return { peer, reason, since: wireTime(since), waiting };
}
