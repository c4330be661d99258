// Journals as the pure core writes them, cut into slices, and what D1 should have of them. No event is made by hand.
import { type AccountTurn, placeOrder, requestCancel } from "../../src/core/account/decide.ts";
import { applyReports } from "../../src/core/account/reports.ts";
import { reviewTransfer } from "../../src/core/account/reviews.ts";
import {
  type AccountEvent,
  type AccountState,
  accountPeer,
  balanceOf,
  emptyAccount,
} from "../../src/core/account/state.ts";
import { transfer } from "../../src/core/account/transfers.ts";
import { encode } from "../../src/core/codec.ts";
import { typeId } from "../../src/core/ids.ts";
import { findMarket, type MarketRules } from "../../src/core/listings.ts";
import { advance } from "../../src/core/market/advance.ts";
import { applyCommands } from "../../src/core/market/decide.ts";
import { emptyMarket, type MarketEvent, type MarketState, peerOf } from "../../src/core/market/state.ts";
import type { MarketTurn } from "../../src/core/market/turn.ts";
import { toColumn } from "../../src/core/money.ts";
import type { Order } from "../../src/core/order.ts";
import { referencePrice } from "../../src/core/prices.ts";
import { PAPER_POLICY, type TransferPolicy } from "../../src/core/transfer-policy.ts";
import { sha256 } from "../../src/objects/platform.ts";
import type { JournalSlice } from "../../src/objects/protocol.ts";
import { type Random, randomOf } from "../support/random.ts";

const START_MS = 1_800_000_000_000;
const PRICE_SEED = 7;
const MARKET = "main/BTC-USD";

/** One object's journal. */
export interface Journal {
  object: JournalSlice["object"];
  name: string;
  events: (AccountEvent | MarketEvent)[];
}

/** A played history: every journal, and the states that they end in. */
export interface History {
  journals: Journal[];
  accounts: AccountState[];
  orders: Map<string, Order>;
  market: MarketState;
}

function btc(): MarketRules {
  const rules = findMarket("BTC-USD");
  if (rules === undefined) throw new Error("BTC-USD is listed");
  return rules;
}

/** A little exchange of the pure core: two accounts and a market that hears of everything at once. */
class Exchange {
  readonly rules = btc();
  readonly market = emptyMarket(this.rules, 1);
  readonly marketEvents: MarketEvent[] = [];
  readonly accounts = new Map<string, { state: AccountState; events: AccountEvent[]; orders: Map<string, Order> }>();
  now = START_MS;
  readonly random: Random;

  constructor(seed: number, names: string[]) {
    this.random = randomOf(seed);
    for (const name of names) {
      this.accounts.set(name, { state: emptyAccount(name, 1), events: [], orders: new Map() });
    }
  }

  #context() {
    const makeId = (prefix: string, atMs: number) =>
      typeId(
        prefix,
        atMs,
        Uint8Array.from({ length: 10 }, () => this.random.int(256)),
      );
    return { now: this.now, makeId, sha256, priceSeed: PRICE_SEED };
  }

  /** One act of an account; then everything it owes and is owed is exchanged. */
  act(name: string, work: (turn: AccountTurn) => void): void {
    const account = this.accounts.get(name);
    if (account === undefined) throw new Error(`${name} plays`);
    const turn: AccountTurn = { state: account.state, ctx: this.#context(), events: [] };
    work(turn);
    this.#take(name, turn);
    const peer = accountPeer(account.state, this.rules.symbol);
    const market: MarketTurn = { state: this.market, ctx: this.#context(), events: [] };
    advance(market);
    applyCommands(market, name, peer.pending);
    this.marketEvents.push(...market.events);
    peer.pending = [];
    for (const [other, { state, orders }] of this.accounts) {
      const reported: AccountTurn = { state, ctx: this.#context(), events: [] };
      const owed = peerOf(this.market, other);
      applyReports(reported, this.rules.symbol, owed.unacknowledged, (id) => orders.get(id));
      owed.unacknowledged = [];
      this.#take(other, reported);
    }
  }

  #take(name: string, turn: AccountTurn): void {
    const account = this.accounts.get(name);
    account?.events.push(...turn.events);
    for (const event of turn.events) if ("order" in event) account?.orders.set(event.order.id, event.order);
  }
}

/** Most withdrawals wait for two operators. */
const POLICY: TransferPolicy = { ...PAPER_POLICY, reviewOver: 200_000n };

/** Plays some acts: deposits, orders of every kind that there is, cancels (also too late), refusals, withdrawals. */
export function play(seed: number, acts: number): History {
  const id = (digit: number) =>
    typeId(
      "acc",
      START_MS + digit,
      Uint8Array.from({ length: 10 }, () => (seed + digit) & 255),
    );
  const names = [id(1), id(2)];
  const exchange = new Exchange(seed, names);
  for (const name of names) {
    exchange.act(name, (turn) =>
      transfer(turn, { kind: "deposit", asset: "USD", amount: 50_000_000_000n }, [], POLICY),
    );
    exchange.act(name, (turn) => transfer(turn, { kind: "deposit", asset: "BTC", amount: 100_000_000n }, [], POLICY));
  }
  for (let index = 0; index < acts; index += 1) {
    exchange.now += exchange.random.int(700);
    exchange.act(exchange.random.pick(names), (turn) => randomAct(exchange, turn));
  }
  const accounts = [...exchange.accounts.values()];
  return {
    journals: [
      ...accounts.map(({ state, events }): Journal => ({ object: "account", name: state.id, events })),
      { object: "market", name: MARKET, events: exchange.marketEvents },
    ],
    accounts: accounts.map(({ state }) => state),
    orders: new Map(accounts.flatMap(({ orders }) => [...orders])),
    market: exchange.market,
  };
}

function randomAct(exchange: Exchange, turn: AccountTurn): void {
  const { random, rules } = exchange;
  const orders = [...(exchange.accounts.get(turn.state.id)?.orders.values() ?? [])];
  if (random.once(12)) {
    transfer(turn, { kind: "withdrawal", asset: "USD", amount: BigInt(1 + random.int(1_000_000)) }, [], POLICY);
  } else if (random.once(8) && turn.state.transfers.size > 0) {
    const verdict = random.pick(["approve", "approve", "reject"] as const);
    const by = random.pick(["one", "two"]);
    reviewTransfer(turn, random.pick([...turn.state.transfers.values()]), { verdict, by, account: by, reason: "r" });
  } else if (random.once(4) && orders.length > 0) {
    requestCancel(turn, random.pick(orders));
  } else {
    const reference = referencePrice(rules, PRICE_SEED, exchange.now);
    const limit = random.once(3) ? null : reference + BigInt(random.int(400) - 200) * rules.tickSize;
    const byNotional = limit === null && random.once(2);
    const request = {
      clientOrderId: random.once(2) ? `c-${turn.state.seq}` : null,
      symbol: rules.symbol,
      side: random.pick(["buy", "sell"] as const),
      type: limit === null ? ("market" as const) : ("limit" as const),
      timeInForce: limit === null ? ("ioc" as const) : random.pick(["gtc", "gtc", "ioc", "fok", "day"] as const),
      postOnly: false,
      qty: byNotional ? null : BigInt(1 + random.int(2_000)) * rules.lotSize * 10n,
      notional: byNotional ? BigInt(1 + random.int(900)) * 1_000_000n : null,
      limitPrice: limit,
      expiresAt: null,
      selfTradePrevention: random.pick(["none", "cancel_newest"] as const),
    };
    placeOrder(turn, request, "0".repeat(64), []);
  }
}

/** The stream numbers that an event takes. */
export function spanOf(event: AccountEvent | MarketEvent): { first: number; seq: number } {
  return { first: "first" in event ? event.first : event.seq, seq: event.seq };
}

/** The slice of a journal from one event to another, as the outbox would send it. */
export function sliceOf(journal: Journal, from: number, to: number): JournalSlice {
  const events = journal.events.slice(from, to);
  const [first, last] = [events[0], events.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError("an empty slice is not sent");
  const { object, name } = journal;
  return { v: 1, object, name, epoch: 1, from: spanOf(first).first, to: spanOf(last).seq, events: events.map(encode) };
}

/** The whole journal in slices of at most `size` events. */
export function slicesOf(journal: Journal, size: number): JournalSlice[] {
  const slices: JournalSlice[] = [];
  for (let at = 0; at < journal.events.length; at += size) slices.push(sliceOf(journal, at, at + size));
  return slices;
}

/** What the accounts know of their money, as rows of the balances table should have it. */
export function expectedBalances(history: History) {
  return history.accounts
    .flatMap((state) =>
      ["BTC", "USD"].map((asset) => ({
        account_id: state.id,
        asset,
        available: toColumn(balanceOf(state, "available", asset)),
        held: toColumn(balanceOf(state, "held", asset)),
      })),
    )
    .sort((a, b) => `${a.account_id} ${a.asset}`.localeCompare(`${b.account_id} ${b.asset}`));
}
