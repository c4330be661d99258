// What placing an order would do, by the very functions that place one, on copies.

import { isExit } from "../groups.ts";
import type { Report, Submission } from "../messages.ts";
import type { Order } from "../order.ts";
import { invariant, ok, onBreak, type Refusal, type Result, refuse } from "../result.ts";
import type { OrderRequest } from "./admission.ts";
import { type AccountTurn, placeOrder } from "./decide.ts";
import { commandOf } from "./events.ts";
import { type GroupRequest, isGroup, placeGroup, symbolOf } from "./grouping.ts";
import { groupOf } from "./groups.ts";
import { applyReports } from "./reports.ts";
import { accountPeer, type Balance, type FillRecord, type PreventedRecord } from "./state.ts";

/** An order as it would be, its fills, the matches that would be prevented, and the balances that would be other than now. */
export interface Preview {
  order: Order;
  fills: FillRecord[];
  prevented: PreventedRecord[];
  balances: Balance[];
}

/** What an order is called that is never placed. */
const PREVIEW_ID = "ord_preview";

/** A turn like this one, of which nothing is kept: what happens in it changes copies alone. */
export function rehearsalOf({ state, ctx }: AccountTurn): AccountTurn {
  const peers = new Map(state.peers);
  for (const [symbol, peer] of peers) peers.set(symbol, { ...peer, pending: [...peer.pending] });
  const copies = {
    orders: new Map(state.orders),
    groups: new Map(state.groups),
    balances: new Map(state.balances),
    credits: new Map(state.credits),
    positions: new Map(state.positions),
    rules: new Map(state.rules),
    volumes: new Map(state.volumes),
    peers,
  };
  return { state: { ...state, ...copies }, ctx, events: [] };
}

/**
 * What would be sent to the order's market; of a group, the one order of it that may trade at once. Refuses as
 * {@link placeOrder} and {@link placeGroup}, and keeps nothing of that either.
 */
export function previewSubmission(turn: AccountTurn, request: OrderRequest | GroupRequest): Result<Submission> {
  const { placed, rehearsal } = rehearse(turn, request);
  return placed.ok ? ok(submissionIn(rehearsal)) : placed;
}

function submissionIn({ events }: AccountTurn): Submission {
  const [command] = events.map(commandOf);
  invariant(command != null, "what is placed is sent to its market");
  const sent = "orders" in command ? command.orders[0] : command;
  invariant(sent !== undefined && "order" in sent, "a placed order is sent to its market");
  return { order: sent.order, notAfter: sent.notAfter };
}

/** The account is no longer what the market has answered for, or not yet: one of its orders has gone, or is not known to rest. */
const OVERTAKEN: Refusal = { code: "unavailable", detail: "Something else has happened meanwhile: ask again." };

/**
 * What would be once the market has said what it would say, `reports` numbered from 1. Of a group: the order that may trade at
 * once, what its exits would do after it left out. Refuses as {@link previewSubmission}, and `unavailable` where the account's
 * other orders are not those that the market has met.
 */
export function previewOutcome(
  turn: AccountTurn,
  request: OrderRequest | GroupRequest,
  reports: readonly Report[],
): Result<Preview> {
  const { placed, rehearsal } = rehearse(turn, request);
  if (!placed.ok) return placed;
  const symbol = symbolOf(request);
  const { id } = submissionIn(rehearsal).order;
  accountPeer(rehearsal.state, symbol).rseq = 0;
  const apply = () => ok(applyReports(rehearsal, symbol, reports, () => undefined));
  const applied = onBreak<Result<number>>(apply, () => refuse(OVERTAKEN));
  if (!applied.ok) return applied;
  const balances = new Map<string, Balance>();
  const fills: FillRecord[] = [];
  const prevented: PreventedRecord[] = [];
  let order = placed.value;
  for (const event of rehearsal.events) {
    for (const balance of event.balances) balances.set(balance.asset, balance);
    if (event.kind !== "report") continue;
    if (event.prevented?.takerOrderId === id) prevented.push(event.prevented);
    if (event.order.id !== id) continue;
    order = event.order;
    if (event.fill !== null) fills.push(event.fill);
  }
  // What an exit holds is its group's.
  const shared = isExit(order) ? { hold: groupOf(rehearsal.state, order).hold } : {};
  return ok({ order: { ...order, ...shared }, fills, prevented, balances: [...balances.values()] });
}

function rehearse(turn: AccountTurn, request: OrderRequest | GroupRequest) {
  let made = 0;
  const makeId: AccountTurn["ctx"]["makeId"] = (prefix, at) => {
    if (prefix !== "ord") return turn.ctx.makeId(prefix, at);
    made += 1;
    return made === 1 ? PREVIEW_ID : `${PREVIEW_ID}_${made}`;
  };
  const rehearsal = rehearsalOf({ ...turn, ctx: { ...turn.ctx, makeId } });
  const wish = { ...request, clientOrderId: null };
  return {
    placed: isGroup(wish) ? placeGroup(rehearsal, wish, "", []) : placeOrder(rehearsal, wish, "", []),
    rehearsal,
  };
}
