// What the core costs without a runtime: the book with its matching, and a market's whole turn, beside a well-known order book
// from npm in the same run. `npm run bench:core`; rates by processor time, which a busy machine disturbs least.
import { createHash } from "node:crypto";
import { OrderBook } from "nodejs-order-book";
import { addToBook, type BookOrder, emptyBook, fillInBook, type RestingOrder, reduceInBook } from "../src/core/book.ts";
import { listedMarket } from "../src/core/listings.ts";
import { applyCommands } from "../src/core/market/decide.ts";
import { emptyMarket, peerOf } from "../src/core/market/state.ts";
import type { MarketTurn } from "../src/core/market/turn.ts";
import { isFill, planMatch } from "../src/core/matching.ts";
import type { Command, SubmitOrder } from "../src/core/messages.ts";
import { limitBuyReserve, type Side } from "../src/core/order.ts";
import { randomOf } from "../test/support/random.ts";

const RULES = listedMarket("SOL-USD");
const RUNS = 3;
/** Resting orders that are traded with, however many an order takes. */
const SWEPT = 10_000;
const MIDDLE_TICKS = 18_000;
/** Quantities are counted in so many lots, so that each is worth about 18 USD. */
const UNIT_LOTS = 1_000n;

/** One step of a workload: an order at a price in ticks, or the end of one. */
type Step = { id: string; side: Side; ticks: number; qty: number } | { cancel: string };

interface Workload {
  name: string;
  /** Steps that are not timed, and those that are. */
  before: Step[];
  timed: Step[];
}

const random = randomOf(1);

function order(id: number, cross: boolean, levels = 100): Step & { id: string } {
  const side = random.pick(["buy", "sell"] as const);
  const away = cross ? -random.int(5) : 1 + random.int(levels);
  return { id: `o${id}`, side, ticks: MIDDLE_TICKS + (side === "buy" ? -away : away), qty: 1 + random.int(50) };
}

/** So many orders that rest, on two hundred prices. */
function resting(count: number): (Step & { id: string })[] {
  return Array.from({ length: count }, (_, id) => order(id, false));
}

/** Adds, cancels of any order that is there, and orders that trade: 45, 40 and 15 in a hundred. */
function mixed(before: (Step & { id: string })[], steps: number): Step[] {
  const live = before.map(({ id }) => id);
  return Array.from({ length: steps }, (_, index) => {
    const kind = random.int(100);
    const at = random.int(live.length);
    const picked = live[at];
    if (kind < 40 && picked !== undefined) {
      live[at] = live.at(-1) ?? picked;
      live.pop();
      return { cancel: picked };
    }
    const made = order(before.length + index, kind < 55);
    live.push(made.id);
    return made;
  });
}

function workloads(): Workload[] {
  const [few, many] = [resting(1_000), resting(100_000)];
  const shuffled = [...many].sort(() => random.unit() - 0.5);
  return [
    { name: "add", before: [], timed: many },
    { name: "cancel", before: many, timed: shuffled.slice(0, 20_000).map(({ id }) => ({ cancel: id })) },
    { name: "match", before: many, timed: Array.from({ length: 20_000 }, (_, id) => order(200_000 + id, true)) },
    { name: "mixed, 1,000 resting", before: few, timed: mixed(few, 100_000) },
    { name: "mixed, 100,000 resting", before: many, timed: mixed(many, 40_000) },
  ];
}

/** A book under test: takes a step. What it is given is made before the clock runs. */
type Subject = (steps: Step[]) => () => void;

function yardstick(): Subject {
  const book = new OrderBook();
  return (steps) => () => {
    for (const step of steps) {
      if ("cancel" in step) book.cancel(step.cancel);
      else book.limit({ id: step.id, side: step.side as never, size: step.qty, price: step.ticks / 100 });
    }
  };
}

function termsOf(step: Exclude<Step, { cancel: string }>) {
  const limitPrice = BigInt(step.ticks) * RULES.tickSize;
  const qty = BigInt(step.qty) * UNIT_LOTS * RULES.lotSize;
  const fees = { makerFeeBps: RULES.makerFeeBps, takerFeeBps: RULES.takerFeeBps, feeNumerator: 0n, fee: 0n };
  const budget = step.side === "sell" ? qty : limitBuyReserve(fees, limitPrice, qty, RULES.baseScale);
  return { limitPrice, qty, budget };
}

/** The book and its matching alone, with exact amounts and fees. */
function bookAndMatching(): Subject {
  const book = emptyBook();
  const live = new Map<string, RestingOrder>();
  let seq = 0;
  const drop = (id: string) => {
    const found = live.get(id);
    if (found !== undefined) reduceInBook(book, found, found.leaves);
    live.delete(id);
  };
  const take = (taker: BookOrder & RestingOrder) => {
    seq += 1;
    const { meetings, complete } = planMatch(book, taker, taker.price, RULES);
    for (const { maker, qty } of meetings.filter(isFill)) {
      if (qty === maker.leaves) live.delete(maker.id);
      fillInBook(book, maker, qty, seq);
      taker.leaves -= qty;
    }
    if (complete) return;
    taker.seq = seq;
    addToBook(book, taker);
    live.set(taker.id, taker);
  };
  return (steps) => {
    const orders = steps.map((step): string | RestingOrder => {
      if ("cancel" in step) return step.cancel;
      const { limitPrice: price, qty: leaves, budget } = termsOf(step);
      const { makerFeeBps, takerFeeBps } = RULES;
      const terms = {
        timeInForce: "gtc",
        selfTradePrevention: "none",
        expiresAt: null,
        feeNumerator: 0n,
        fee: 0n,
      } as const;
      return {
        ...terms,
        id: step.id,
        account: "a",
        side: step.side,
        price,
        leaves,
        budget,
        makerFeeBps,
        takerFeeBps,
        seq: 0,
      };
    });
    return () => {
      for (const one of orders) {
        if (typeof one === "string") drop(one);
        else take(one);
      }
    };
  };
}

/** All that a market decides: reports, fees, double entry and the hash chain, but for writing it down. */
function market(): Subject {
  const state = emptyMarket(RULES, 1);
  // The house quotes nothing: it would trade.
  state.step = Number.MAX_SAFE_INTEGER;
  let ids = 0;
  const makeId = (prefix: string) => {
    ids += 1;
    return `${prefix}_${ids}`;
  };
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  const turn: MarketTurn = { state, ctx: { now: 1e12, makeId, sha256, priceSeed: 1 }, events: [] };
  const peer = peerOf(state, "a");
  let cseq = 0;
  return (steps) => {
    const commands = steps.map((step): Command => {
      cseq += 1;
      if ("cancel" in step) return { kind: "cancel", cseq, orderId: step.cancel };
      const { makerFeeBps, takerFeeBps, version: rulesVersion } = RULES;
      const wishes = { timeInForce: "gtc", postOnly: false, selfTradePrevention: "none", expiresAt: null } as const;
      const submit: SubmitOrder = {
        ...wishes,
        id: step.id,
        side: step.side,
        makerFeeBps,
        takerFeeBps,
        ...termsOf(step),
      };
      return { kind: "submit", cseq, order: submit, notAfter: null, rulesVersion };
    });
    return () => {
      for (const command of commands) {
        applyCommands(turn, "a", [command]);
        // What the journal and the account would take.
        turn.events.length = 0;
        peer.unacknowledged.length = 0;
      }
    };
  };
}

const SUBJECTS = { "nodejs-order-book": yardstick, "book and matching": bookAndMatching, "market's turn": market };

/** Processor time in µs that some work takes. */
function cpuOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  return process.cpuUsage(before).user;
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** Steps a second of each subject, the median of some runs that take turns. */
function rates({ before, timed }: Workload): Record<string, number> {
  const seen: Record<string, number[]> = {};
  for (let run = 0; run < RUNS; run += 1) {
    for (const [name, make] of Object.entries(SUBJECTS)) {
      const subject = make();
      subject(before)();
      // What made the book is not to be collected in the time of what is measured.
      globalThis.gc?.();
      seen[name] = [...(seen[name] ?? []), (timed.length / cpuOf(subject(timed))) * 1e6];
    }
  }
  return Object.fromEntries(Object.entries(seen).map(([name, all]) => [name, median(all)]));
}

function row(cells: (string | number)[]): void {
  console.log(`| ${cells.map((cell) => (typeof cell === "number" ? cell.toLocaleString("en") : cell)).join(" | ")} |`);
}

function compare(): void {
  row(["steps a second", ...Object.keys(SUBJECTS), "ratios"]);
  row(["---", "---", "---", "---", "---"]);
  for (const workload of workloads()) {
    const {
      "nodejs-order-book": theirs = 1,
      "book and matching": book = 0,
      "market's turn": turn = 0,
    } = rates(workload);
    const ratios = `${(book / theirs).toFixed(1)} and ${(turn / theirs).toFixed(1)}`;
    row([workload.name, Math.round(theirs), Math.round(book), Math.round(turn), ratios]);
  }
}

/** What one order costs that trades with so many resting ones, all of one size at one price. */
function sweep(): void {
  console.log("");
  row(["an order that meets", "µs of a market's turn", "µs a fill"]);
  row(["---", "---", "---"]);
  for (const count of [1, 10, 100, 1_000]) {
    const costs = Array.from({ length: RUNS }, () => {
      const subject = market();
      const rounds = SWEPT / count;
      const at = (round: number) => MIDDLE_TICKS + round;
      const makers = Array.from({ length: SWEPT }, (_, id): Step => {
        return { id: `m${id}`, side: "sell", ticks: at(Math.floor(id / count)), qty: 1 };
      });
      subject(makers)();
      const takers = Array.from({ length: rounds }, (_, round): Step => {
        return { id: `t${round}`, side: "buy", ticks: at(round), qty: count };
      });
      return cpuOf(subject(takers)) / rounds;
    });
    row([`${count} resting`, Math.round(median(costs)), (median(costs) / count).toFixed(1)]);
  }
}

function memory(): void {
  if (globalThis.gc === undefined) return;
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  const state = market();
  state(resting(100_000))();
  globalThis.gc();
  const megabytes = (process.memoryUsage().heapUsed - before) / 1e6;
  console.log(`\n100,000 resting orders of a market: ${megabytes.toFixed(0)} MB`);
  // Kept until here, or there would be nothing to measure.
  state([]);
}

compare();
sweep();
memory();
