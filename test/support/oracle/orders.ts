// Orders at random, single ones and groups, as accounts would send them to their market.
import type { SubmitOrder } from "../../../src/core/messages.ts";
import {
  SELF_TRADE_PREVENTIONS,
  type Side,
  type TimeInForce,
  type Trail,
  type Trigger,
  trailFrom,
} from "../../../src/core/order.ts";
import { referencePrice } from "../../../src/core/prices.ts";
import { SEED } from "../book.ts";
import { randomTrigger } from "../orders.ts";
import { bandAround, budgetOf, RULES, type Run, referenceOf, reserve, send, ticks } from "./run.ts";

const DAY_MS = 86_400_000;

type Terms = Omit<SubmitOrder, "id">;

/** How long an order lives, with when it ends. */
function lasting(run: Run, timeInForce: TimeInForce): Pick<SubmitOrder, "timeInForce" | "expiresAt"> {
  if (timeInForce === "gtd") return { timeInForce, expiresAt: run.now + 1_000 + run.random.int(60_000) };
  const midnight = (Math.floor(run.now / DAY_MS) + 1) * DAY_MS;
  return { timeInForce, expiresAt: timeInForce === "day" ? midnight : null };
}

/** Mostly of a few whole sizes, so that orders meet exactly; now and then more than the house has at a price. */
function randomLots(run: Run): number {
  const lots = run.random.once(3) ? 1 + run.random.int(40_000) : (1 + run.random.int(4)) * 10_000;
  return run.random.once(25) ? lots * 25 : lots;
}

/** What its orders have in common that chance alone decides. */
function common(run: Run) {
  const { makerFeeBps, takerFeeBps } = RULES;
  return { selfTradePrevention: run.random.pick(SELF_TRADE_PREVENTIONS), makerFeeBps, takerFeeBps };
}

/** What it shows of itself; nothing is said where it hides nothing. */
function shown(run: Run, lots: number): { displayQty?: bigint } {
  return run.random.once(4) ? { displayQty: BigInt(Math.ceil(lots / (1 + run.random.int(20)))) * RULES.lotSize } : {};
}

/** A market or a limit order. */
export function plainOrder(run: Run): SubmitOrder {
  const { random } = run;
  const side: Side = random.pick(["buy", "sell"]);
  const lots = randomLots(run);
  const isMarket = random.once(5);
  // Prices lie close together, on either side of the middle; a few lie at the band's edges and beyond.
  const away = random.once(20) ? random.int(4_000) - 2_000 : random.int(24) - 12;
  const limits = ["gtc", "gtc", "gtc", "gtd", "day", "ioc", "fok"] as const;
  const timeInForce: TimeInForce = isMarket ? random.pick(["ioc", "ioc", "fok"]) : random.pick(limits);
  const terms: Terms = {
    ...common(run),
    ...lasting(run, timeInForce),
    side,
    limitPrice: isMarket ? null : referenceOf(run) + ticks(away),
    qty: isMarket && side === "buy" && random.once(2) ? null : BigInt(lots) * RULES.lotSize,
    postOnly: timeInForce === "gtc" && random.once(6),
    budget: 0n,
  };
  if (!isMarket && timeInForce !== "ioc" && timeInForce !== "fok") Object.assign(terms, shown(run, lots));
  return send(run, { ...terms, budget: terms.qty === null ? randomMoney(run) : budgetOf(run, terms) });
}

function randomMoney({ random }: Run): bigint {
  return BigInt(random.once(20) ? random.int(20_000) : random.int(1_500_000_000));
}

/** A stop, stop_limit, take_profit or trailing_stop about the reference price, some of which are there already. */
export function triggeredOrder(run: Run): SubmitOrder {
  const { random } = run;
  const side: Side = random.pick(["buy", "sell"]);
  const lots = randomLots(run);
  const { trigger: wish, type: _, timeInForce, ...asked } = randomTrigger(random, RULES, referenceOf(run), side);
  const { when, trail } = wish;
  const trigger: Trigger = { when, trail, price: wish.price ?? trailStart(run, when, trail) };
  const terms: Terms = {
    ...common(run),
    ...lasting(run, random.once(5) ? "gtd" : timeInForce),
    ...asked,
    ...{ side, trigger, qty: BigInt(lots) * RULES.lotSize, budget: 0n },
  };
  if (terms.limitPrice !== null) Object.assign(terms, shown(run, lots));
  if (terms.limitPrice === null && side === "buy" && random.once(6))
    return send(run, { ...terms, qty: null, budget: randomMoney(run) });
  return send(run, { ...terms, budget: budgetOf(run, terms) });
}

/** Where an account has put a trigger that trails: by the reference price of now, or of a moment before. */
export function trailStart(run: Run, when: Trigger["when"], trail: Trail | null): bigint {
  const seen = referencePrice(RULES, SEED, run.now - (run.random.once(3) ? 3_000 : 0));
  return trailFrom(when, trail ?? { amount: 0n }, seen, RULES.tickSize);
}

/** A bracket, an oto or an oco: its entry first, if it has one, then its exits about that, or about the reference price. */
export function randomGroup(run: Run): SubmitOrder[] {
  const { random } = run;
  const kind = random.pick(["bracket", "bracket", "oto", "oco"] as const);
  if (kind === "oco") return randomOco(run);
  const entry = random.once(3) ? triggeredOrder(run) : plainOrder(run);
  entry.group = { id: entry.id, kind, role: "entry" };
  const { timeInForce, expiresAt, selfTradePrevention } = entry;
  const lasts = expiresAt !== null;
  const plain: Terms = {
    ...common(run),
    ...{ timeInForce: lasts ? timeInForce : "gtc", expiresAt: lasts ? expiresAt : null, selfTradePrevention },
    ...{ side: entry.side === "buy" ? "sell" : "buy", qty: 0n, limitPrice: null, postOnly: false, budget: 0n },
    group: entry.group,
  };
  const around = entry.limitPrice ?? entry.trigger?.price ?? referenceOf(run);
  const exits = [takeProfit, stopLoss];
  return [entry, ...(kind === "oto" ? [random.pick(exits)] : exits).map((make) => make(run, plain, around))];
}

/** Two exits about the reference price; of some the profit is there already. */
function randomOco(run: Run): SubmitOrder[] {
  const { random } = run;
  const side = random.pick(["buy", "sell"] as const);
  const beyond = ticks(random.once(4) ? 30 : 0);
  const around = side === "sell" ? referenceOf(run) - beyond : referenceOf(run) + beyond;
  const plain: Terms = {
    ...common(run),
    ...lasting(run, random.pick(["gtc", "gtc", "gtd", "day"])),
    ...{ side, qty: BigInt(randomLots(run)) * RULES.lotSize, limitPrice: null, postOnly: random.once(4), budget: 0n },
    group: { id: `oco${run.ids.length}`, kind: "oco", role: "container" },
  };
  return [takeProfit(run, plain, around), stopLoss(run, { ...plain, postOnly: false }, around)];
}

/** Its price is as far on the good side as chance has it. */
function takeProfit(run: Run, plain: Terms, around: bigint): SubmitOrder {
  const away = ticks(1 + run.random.int(24));
  const limitPrice = plain.side === "sell" ? around + away : around - away;
  return exit(run, { ...plain, limitPrice }, "take_profit");
}

/** Its trigger is on the bad side and stands still, perhaps with a limit from then on, or it trails. */
function stopLoss(run: Run, plain: Terms, around: bigint): SubmitOrder {
  const { random } = run;
  const when = plain.side === "buy" ? "rises" : "falls";
  const trail = random.once(3) ? randomTrail(run) : null;
  const away = trail ?? { amount: ticks(1 + random.int(24)) };
  const trigger: Trigger = { when, trail, price: trailFrom(when, away, around, RULES.tickSize) };
  const limitPrice = trail === null && random.once(3) ? trigger.price + ticks(random.int(24) - 12) : null;
  return exit(run, { ...plain, limitPrice, trigger }, "stop_loss");
}

export function randomTrail({ random }: Run): Trail {
  return random.once(2) ? { amount: ticks(1 + random.int(40)) } : { bps: 1 + random.int(30) };
}

function exit(run: Run, terms: Terms, role: "take_profit" | "stop_loss"): SubmitOrder {
  const { side, qty, limitPrice, trigger, group } = terms;
  const cap = side === "buy" && limitPrice === null ? randomCap(run, trigger) : null;
  const place = { id: group?.id ?? "", kind: group?.kind ?? "oco", role, ...(cap === null ? {} : { cap }) };
  const budget = side === "sell" ? (qty ?? 0n) : reserve(terms, limitPrice ?? cap ?? 0n, qty ?? 0n);
  return send(run, { ...terms, group: place, budget });
}

/** The price that an exit which buys back without a limit is held at: the band's edge; here now and then less, so that it matters. */
export function randomCap(run: Run, trigger: Trigger | undefined): bigint {
  return trigger !== undefined && run.random.once(3)
    ? trigger.price + ticks(run.random.int(24))
    : bandAround(run, trigger);
}
