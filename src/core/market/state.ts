// A market's state and how each journalled event changes it. Replaying the journal gives the same state, bit for bit.

import { type Base, baseAfter, UNCUT } from "../base.ts";
import {
  addToBook,
  type Book,
  type BookOrder,
  emptyBook,
  fillInBook,
  findInBook,
  levelAt,
  type RestingOrder,
  reduceInBook,
} from "../book.ts";
import { canonical } from "../codec.ts";
import { applyEntry, type Balances, GENESIS_HASH, type Sha256 } from "../ledger.ts";
import type { MarketRules } from "../listings.ts";
import type { Report } from "../messages.ts";
import { invariant } from "../result.ts";
import { applyMarketItems } from "./base.ts";
import { firstOf, type MarketEvent, type ReportEvent } from "./events.ts";
import { Groups } from "./groups.ts";
import { houseOrderId, placeQuotes, removeQuotes } from "./quotes.ts";
import { Thresholds } from "./thresholds.ts";
import { isWaiting, type Trailed, Waiting } from "./triggers.ts";

export type { MarketEvent, ReportEvent } from "./events.ts";

/** What a market knows of one account: counters, and the reports that it has not acknowledged, oldest first. */
export interface MarketPeer {
  cseq: number;
  rseq: number;
  unacknowledged: Report[];
}

/**
 * Everything that a market goes by, as its journal gives it. `orders` are the open ones of customers, of which `resting` are
 * in the book and others are `waiting`; the house's quotes are in the book alone. Exits of `groups` may be neither. `at` in ms, `step` in seconds of the price path.
 */
export interface MarketState {
  symbol: string;
  epoch: number;
  /** Restored and not yet opened again: it takes cancels alone, and its clock stands still. */
  restoring: boolean;
  seq: number;
  at: number;
  /** Where the journal begins. It is none of what a replay must give again: a cut changes nothing else. */
  base: Base;
  rules: MarketRules;
  step: number;
  book: Book;
  orders: Map<string, BookOrder>;
  resting: Set<string>;
  waiting: Waiting;
  expiring: Thresholds;
  groups: Groups;
  peers: Map<string, MarketPeer>;
  balances: Balances;
  ledgerHead: string;
  lastPrice: bigint | null;
}

/** A market that has traded nothing yet. */
export function emptyMarket(rules: MarketRules, epoch: number): MarketState {
  return {
    symbol: rules.symbol,
    epoch,
    restoring: false,
    seq: 0,
    at: 0,
    base: UNCUT,
    rules,
    step: 0,
    book: emptyBook(),
    orders: new Map(),
    resting: new Set(),
    waiting: new Waiting(),
    expiring: new Thresholds(),
    groups: new Groups(),
    peers: new Map(),
    balances: new Map(),
    ledgerHead: GENESIS_HASH,
    lastPrice: null,
  };
}

/** The market's record of one account, made on first use. */
export function peerOf(state: MarketState, account: string): MarketPeer {
  let peer = state.peers.get(account);
  if (peer === undefined) {
    peer = { cseq: 0, rseq: 0, unacknowledged: [] };
    state.peers.set(account, peer);
  }
  return peer;
}

/** Changes the state by one event. Throws InvariantError when the event does not follow the state. */
export function applyMarketEvent(state: MarketState, event: MarketEvent): void {
  invariant(firstOf(event) === state.seq + 1, `market event ${firstOf(event)} after ${state.seq}`);
  invariant(event.at >= state.at, "market time went back");
  state.seq = event.seq;
  state.at = event.at;
  switch (event.kind) {
    case "rules":
      state.rules = event.rules;
      // Where nothing trades a quote would only mislead; the next one comes once it is open again.
      if (event.rules.status !== "open") removeQuotes(state);
      break;
    case "requote":
      placeQuotes(state, event.step, event.quotes);
      for (const moved of event.trails ?? []) moveTrigger(state, moved);
      break;
    case "report":
      applyReport(state, event);
      break;
    case "restored":
      restore(state, event.epoch);
      break;
    case "met":
      peerOf(state, event.account).cseq = event.cseq;
      break;
    case "opened":
      state.restoring = false;
      state.step = Math.max(state.step, event.step);
      break;
    case "cut":
      state.base = baseAfter(state.base, event);
      break;
    case "base":
      applyMarketItems(state, event.items);
      if (event.more !== true) state.base = { seq: event.seq, at: event.at, by: 0 };
  }
}

/** A new life: nobody is owed what the one before said, since the handshake tells it; and the house has no quotes. */
function restore(state: MarketState, epoch: number): void {
  invariant(epoch > state.epoch, `epoch ${epoch} after ${state.epoch}`);
  state.epoch = epoch;
  state.restoring = true;
  for (const peer of state.peers.values()) peer.unacknowledged = [];
  removeQuotes(state);
}

function applyReport(state: MarketState, event: ReportEvent): void {
  const { report } = event;
  const peer = peerOf(state, event.account);
  invariant(report.rseq === peer.rseq + 1, `report ${report.rseq} after ${peer.rseq} for ${event.account}`);
  peer.rseq = report.rseq;
  if (event.cseq !== null) peer.cseq = event.cseq;
  if (event.retold !== true) peer.unacknowledged.push(report);
  const order = report.execType === "new" ? event.order : state.orders.get(report.orderId);
  if (order !== null && order !== undefined) state.groups.follow(event, order);
  if (report.execType === "new") open(state, event);
  else if (report.execType === "fill") applyFill(state, event);
  else if (report.execType === "triggered") activate(state, event);
  else if (report.execType === "replaced") replace(state, event);
  else if (report.execType === "canceled" || report.execType === "expired") close(state, report.orderId, true);
  if (event.entry === null) return;
  applyEntry(state.balances, event.entry);
  state.ledgerHead = event.entry.hash;
}

function open(state: MarketState, event: ReportEvent): void {
  invariant(event.order !== null, "a new order comes with its terms");
  const order = { ...event.order, seq: event.seq };
  invariant(!state.orders.has(order.id), `order ${order.id} is open already`);
  state.orders.set(order.id, order);
  if (order.expiresAt !== null) state.expiring.set(order.id, order.expiresAt);
  if (isWaiting(order)) state.waiting.set(order);
  if (event.rests) rest(state, order);
}

function rest(state: MarketState, order: BookOrder): void {
  invariant(isResting(order), "an order that rests has a price and a quantity");
  state.resting.add(order.id);
  addToBook(state.book, order);
}

/** The order waits no more; its place in time is from now. */
function activate(state: MarketState, { report, rests, seq }: ReportEvent): void {
  const order = state.orders.get(report.orderId);
  invariant(order !== undefined && isWaiting(order), `order ${report.orderId} is triggered and does not wait`);
  state.waiting.delete(order.id);
  Object.assign(order, { trigger: undefined, seq });
  if (rests) rest(state, order);
}

/** The order has other terms: it keeps its place in time, in the book or among those that wait, where it has less of the same. */
function replace(state: MarketState, event: ReportEvent): void {
  const { orderId, replaced } = event.report;
  const before = state.orders.get(orderId);
  invariant(before !== undefined && event.order !== null, `order ${orderId} is replaced and not open`);
  const { shownQty: _, ...terms } = event.order;
  const less = terms.price === before.price ? (before.leaves ?? 0n) - (terms.leaves ?? 0n) : -1n;
  const stays = less >= 0n && replaced?.trigger === undefined;
  const after = { ...terms, seq: stays ? before.seq : event.seq };
  if (isResting(before) && state.resting.has(before.id)) {
    if (stays) {
      if (less > 0n) reduceInBook(state.book, before, less);
      before.budget = after.budget;
      return;
    }
    reduceInBook(state.book, before, before.leaves);
    state.resting.delete(before.id);
  }
  state.waiting.delete(after.id);
  state.orders.set(after.id, after);
  if (isWaiting(after)) state.waiting.set(after);
  if (event.rests) rest(state, after);
}

function moveTrigger(state: MarketState, { orderId, price }: Trailed): void {
  const order = state.orders.get(orderId);
  invariant(order !== undefined && isWaiting(order), `the trigger of ${orderId} follows and does not wait`);
  order.trigger = { ...order.trigger, price };
  state.waiting.set(order);
}

function applyFill(state: MarketState, event: ReportEvent): void {
  const { budget, feeNumerator } = event;
  const { fill } = event.report;
  const order = state.orders.get(event.report.orderId);
  invariant(order !== undefined, `a fill of ${event.report.orderId}, which is not open`);
  invariant(fill !== null && budget !== null && feeNumerator !== null, `a fill of ${order.id} without what it does`);
  order.budget = budget;
  order.feeNumerator = feeNumerator;
  order.fee += fill.fee;
  invariant(order.budget >= 0n, `order ${order.id} was filled past its budget`);
  // Who takes does not trade what it shows: it is in the book already, and comes before it.
  const rests = state.resting.has(order.id) && isResting(order);
  if (rests && fill.liquidity === "maker") fillInBook(state.book, order, fill.qty, event.seq);
  else if (rests) reduceInBook(state.book, order, fill.qty);
  else if (order.leaves !== null) order.leaves -= fill.qty;
  invariant(order.leaves === null || order.leaves >= 0n, `order ${order.id} was overfilled`);
  if (event.house !== null) {
    const { side, price } = event.house;
    const quote = findInBook(state.book, side, price, houseOrderId(side, price));
    invariant(quote !== undefined, "the house's quote is gone");
    reduceInBook(state.book, quote, fill.qty);
  }
  if (event.trade !== null) state.lastPrice = event.trade.price;
  if (fill.done) close(state, order.id, false);
}

function close(state: MarketState, orderId: string, leaveBook: boolean): void {
  const order = state.orders.get(orderId);
  invariant(order !== undefined, `order ${orderId} is not open`);
  if (leaveBook && state.resting.has(orderId) && isResting(order)) reduceInBook(state.book, order, order.leaves);
  state.orders.delete(orderId);
  state.resting.delete(orderId);
  state.waiting.delete(orderId);
  state.expiring.delete(orderId);
}

function isResting(order: BookOrder): order is RestingOrder {
  return order.price !== null && order.leaves !== null;
}

/** SHA-256 over everything that a replay must give again; two equal books with another time order differ. */
export function marketStateHash(state: MarketState, sha256: Sha256): string {
  const queue = (side: "buy" | "sell") =>
    state.book[side].prices.map((price) => [...levelAt(state.book[side], price).orders.values()]);
  // A peer that was only looked up has no event, so a replay does not know it.
  const dealt = [...state.peers].filter(([, { cseq, rseq }]) => cseq + rseq > 0);
  const peers = dealt.map(([account, { cseq, rseq }]) => [account, cseq, rseq]).sort();
  const { seq, at, epoch, restoring, rules, step, ledgerHead, lastPrice } = state;
  const orders = [...state.orders.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const balances = [...state.balances].sort(([a], [b]) => (a < b ? -1 : 1));
  const groups = [...state.groups.all.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return sha256(
    canonical({
      seq,
      at,
      epoch,
      restoring,
      rules,
      step,
      ledgerHead,
      lastPrice,
      peers,
      orders,
      balances,
      buy: queue("buy"),
      sell: queue("sell"),
      ...(groups.length > 0 ? { groups } : {}),
    }),
  );
}
