// An account or a market of a core world that is brought back from the first part of its journal, and the handshakes after
// it: what the objects do over storage and calls (protocol rule 15), here with core's functions called against each other.
import { emit } from "../../src/core/account/decide.ts";
import { ordersOf } from "../../src/core/account/events.ts";
import {
  type KnownOrders,
  markOf as markOfAccount,
  meetMarket,
  owedToSuspense,
  reimport as reimportAccount,
  repaySuspense,
  toldOf as toldOfAccount,
} from "../../src/core/account/reimport.ts";
import {
  type AccountEvent,
  accountPeer,
  applyAccountEvent,
  emptyAccount,
  type ReportApplied,
} from "../../src/core/account/state.ts";
import type { BookOrder } from "../../src/core/book.ts";
import { decode, encode } from "../../src/core/codec.ts";
import {
  markOf as markOfMarket,
  meetAccount,
  openMarket,
  reimport as reimportMarket,
  toldOf as toldOfMarket,
  wholeTrades,
} from "../../src/core/market/reimport.ts";
import {
  applyMarketEvent,
  emptyMarket,
  type MarketEvent,
  peerOf,
  type ReportEvent,
} from "../../src/core/market/state.ts";
import { emit as emitAtMarket } from "../../src/core/market/turn.ts";
import { conflictOf, type Told } from "../../src/core/messages.ts";
import type { Order } from "../../src/core/order.ts";
import type { CoreWorld } from "./core-world.ts";

const OPERATOR = { by: "usr_operator", reason: "its disk is gone" };
const BY_ITSELF = { by: null, reason: "everyone has been met" };

/** Loses all of an account that came after the first `kept` events of its journal, and begins its next life. */
export function restoreAccount(world: CoreWorld, id: string, kept: number): void {
  const { epoch } = world.customer(id).state;
  const read = world.accountEvents(id).slice(0, kept);
  const state = emptyAccount(id, 1);
  for (const event of read) applyAccountEvent(state, event);
  const orders = new Map(read.flatMap(ordersOf).map((order) => [order.id, order]));
  const transfers = new Map(
    read.flatMap((event) => ("transfer" in event ? [[event.transfer.id, event.transfer]] : [])),
  );
  world.customers.set(id, { state, journal: read.map(encode), read: [...read], orders, transfers });
  world.happen(id, { kind: "restored", epoch: epoch + 1, ...OPERATOR });
}

/** Loses all of a market that came after the first `kept` events of its journal, and begins its next life. */
export function restoreMarket(world: CoreWorld, symbol: string, kept: number): void {
  const { opening, state: before } = world.venue(symbol);
  const read = wholeTrades(world.marketEvents(symbol).slice(0, kept));
  const state = emptyMarket(opening, 1);
  for (const event of read) applyMarketEvent(state, event);
  // A test that keeps the house away goes on without it.
  if (before.step === Number.MAX_SAFE_INTEGER) state.step = before.step;
  world.venues.set(symbol, { state, opening, journal: read.map(encode), read: [...read] });
  world.atMarket(symbol, (turn) => emitAtMarket(turn, { kind: "restored", epoch: before.epoch + 1, ...OPERATOR }));
}

/** What an account has stored besides its state. */
export function knownOrders(world: CoreWorld, id: string): KnownOrders {
  const stored = new Map(world.customer(id).orders);
  const keys = world.accountEvents(id).flatMap((event) => ("once" in event ? event.once.map(({ key }) => key) : []));
  return { closed: (order) => stored.get(order), isUsed: (key) => keys.includes(key) };
}

/** What an account tells a market: every report from a number on. */
export function toldByAccount(world: CoreWorld, id: string, symbol: string, after = 0): Told[] {
  return accountReports(world, id, symbol)
    .slice(after)
    .map((event) => onTheWire(toldOfAccount(id, event)));
}

/** What a market tells an account: every report from a number on. */
export function toldByMarket(world: CoreWorld, symbol: string, id: string, after = 0): Told[] {
  return marketReports(world, symbol, id)
    .slice(after)
    .map((event) => onTheWire(toldOfMarket(event)));
}

/** One whole handshake; answers the conflict that ended it, or null when the two have met. */
export function shake(world: CoreWorld, id: string, symbol: string): string | null {
  const mine = accountReports(world, id, symbol);
  const theirs = marketReports(world, symbol, id);
  const both = Math.min(mine.length, theirs.length);
  const [my, their] = [mine[both - 1], theirs[both - 1]];
  const conflict = conflictOf(their ? markOfMarket(their.report) : null, my ? markOfAccount(my) : null);
  if (conflict !== null) return conflict;
  world.atMarket(symbol, (turn) => {
    reimportMarket(turn, id, toldByAccount(world, id, symbol, theirs.length));
    const { state } = world.customer(id);
    meetAccount(turn, id, state.epoch, accountPeer(state, symbol).cseq);
  });
  const { epoch } = world.venue(symbol).state;
  const peer = peerOf(world.venue(symbol).state, id);
  const known = knownOrders(world, id);
  world.atAccount(id, (turn) => {
    reimportAccount(turn, symbol, toldByMarket(world, symbol, id, mine.length), known);
    meetMarket(turn, symbol, epoch, peer.cseq);
  });
  peer.unacknowledged = [];
  return null;
}

/** Opens what has been restored, when all have met: suspense is paid back, what crosses is canceled. */
export function open(world: CoreWorld): void {
  for (const [symbol, { state }] of world.venues) {
    if (state.restoring) world.atMarket(symbol, (turn) => openMarket(turn, BY_ITSELF.by, BY_ITSELF.reason));
  }
  for (const [id, { state }] of world.customers) {
    if (!state.restoring) continue;
    world.atAccount(id, (turn) => {
      repaySuspense(turn);
      if (owedToSuspense(turn.state).length === 0) emit(turn, { kind: "opened", ...BY_ITSELF });
    });
  }
}

/** Every pair with a restored end shakes hands, then all open, and what has been asked for anew is delivered. */
export function recover(world: CoreWorld): void {
  for (const [id, { state }] of world.customers) {
    for (const [symbol, venue] of world.venues) {
      if (!state.restoring && !venue.state.restoring) continue;
      const conflict = shake(world, id, symbol);
      if (conflict !== null) throw new Error(conflict);
    }
  }
  open(world);
  world.settle();
}

function accountReports(world: CoreWorld, id: string, symbol: string): ReportApplied[] {
  const isOfPair = (event: AccountEvent) => event.kind === "report" && event.symbol === symbol;
  return world.accountEvents(id).filter((event): event is ReportApplied => isOfPair(event));
}

function marketReports(world: CoreWorld, symbol: string, id: string): ReportEvent[] {
  const isOfPair = (event: MarketEvent) => event.kind === "report" && event.account === id;
  return world.marketEvents(symbol).filter((event): event is ReportEvent => isOfPair(event));
}

function onTheWire(told: Told): Told {
  return decode<Told>(encode(told));
}

/**
 * What a restore promises to give back when nothing was under way, as the customer and the ledgers see it. Not when
 * something was done (`updatedAt`, places in journals and queues), nor the price of the last trade.
 */
export function promisedBy(world: CoreWorld) {
  const accounts = [...world.customers].map(([id, { state, orders }]) => ({
    id,
    balances: nonZero(state.balances),
    credits: nonZero(state.credits),
    positions: [...state.positions.values()].sort(bySymbol),
    groups: [...state.groups.values()].map((group) => ({ ...group, exits: [...group.exits].sort() })).sort(byId),
    open: [...state.orders.keys()].sort(),
    orders: [...orders.values()].map(lasting).sort(byId),
  }));
  const markets = [...world.venues].map(([symbol, { state }]) => ({
    symbol,
    balances: nonZero(state.balances),
    orders: [...state.orders.values()].map(({ seq: _, ...kept }) => ({ ...kept, ...followed(kept) })).sort(byId),
    groups: [...state.groups.all.values()].map((group) => ({ ...group, exits: [...group.exits].sort() })).sort(byId),
    // Whom a restored market has met may never have dealt there.
    counters: [...state.peers].flatMap(([id, { cseq, rseq }]) => (cseq + rseq > 0 ? [[id, cseq, rseq]] : [])).sort(),
  }));
  return { accounts, markets };
}

/** An order without when it was done, and without why a change of it was refused: an answer to a question that is answered. */
function lasting({ updatedAt: _, seq: __, replaceRefused: ___, broken, ...kept }: Order) {
  return kept.status === "rejected" ? { ...kept, broken } : kept;
}

/** How far a trigger has followed the price is known to its market alone. */
function followed({ trigger }: Pick<BookOrder, "trigger">) {
  return trigger?.trail == null ? {} : { trigger: { ...trigger, price: null } };
}

function nonZero(units: Map<string, bigint>): [string, bigint][] {
  return [...units].filter(([, amount]) => amount !== 0n).sort(([a], [b]) => (a < b ? -1 : 1));
}

function byId(a: { id: string }, b: { id: string }): number {
  return a.id < b.id ? -1 : 1;
}

function bySymbol(a: { symbol: string }, b: { symbol: string }): number {
  return a.symbol < b.symbol ? -1 : 1;
}
