// What placing an order would do, by the very functions that place one, on copies.
import type { Report, Submission } from "../messages.ts";
import type { Order } from "../order.ts";
import { invariant, ok, type Result } from "../result.ts";
import type { OrderRequest } from "./admission.ts";
import { type AccountTurn, placeOrder } from "./decide.ts";
import { applyReports } from "./reports.ts";
import { accountPeer, type Balance, type FillRecord } from "./state.ts";

/** An order as it would be, its fills, and the balances that would be other than now, as they would be. */
export interface Preview {
  order: Order;
  fills: FillRecord[];
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
    balances: new Map(state.balances),
    credits: new Map(state.credits),
    positions: new Map(state.positions),
    rules: new Map(state.rules),
    volumes: new Map(state.volumes),
    peers,
  };
  return { state: { ...state, ...copies }, ctx, events: [] };
}

/** What would be sent to the order's market. Refuses as {@link placeOrder}, and keeps nothing of that either. */
export function previewSubmission(turn: AccountTurn, request: OrderRequest): Result<Submission> {
  const { placed, rehearsal } = rehearse(turn, request);
  if (!placed.ok) return placed;
  const [accepted] = rehearsal.events;
  const command = accepted?.kind === "order_accepted" ? accepted.command : null;
  invariant(command !== null && "order" in command, "a placed order is sent to its market");
  return ok({ order: command.order, notAfter: command.notAfter });
}

/** What would be once the market has said what it would say, `reports` numbered from 1. Refuses as {@link placeOrder}. */
export function previewOutcome(turn: AccountTurn, request: OrderRequest, reports: readonly Report[]): Result<Preview> {
  const { placed, rehearsal } = rehearse(turn, request);
  if (!placed.ok) return placed;
  accountPeer(rehearsal.state, request.symbol).rseq = 0;
  applyReports(rehearsal, request.symbol, reports, () => undefined);
  const balances = new Map<string, Balance>();
  const fills: FillRecord[] = [];
  let order = placed.value;
  for (const event of rehearsal.events) {
    for (const balance of event.balances) balances.set(balance.asset, balance);
    if (event.kind !== "report" || event.order.id !== PREVIEW_ID) continue;
    order = event.order;
    if (event.fill !== null) fills.push(event.fill);
  }
  return ok({ order, fills, balances: [...balances.values()] });
}

function rehearse(turn: AccountTurn, request: OrderRequest) {
  const makeId: AccountTurn["ctx"]["makeId"] = (prefix, at) =>
    prefix === "ord" ? PREVIEW_ID : turn.ctx.makeId(prefix, at);
  const rehearsal = rehearsalOf({ ...turn, ctx: { ...turn.ctx, makeId } });
  return { placed: placeOrder(rehearsal, { ...request, clientOrderId: null }, "", []), rehearsal };
}
