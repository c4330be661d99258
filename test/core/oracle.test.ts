// The market against one that was written a second time, plainly, from the rules alone: every command, every second, to the unit.
import { afterAll, describe, expect, it } from "vitest";
import { houseQuotes } from "../../src/core/house.ts";
import { advance } from "../../src/core/market/advance.ts";
import { applyCommands } from "../../src/core/market/decide.ts";
import type { MarketTurn } from "../../src/core/market/turn.ts";
import type { SubmitOrder } from "../../src/core/messages.ts";
import { referencePrice, STEP_MS } from "../../src/core/prices.ts";
import { countingIds, SEED } from "../support/book.ts";
import { NaiveMarket } from "../support/naive/market.ts";
import type { NaiveEvent, NaiveOrder } from "../support/naive/terms.ts";
import { randomCommand, type Sent } from "../support/oracle/commands.ts";
import { caseOf, compare, saidBy } from "../support/oracle/compare.ts";
import { beginRun, RULES, type Run } from "../support/oracle/run.ts";

const HOUR_MS = 3_600_000;
const NO_MORE_STEPS = Number.MAX_SAFE_INTEGER;
/** How many times as many commands as in every test run: `npm run oracle` is ten. */
const TIMES = Number(process.env["ORACLE_TIMES"] ?? 1);
/** Enough where coverage is counted, too. */
const TIMEOUT = { timeout: TIMES * 120_000 };

const makeId = countingIds();
const referenceIn = (second: number) => referencePrice(RULES, SEED, second * STEP_MS);
const house = (reference: bigint) =>
  houseQuotes(RULES, reference).map(({ qty, ...quote }) => ({ ...quote, leaves: qty }));

function turnOf({ state, now }: Run): MarketTurn {
  // The chain has its own tests: here its hash would be most of the time.
  return { state, ctx: { now, makeId, sha256: () => "", priceSeed: SEED }, events: [] };
}

/** A naive market that begins where a run does. */
function naiveFor(run: Run, quotes: typeof house | null): NaiveMarket {
  return new NaiveMarket(RULES, Math.floor(run.now / STEP_MS) - 1, referenceIn, quotes);
}

/** What runs have met: a test that never meets a case says nothing about it. */
class Met {
  readonly #cases = new Map<string, number>();

  count(run: Run, events: readonly NaiveEvent[]): void {
    for (const event of events) {
      const sent = run.sent.get(event.orderId);
      const one = sent === undefined ? "an order that was never sent" : caseOf(sent, event);
      this.#cases.set(one, (this.#cases.get(one) ?? 0) + 1);
    }
  }

  expectAll(wanted: readonly string[]): void {
    const never = wanted.filter((one) => (this.#cases.get(one) ?? 0) < 3);
    expect(never, JSON.stringify([...this.#cases].sort())).toEqual([]);
  }
}

/** Time passes at both markets, then both are sent one command. */
function step(run: Run, naive: NaiveMarket, met: Met, passes: number): void {
  run.now += passes;
  const sent = randomCommand(run);
  const later = turnOf(run);
  advance(later);
  naive.passTo(run.now);
  check(run, naive, met, later);
  const turn = turnOf(run);
  applyCommands(turn, sent.account, [sent.command]);
  tell(naive, sent);
  check(run, naive, met, turn);
  // What the accounts would acknowledge.
  for (const peer of run.state.peers.values()) peer.unacknowledged = [];
}

function check(run: Run, naive: NaiveMarket, met: Met, turn: MarketTurn): void {
  const expected = naive.said();
  compare(run, naive.all, saidBy(turn.events), expected);
  met.count(run, expected);
}

function tell(naive: NaiveMarket, { account, command }: Sent): void {
  if (command.kind === "cancel") naive.cancel(account, command.orderId);
  else if (command.kind === "replace") {
    const { qtyDelta: by, limitPrice: price, ...wish } = command;
    naive.replace(account, { ...wish, by, price });
  } else if (command.kind === "submit_group")
    naive.submitGroup(command.orders.map(({ order }) => naiveOrder(account, order)));
  else naive.submit(naiveOrder(account, command.order));
}

function naiveOrder(account: string, { limitPrice: price, qty: leaves, ...terms }: SubmitOrder): NaiveOrder {
  return { ...terms, account, price, leaves };
}

/** How much time passes between two commands: mostly less than a second, now and then up to a minute in which nobody asks. */
function pause({ random }: Run): number {
  return random.once(50) ? random.int(60_000) : random.int(400);
}

/** Names with each of some ends. */
function each(names: readonly string[], ends: readonly string[]): string[] {
  return names.flatMap((name) => ends.map((end) => `${name}: ${end}`));
}

const ENDS = ["new", "fill", "canceled user", "canceled self_trade_prevention", "cancel_rejected order_not_open"];
const CHANGES = ["replaced", "replaced less", "canceled replaced", "replace_rejected order_not_open"];

describe("the market does what the naive one does, event for event and order for order,", () => {
  const met = new Met();

  it.each([1, 2, 3])("among customers, seed %d, 11,000 commands", TIMEOUT, (seed) => {
    const run = beginRun(seed, "limits");
    run.state.step = NO_MORE_STEPS;
    const naive = naiveFor(run, null);
    for (let i = 0; i < TIMES * 11_000; i += 1) step(run, naive, met, run.random.once(3) ? run.random.int(60) : 0);
  });

  it.each([4])("around a house whose price moves, seed %d, 11,000 commands", TIMEOUT, (seed) => {
    const run = beginRun(seed, "limits");
    const naive = naiveFor(run, house);
    for (let i = 0; i < TIMES * 11_000; i += 1) step(run, naive, met, pause(run));
  });

  afterAll(() =>
    met.expectAll([
      ...each(["order"], [...ENDS, ...CHANGES]),
      "order: rejected post_only_would_cross",
      "order: rejected fok_not_fillable",
      "order: canceled ioc",
      "order: canceled hold_exhausted",
      "order: canceled no_liquidity",
      "order: canceled price_band",
      "order: expired gtd",
      "order: replaced less self_trade_prevention",
      "order: replace_rejected post_only_would_cross",
    ]),
  );
});

describe("the market does so with orders that wait for a price,", () => {
  const met = new Met();

  it.each([5, 6, 7])("seed %d, 11,000 commands from an hour before the day ends", TIMEOUT, (seed) => {
    const run = beginRun(seed, "triggers");
    run.now += 11 * HOUR_MS;
    const naive = naiveFor(run, house);
    for (let i = 0; i < TIMES * 11_000; i += 1) step(run, naive, met, pause(run));
  });

  afterAll(() =>
    met.expectAll([
      ...each(
        ["stop", "stop_limit", "take_profit", "trailing amount", "trailing percent"],
        [...ENDS, ...CHANGES, "triggered", "expired gtd"],
      ),
      ...each(["stop", "stop_limit", "take_profit"], ["expired day"]),
      "stop: canceled hold_exhausted",
      "stop_limit: replaced less self_trade_prevention",
    ]),
  );
});

describe("the market does so with groups,", () => {
  const met = new Met();

  it.each([8, 9, 10])("seed %d, 11,000 commands from an hour before the day ends", TIMEOUT, (seed) => {
    const run = beginRun(seed, "groups");
    run.now += 11 * HOUR_MS;
    const naive = naiveFor(run, house);
    for (let i = 0; i < TIMES * 11_000; i += 1) step(run, naive, met, pause(run));
  });

  afterAll(() =>
    met.expectAll([
      ...each(["bracket entry", "oto entry"], [...ENDS, ...CHANGES, "canceled exit", "rejected fok_not_fillable"]),
      ...each(["bracket entry", "oto entry"], ["triggered", "expired gtd", "replaced less self_trade_prevention"]),
      ...each(["bracket entry trailing", "oto entry trailing"], ["triggered", "fill"]),
      ...each(
        ["bracket take_profit", "oto take_profit"],
        ["rejected entry", "canceled entry", "replaced entry", "replaced", "canceled user", "fill", "expired gtd"],
      ),
      ...each(
        ["bracket stop_loss", "bracket stop_loss trailing", "oto stop_loss", "oto stop_loss trailing"],
        ["rejected entry", "canceled entry", "replaced entry", "replaced", "canceled user", "triggered", "fill"],
      ),
      ...each(["bracket stop_loss", "bracket stop_loss trailing"], ["replaced less oco", "canceled oco"]),
      ...each(["oco stop_loss", "oco stop_loss trailing"], ["replaced less oco", "canceled oco", "triggered", "fill"]),
      ...each(["oco take_profit", "oco stop_loss", "oco stop_loss trailing"], ["canceled user", "replaced"]),
      ...each(["bracket take_profit", "oco take_profit"], ["canceled oco", "fill", "expired gtd"]),
      ...each(
        ["bracket take_profit", "oco take_profit"],
        ["canceled self_trade_prevention", "replaced less self_trade_prevention"],
      ),
      ...each(["oco stop_loss", "oco stop_loss trailing"], ["rejected oco"]),
      "bracket stop_loss: canceled price_band",
      "oco take_profit: rejected post_only_would_cross",
    ]),
  );
});
