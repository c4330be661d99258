// A market's book as a picture, and commands as sentences, so that a matching test reads like its specification.
//
//   bids       | price  | asks
//              | 180.20 | d1:1
//              | 180.10 | c1:3 c2:2      first come, first served: c1 before c2
//   a1:2 b1:1  | 179.90 |                an order's account is its name's first letter
import { createHash } from "node:crypto";
import { expect } from "vitest";
import { type Book, HOUSE, type RestingOrder } from "../../src/core/book.ts";
import { formatDecimal, unitsOf as units } from "../../src/core/decimal.ts";
import { marketBreaks } from "../../src/core/invariants.ts";
import { balanceKey, type Sha256 } from "../../src/core/ledger.ts";
import { findMarket, type MarketRules } from "../../src/core/listings.ts";
import { advance } from "../../src/core/market/advance.ts";
import { applyCommands } from "../../src/core/market/decide.ts";
import { emptyMarket, type MarketEvent, type MarketState, peerOf } from "../../src/core/market/state.ts";
import type { MarketTurn } from "../../src/core/market/turn.ts";
import type { Command, SubmitOrder } from "../../src/core/messages.ts";
import {
  bandOf,
  feeOf,
  limitBuyReserve,
  notionalOf,
  type SelfTradePrevention,
  type Side,
  type TimeInForce,
  type Trigger,
} from "../../src/core/order.ts";
import { referencePrice } from "../../src/core/prices.ts";

export { unitsOf as units } from "../../src/core/decimal.ts";

/** With it SOL-USD is at 179.97 at noon and falls by a few ticks in the next seconds. */
export const SEED = 35;
/** 2026-11-21 12:00:00 UTC, a whole step. */
export const NOON = Date.UTC(2026, 10, 21, 12);

/** SHA-256 in hex, as the objects hand it to core. */
export const sha256: Sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** Numbered ids: `trd_1`, `exe_2`, … the same in every run. */
export function countingIds(): (prefix: string) => string {
  let count = 0;
  return (prefix) => {
    count += 1;
    return `${prefix}_${count}`;
  };
}

/** The opening rules of a listed market. */
export function listed(symbol: string): MarketRules {
  const rules = findMarket(symbol);
  if (rules === undefined) throw new Error(`${symbol} is not listed`);
  return rules;
}

/** What a market's ledger has on one account and asset, in units. */
export function marketBalance(state: MarketState, account: string, asset: string): bigint {
  return state.balances.get(balanceKey(account, asset)) ?? 0n;
}

/** One market under test: its state, its clock and what it has journalled. */
export class Desk {
  readonly state: MarketState;
  readonly journal: MarketEvent[] = [];
  now = NOON;
  readonly #makeId = countingIds();

  constructor(rules: MarketRules = listed("SOL-USD")) {
    this.state = emptyMarket(rules, 1);
  }

  get rules(): MarketRules {
    return this.state.rules;
  }

  /** The price that bands and the house go by now, in quote units per whole base unit. */
  get reference(): bigint {
    return referencePrice(this.rules, SEED, this.now);
  }

  price(text: string): bigint {
    return units(text, this.rules.quoteScale);
  }

  qty(text: string): bigint {
    return units(text, this.rules.baseScale);
  }

  /** One turn; its events are journalled, and the market's invariants hold after it. Answers its reports as sentences. */
  turn(act: (turn: MarketTurn) => void): string[] {
    const turn: MarketTurn = {
      state: this.state,
      ctx: { now: this.now, makeId: this.#makeId, sha256, priceSeed: SEED },
      events: [],
    };
    act(turn);
    this.journal.push(...turn.events);
    expect(marketBreaks(this.state)).toEqual([]);
    return turn.events.flatMap((event) => this.#sentence(event));
  }

  /** Lets the market come to its present: expiry, then the house. */
  advance(): string[] {
    return this.turn(advance);
  }

  /**
   * Sends one command: `x1 buy 3 @ 180.1`, `x1 sell 2 market`, `x1 buy $500 market`, `cancel x1`, `replace x1 +2 @ 180.2` (so
   * much more or less, at this limit or trigger: `-1 rises:181`); words after it: a time in
   * force, `post_only`, `stp:none`, `budget:12.5`, `until:<ms>`, `not_after:<ms>`, `rises:181`, `falls:179`, `trail:0.5`,
   * `trail:1.5%`, `display:0.5`.
   */
  send(sentence: string): string[] {
    return this.sendAll([sentence]);
  }

  /** Sends a command as it is. */
  command(account: string, command: Command): string[] {
    return this.turn((turn) => applyCommands(turn, account, [command]));
  }

  /** Sends commands in one turn. */
  sendAll(sentences: readonly string[]): string[] {
    return this.turn((turn) => {
      for (const sentence of sentences) {
        const [first = "", ...rest] = sentence.split(" ");
        const id = first === "cancel" || first === "replace" ? (rest[0] ?? "") : first;
        const account = id.slice(0, 1);
        const cseq = peerOf(this.state, account).cseq + 1;
        applyCommands(turn, account, [
          first === "cancel"
            ? { kind: "cancel", cseq, orderId: id }
            : first === "replace"
              ? this.#replace(id, cseq, rest.slice(1))
              : this.#submit(id, cseq, rest),
        ]);
      }
    });
  }

  #submit(id: string, cseq: number, words: string[]): Command {
    const option = (name: string) => words.find((word) => word.startsWith(`${name}:`))?.slice(name.length + 1);
    const side: Side = words[0] === "buy" ? "buy" : "sell";
    const amount = words[1] ?? "";
    const qty = amount.startsWith("$") ? null : this.qty(amount);
    const limitPrice = words[2] === "@" ? this.price(words[3] ?? "") : null;
    const named = (["gtc", "gtd", "day", "ioc", "fok"] as const).find((name) => words.includes(name));
    const timeInForce: TimeInForce = named ?? (limitPrice === null ? "ioc" : "gtc");
    const budget = option("budget");
    const until = option("until");
    const notAfter = option("not_after");
    const order: SubmitOrder = {
      id,
      side,
      limitPrice,
      qty,
      timeInForce,
      postOnly: words.includes("post_only"),
      selfTradePrevention: (option("stp") ?? "cancel_newest") as SelfTradePrevention,
      makerFeeBps: this.rules.makerFeeBps,
      takerFeeBps: this.rules.takerFeeBps,
      budget: 0n,
      expiresAt: until === undefined ? null : Number(until),
    };
    const trigger = this.#trigger(option);
    if (trigger !== null) Object.assign(order, { trigger, timeInForce: named ?? "gtc" });
    const display = option("display");
    if (display !== undefined) order.displayQty = this.qty(display);
    order.budget = budget === undefined ? this.#hold(order, amount) : this.price(budget);
    const version = option("rules");
    return {
      kind: display !== undefined ? "submit_iceberg" : trigger === null ? "submit" : "submit_held",
      cseq,
      order,
      notAfter: notAfter === undefined ? null : Number(notAfter),
      rulesVersion: version === undefined ? this.rules.version : Number(version),
    };
  }

  #replace(id: string, cseq: number, words: string[]): Command {
    const option = (name: string) => words.find((word) => word.startsWith(`${name}:`))?.slice(name.length + 1);
    const trigger = this.#trigger(option);
    const at = words.indexOf("@");
    const [sign = "", digits = ""] = [words[0]?.slice(0, 1), words[0]?.slice(1)];
    return {
      ...{ kind: "replace", cseq, orderId: id, postOnly: words.includes("post_only"), hold: this.price("2000") },
      qtyDelta: (sign === "-" ? -1n : 1n) * this.qty(digits),
      limitPrice: at < 0 ? null : this.price(words[at + 1] ?? ""),
      ...(trigger === null ? {} : { trigger }),
    };
  }

  #trigger(option: (name: string) => string | undefined): Trigger | null {
    const when = option("rises") === undefined ? "falls" : "rises";
    const price = option(when);
    if (price === undefined) return null;
    const trail = option("trail");
    const by = trail?.endsWith("%") ? { bps: Math.round(Number.parseFloat(trail) * 100) } : null;
    return {
      when,
      price: this.price(price),
      trail: trail === undefined ? null : (by ?? { amount: this.price(trail) }),
    };
  }

  #hold(order: SubmitOrder, amount: string): bigint {
    const { baseScale, priceBandBps, tickSize, takerFeeBps } = this.rules;
    if (order.side === "sell") return order.qty ?? 0n;
    if (order.qty === null) return this.price(amount.slice(1));
    if (order.limitPrice !== null)
      return limitBuyReserve({ ...order, feeNumerator: 0n, fee: 0n }, order.limitPrice, order.qty, baseScale);
    const waitsFor = order.trigger?.price ?? this.reference;
    const at = order.trigger?.when === "rises" && waitsFor < this.reference ? this.reference : waitsFor;
    const worst = notionalOf(bandOf(at, priceBandBps, tickSize).high, order.qty, baseScale);
    return worst + feeOf(worst * BigInt(takerFeeBps));
  }

  #sentence(event: MarketEvent): string[] {
    if (event.kind !== "report") return [];
    const { orderId, execType, reason, fill, triggerPrice } = event.report;
    if (triggerPrice !== undefined)
      return [`${orderId} triggered at ${formatDecimal(triggerPrice, this.rules.quoteScale)}`];
    if (fill === null) return [reason === null ? `${orderId} ${execType}` : `${orderId} ${execType}: ${reason}`];
    const qty = formatDecimal(fill.qty, this.rules.baseScale);
    const price = formatDecimal(fill.price, this.rules.quoteScale);
    const fee = formatDecimal(fill.fee, this.rules.quoteScale);
    return [`${orderId} ${fill.done ? "filled" : "fill"} ${qty} @ ${price}, ${fill.liquidity}, fee ${fee}`];
  }
}

/** A market with the orders of a picture resting in it, worst first, each level's from left to right. */
export function deskWith(picture: string, rules?: MarketRules): Desk {
  const desk = new Desk(rules);
  for (const row of rowsOf(picture)) {
    for (const [side, cell] of [
      ["buy", row.bids],
      ["sell", row.asks],
    ] as const) {
      for (const word of cell) {
        const [id = "", qty = ""] = word.split(":");
        expect(desk.send(`${id} ${side} ${qty} @ ${row.price}`)).toEqual([`${id} new`]);
      }
    }
  }
  return desk;
}

/** Compares a market's book with a picture. */
export function expectBook(desk: Desk, picture: string): void {
  const wanted = rowsOf(picture).map((row) => `${row.bids.join(" ")} | ${row.price} | ${row.asks.join(" ")}`.trim());
  expect(printBook(desk.state.book, desk.rules)).toEqual(wanted);
}

/** The rows of a book from the best ask's far end down to the worst bid, each order as `id:qty`, an iceberg as `id:shown/qty`. */
export function printBook(book: Book, rules: MarketRules): string[] {
  const row = (side: Side, price: bigint) => {
    const orders = [...(book[side].levels.get(price)?.orders.values() ?? [])];
    const digits = (units: bigint) => formatDecimal(units, rules.baseScale);
    const sizeOf = ({ shownQty, leaves }: RestingOrder) =>
      shownQty === undefined ? digits(leaves) : `${digits(shownQty)}/${digits(leaves)}`;
    const cell = orders.map((o) => `${o.account === HOUSE ? HOUSE : o.id}:${sizeOf(o)}`).join(" ");
    const text = formatDecimal(price, rules.quoteScale);
    return (side === "buy" ? `${cell} | ${text} | ` : ` | ${text} | ${cell}`).trim();
  };
  const asks = book.sell.prices.map((price) => row("sell", price)).reverse();
  return [...asks, ...book.buy.prices.map((price) => row("buy", price))];
}

function rowsOf(picture: string): { bids: string[]; price: string; asks: string[] }[] {
  const lines = picture.split("\n").filter((line) => line.includes("|") && !line.includes("price"));
  return lines.map((line) => {
    const [bids = "", price = "", asks = ""] = line.split("|").map((cell) => cell.trim());
    const words = (cell: string) => cell.split(" ").filter((word) => word !== "");
    return { bids: words(bids), price, asks: words(asks) };
  });
}
