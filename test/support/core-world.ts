// Accounts and markets of the real core, wired to each other without objects, storage or network: a command is delivered when
// the test says so, in order and once. The simulator adds what can go wrong on the way; here only the rules are on trial.
import { expect } from "vitest";
import type { OrderRequest } from "../../src/core/account/admission.ts";
import { placeBatch } from "../../src/core/account/batch.ts";
import { type AccountTurn, emit, placeOrder, requestCancel } from "../../src/core/account/decide.ts";
import { ordersOf } from "../../src/core/account/events.ts";
import { type GroupRequest, placeGroup, symbolOf } from "../../src/core/account/grouping.ts";
import { type Preview, previewOutcome, previewSubmission } from "../../src/core/account/preview.ts";
import { type ReplaceWish, requestReplace } from "../../src/core/account/replace.ts";
import { applyReports } from "../../src/core/account/reports.ts";
import { cancelTransfer, type ProviderFact, providerSays, reviewTransfer } from "../../src/core/account/reviews.ts";
import {
  type AccountEvent,
  type AccountState,
  accountPeer,
  applyAccountEvent,
  emptyAccount,
  type OnceKey,
  type Transfer,
} from "../../src/core/account/state.ts";
import { accountStateHash } from "../../src/core/account/state-hash.ts";
import { transfer } from "../../src/core/account/transfers.ts";
import { decode, encode } from "../../src/core/codec.ts";
import { accountBreaks, crossBreaks, marketBreaks } from "../../src/core/invariants.ts";
import type { MarketRules } from "../../src/core/listings.ts";
import { advance } from "../../src/core/market/advance.ts";
import { applyCommands, previewSubmit } from "../../src/core/market/decide.ts";
import {
  applyMarketEvent,
  emptyMarket,
  type MarketEvent,
  type MarketState,
  marketStateHash,
  peerOf,
} from "../../src/core/market/state.ts";
import type { MarketTurn } from "../../src/core/market/turn.ts";
import type { Report } from "../../src/core/messages.ts";
import type { Order } from "../../src/core/order.ts";
import type { Result } from "../../src/core/result.ts";
import { PAPER_POLICY, type TransferPolicy } from "../../src/core/transfer-policy.ts";
import { countingIds, NOON, SEED, sha256 } from "./book.ts";

/** An account with all that it has journalled, as stored and as read back, and every order it ever had, as it is now. */
export interface Customer {
  state: AccountState;
  journal: string[];
  read: AccountEvent[];
  orders: Map<string, Order>;
  transfers: Map<string, Transfer>;
}

export interface Venue {
  state: MarketState;
  opening: MarketRules;
  journal: string[];
  read: MarketEvent[];
}

/** What every order has unless the test says otherwise. */
export const PLAIN_ORDER: OrderRequest = {
  symbol: "SOL-USD",
  side: "buy",
  type: "limit",
  timeInForce: "gtc",
  postOnly: false,
  qty: null,
  notional: null,
  limitPrice: null,
  expiresAt: null,
  selfTradePrevention: "cancel_newest",
  clientOrderId: null,
};

const BODY_HASH = "body";

/** A group as a test asks for it. */
export type GroupWish = Omit<GroupRequest, "lead" | "clientOrderId"> & { lead: Partial<OrderRequest> };

export class CoreWorld {
  readonly customers = new Map<string, Customer>();
  readonly venues = new Map<string, Venue>();
  now = NOON;
  policy: TransferPolicy = PAPER_POLICY;
  readonly #makeId = countingIds();

  constructor(accounts: readonly string[], markets: readonly MarketRules[]) {
    for (const id of accounts)
      this.customers.set(id, {
        state: emptyAccount(id, 1),
        journal: [],
        read: [],
        orders: new Map(),
        transfers: new Map(),
      });
    for (const rules of markets) {
      this.venues.set(rules.symbol, { state: emptyMarket(rules, 1), opening: rules, journal: [], read: [] });
    }
  }

  customer(id: string): Customer {
    const customer = this.customers.get(id);
    if (customer === undefined) throw new Error(`nobody is called ${id}`);
    return customer;
  }

  venue(symbol: string): Venue {
    const venue = this.venues.get(symbol);
    if (venue === undefined) throw new Error(`${symbol} is not a market here`);
    return venue;
  }

  place(id: string, wish: Partial<OrderRequest>): Result<Order> {
    const request = { ...PLAIN_ORDER, ...wish };
    const { clientOrderId: key } = request;
    const once: OnceKey[] =
      key === null ? [] : [{ scope: "client_order_id", key, bodyHash: BODY_HASH, requestId: null }];
    return this.atAccount(id, (turn) => placeOrder(turn, request, BODY_HASH, once));
  }

  /** Places a group; what its lead has not been given is as in {@link PLAIN_ORDER}. */
  placeGroup(id: string, wish: GroupWish) {
    const request = { ...wish, clientOrderId: null, lead: { ...PLAIN_ORDER, ...wish.lead } };
    return this.atAccount(id, (turn) => placeGroup(turn, request, BODY_HASH, []));
  }

  /** Places orders together, as their account does; those that were taken, and the codes of the others. */
  placeMany(id: string, wishes: Partial<OrderRequest>[], atomic: boolean): (Order | string)[] {
    const entries = wishes.map((wish) => {
      const item = { kind: "order" as const, request: { ...PLAIN_ORDER, ...wish } };
      return { item, bodyHash: BODY_HASH, before: undefined, away: null };
    });
    const verdicts = this.atAccount(id, (turn) => placeBatch(turn, entries, atomic));
    return verdicts.map((verdict) => {
      if (verdict === null) return "no order";
      return "refusal" in verdict ? verdict.refusal.code : (this.customer(id).orders.get(verdict.orderId) ?? "lost");
    });
  }

  /** What placing would do, asked of both sides; `meanwhile` happens between what the market says and what that makes. */
  preview(id: string, wish: Partial<OrderRequest>, meanwhile?: () => void): Result<Preview> {
    return this.#previewed(id, { ...PLAIN_ORDER, ...wish }, meanwhile);
  }

  /** As {@link preview}, of a group. */
  previewGroup(id: string, wish: GroupWish): Result<Preview> {
    return this.#previewed(id, { ...wish, clientOrderId: null, lead: { ...PLAIN_ORDER, ...wish.lead } });
  }

  #previewed(id: string, request: OrderRequest | GroupRequest, meanwhile = () => {}): Result<Preview> {
    const sent = this.atAccount(id, (turn) => previewSubmission(turn, request));
    if (!sent.ok) return sent;
    let reports: Report[] = [];
    this.atMarket(symbolOf(request), (turn) => {
      advance(turn);
      reports = previewSubmit(turn, id, sent.value);
    });
    meanwhile();
    return this.atAccount(id, (turn) => previewOutcome(turn, request, reports));
  }

  cancel(id: string, order: Order): Order {
    return this.atAccount(id, (turn) => requestCancel(turn, turn.state.orders.get(order.id) ?? order));
  }

  replace(id: string, order: Order, wish: ReplaceWish): Result<Order> {
    return this.atAccount(id, (turn) => requestReplace(turn, turn.state.orders.get(order.id) ?? order, wish));
  }

  transfer(id: string, kind: Transfer["kind"], asset: string, amount: bigint): Result<Transfer> {
    return this.atAccount(id, (turn) => transfer(turn, { kind, asset, amount }, [], this.policy));
  }

  /** A transfer as it is now. */
  transferOf(id: string, transferId: string): Transfer {
    const found = this.customer(id).transfers.get(transferId);
    if (found === undefined) throw new Error(`${id} has no ${transferId}`);
    return found;
  }

  /** What an operator, who has an account of the same name, decides of a transfer. */
  review(id: string, transferId: string, verdict: "approve" | "reject" | "reverse", by: string): Result<Transfer> {
    const review = { verdict, by, account: by, reason: `${by} says so` };
    return this.atAccount(id, (turn) => reviewTransfer(turn, this.transferOf(id, transferId), review));
  }

  cancelTransfer(id: string, transferId: string): Result<Transfer> {
    return this.atAccount(id, (turn) => cancelTransfer(turn, this.transferOf(id, transferId)));
  }

  /** What the payment provider says of a transfer. */
  hear(id: string, transferId: string, fact: ProviderFact): Result<Transfer> {
    return this.atAccount(id, (turn) => providerSays(turn, this.transferOf(id, transferId), fact));
  }

  /** Journals something that an operator or a sign-out has done to an account. */
  happen(id: string, event: Parameters<typeof emit>[1]): void {
    this.atAccount(id, (turn) => emit(turn, event));
  }

  /** Brings in more than one deposit may be worth, in as many as it takes. */
  depositInParts(id: string, asset: string, amount: bigint, part: bigint): void {
    for (let left = amount; left > 0n; left -= part) {
      expect(this.transfer(id, "deposit", asset, left < part ? left : part).ok).toBe(true);
    }
  }

  /** Gives a market everything that an account has to say to it. */
  sendCommands(id: string, symbol: string): void {
    const peer = accountPeer(this.customer(id).state, symbol);
    this.atMarket(symbol, (turn) => {
      advance(turn);
      applyCommands(turn, id, peer.pending);
    });
    peer.pending = [];
    peer.acknowledged = peer.cseq;
  }

  /** Gives an account everything that a market has to say to it. */
  sendReports(id: string, symbol: string): void {
    const { state, orders } = this.customer(id);
    const peer = peerOf(this.venue(symbol).state, id);
    const applied = this.atAccount(id, (turn) =>
      applyReports(turn, symbol, peer.unacknowledged, (order) => orders.get(order)),
    );
    expect(applied).toBe(peer.rseq);
    expect(accountPeer(state, symbol).rseq).toBe(peer.rseq);
    peer.unacknowledged = [];
  }

  /** Lets a market come to its present without a command. */
  wake(symbol: string): void {
    this.atMarket(symbol, advance);
  }

  /** Every market comes to this moment. */
  wakeAt(now: number): void {
    this.now = now;
    for (const symbol of this.venues.keys()) this.wake(symbol);
  }

  /** The market goes by other rules from now on, one version later. */
  changeRules(symbol: string, change: Partial<MarketRules>): void {
    this.atMarket(symbol, (turn) => {
      const { state } = turn;
      const rules = { ...state.rules, ...change, version: state.rules.version + 1 };
      const event: MarketEvent = { kind: "rules", rules, seq: state.seq + 1, v: 1, at: Math.max(this.now, state.at) };
      applyMarketEvent(state, event);
      turn.events.push(event);
    });
  }

  /** Delivers until nothing is under way anywhere. */
  settle(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const [id, customer] of this.customers) {
        for (const [symbol, venue] of this.venues) {
          if ((customer.state.peers.get(symbol)?.pending.length ?? 0) > 0) {
            this.sendCommands(id, symbol);
            moved = true;
          }
          if ((venue.state.peers.get(id)?.unacknowledged.length ?? 0) > 0) {
            this.sendReports(id, symbol);
            moved = true;
          }
        }
      }
    }
  }

  /** Every invariant that is broken now; those between objects too when nothing is under way. */
  breaks(settled: boolean): string[] {
    const states = [...this.customers.values()].map(({ state }) => state);
    const venues = [...this.venues.values()].map(({ state }) => state);
    return [
      ...states.flatMap(accountBreaks),
      ...venues.flatMap(marketBreaks),
      ...(settled ? venues.flatMap((venue) => crossBreaks(states, venue)) : []),
    ];
  }

  /** An account made again from its stored journal alone. */
  replayedAccount(id: string): AccountState {
    const again = emptyAccount(id, 1);
    for (const event of this.accountEvents(id)) applyAccountEvent(again, event);
    return again;
  }

  /** A market made again from its stored journal alone. */
  replayedMarket(symbol: string): MarketState {
    const again = emptyMarket(this.venue(symbol).opening, 1);
    for (const event of this.marketEvents(symbol)) applyMarketEvent(again, event);
    return again;
  }

  /** Replays every journal and compares state hashes. */
  expectReplays(): void {
    for (const [id, { state }] of this.customers) {
      expect(accountStateHash(this.replayedAccount(id), sha256), id).toBe(accountStateHash(state, sha256));
    }
    for (const [symbol, { state }] of this.venues) {
      expect(marketStateHash(this.replayedMarket(symbol), sha256), symbol).toBe(marketStateHash(state, sha256));
    }
  }

  accountEvents(id: string): readonly AccountEvent[] {
    const { journal, read } = this.customer(id);
    for (const text of journal.slice(read.length)) read.push(decode<AccountEvent>(text));
    return read;
  }

  marketEvents(symbol: string): readonly MarketEvent[] {
    const { journal, read } = this.venue(symbol);
    for (const text of journal.slice(read.length)) read.push(decode<MarketEvent>(text));
    return read;
  }

  /** One turn at an account; its events are journalled. */
  atAccount<T>(id: string, act: (turn: AccountTurn) => T): T {
    const customer = this.customer(id);
    const ctx = { now: this.now, makeId: this.#makeId, sha256, priceSeed: SEED };
    const turn: AccountTurn = { state: customer.state, ctx, events: [] };
    const answer = act(turn);
    for (const event of turn.events) {
      customer.journal.push(encode(event));
      for (const order of ordersOf(event)) customer.orders.set(order.id, order);
      if ("transfer" in event) customer.transfers.set(event.transfer.id, event.transfer);
    }
    return answer;
  }

  /** One turn at a market; its events are journalled. */
  atMarket(symbol: string, act: (turn: MarketTurn) => void): void {
    const venue = this.venue(symbol);
    const ctx = { now: this.now, makeId: this.#makeId, sha256, priceSeed: SEED };
    const turn: MarketTurn = { state: venue.state, ctx, events: [] };
    act(turn);
    for (const event of turn.events) venue.journal.push(encode(event));
  }
}
