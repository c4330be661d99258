// What the customers do: a mix that rests, crosses, sweeps the house, is refused, is canceled and is read, on few markets.
import { formatDecimal } from "../../src/core/decimal.ts";
import { findMarket, type MarketRules } from "../../src/core/listings.ts";
import { referencePrice } from "../../src/core/prices.ts";
import type { Random } from "../support/random.ts";
import type { Customer, Wish } from "./customer.ts";
import type { Attempt } from "./history.ts";

const SYMBOLS = ["BTC-USD", "ETH-USD", "AAPL-USD"];
/** More than the whole run can spend, so that refusals are those that are meant. */
const STAKE: readonly (readonly [asset: string, amount: string])[] = [
  ["USD", "5000000"],
  ["BTC", "80"],
  ["ETH", "2000"],
  ["AAPL", "20000"],
];
/** Open orders that a lane leaves in the books before it cancels rather than places. */
const OPEN_MAX = 30;

/** What one lane knows of its own doings. */
export interface Lane {
  customer: Customer;
  random: Random;
  /** The first part of its keys: no other lane has it. */
  name: string;
  count: number;
  open: string[];
}

/** The money that a customer starts with, as acts like any other. */
export function stakes(name: string): Wish[] {
  return STAKE.map(([asset, amount]) => deposit(`${name}:stake:${asset}`, asset, amount));
}

/** Does the next thing, and some of it again: a user who clicks twice, or whose program forgets that it has asked. */
export async function step(lane: Lane, priceSeed: number): Promise<void> {
  const { customer, random } = lane;
  lane.count += 1;
  const wish = nextWish(lane, priceSeed);
  const twice = wish.kind !== "cancel" && random.once(16);
  const [attempt] = await Promise.all([customer.act(wish), ...(twice ? [customer.attempt(wish)] : [])]);
  if (attempt !== null) remember(lane, wish, attempt);
  if (random.once(12)) await customer.attempt(wish);
}

function remember(lane: Lane, wish: Wish, { outcome, facts }: Attempt): void {
  const open = facts?.status === "new" || facts?.status === "partially_filled" || facts?.status === "pending_new";
  if (wish.kind === "order" && outcome === "ok" && open && facts?.ref) lane.open.push(facts.ref);
}

function nextWish(lane: Lane, priceSeed: number): Wish {
  const { random, name, count } = lane;
  const dice = random.int(100);
  if (dice < 8) return deposit(`${name}:${count}`, random.pick(["USD", "BTC", "AAPL"]), `${1 + random.int(50)}`);
  if (dice < 18) return read(lane);
  const orderId = lane.open[random.int(lane.open.length)];
  if (orderId !== undefined && (dice < 40 || lane.open.length > OPEN_MAX)) {
    lane.open = lane.open.filter((id) => id !== orderId);
    return { kind: "cancel", key: orderId, byKey: false, ask: { method: "DELETE", path: `/v1/orders/${orderId}` } };
  }
  return order(lane, priceSeed, dice);
}

function deposit(key: string, asset: string, amount: string): Wish {
  const body = JSON.stringify({ asset, amount });
  return { kind: "deposit", key, byKey: true, ask: { method: "POST", path: "/v1/account/deposits", body } };
}

function read({ random, open, count }: Lane): Wish {
  const orderId = open[random.int(open.length)];
  if (orderId === undefined || count % 2 === 0)
    return { kind: "read_account", key: "account", byKey: false, ask: { method: "GET", path: "/v1/account" } };
  return { kind: "read_order", key: orderId, byKey: false, ask: { method: "GET", path: `/v1/orders/${orderId}` } };
}

function order({ random, name, count }: Lane, priceSeed: number, dice: number): Wish {
  const rules = rulesOf(random.pick(SYMBOLS));
  const key = `${name}:${count}`;
  const side = random.pick(["buy", "sell"] as const);
  const terms = { client_order_id: key, symbol: rules.symbol, side, ...termsOf(rules, side, random, priceSeed, dice) };
  const ask = { method: "POST" as const, path: "/v1/orders", body: JSON.stringify(terms) };
  return { kind: "order", key, byKey: random.once(4), ask };
}

/** Resting far off, crossing near the middle, at the market, or such that it is refused. */
function termsOf(rules: MarketRules, side: "buy" | "sell", random: Random, priceSeed: number, dice: number) {
  const middle = referencePrice(rules, priceSeed, Date.now()) / rules.tickSize;
  const price = (ticks: bigint) => formatDecimal(ticks * rules.tickSize, rules.quoteScale);
  // About 20 to 220 USD: a price in units times a quantity in units is USD units times 10^baseScale.
  const worth = BigInt(20 + random.int(200)) * 10n ** BigInt(rules.quoteScale + rules.baseScale);
  const lots = worth / (middle * rules.tickSize) / rules.lotSize;
  const qty = formatDecimal(lots * rules.lotSize, rules.baseScale);
  const limit = { type: "limit", qty };
  if (dice < 62) {
    const off = middle / 20n + BigInt(random.int(50));
    return { ...limit, limit_price: price(side === "buy" ? middle - off : middle + off) };
  }
  if (dice < 84) return { ...limit, limit_price: price(middle + BigInt(random.int(9) - 4)) };
  if (dice < 90) return { type: "market", qty };
  if (dice < 93 && side === "buy") return { type: "market", notional: `${20 + random.int(100)}` };
  if (dice < 96) return { ...limit, post_only: true, limit_price: price(middle + (side === "buy" ? 40n : -40n)) };
  if (dice < 98) return { ...limit, time_in_force: "fok", limit_price: price(middle + BigInt(random.int(60) - 30)) };
  return { ...limit, limit_price: price((middle * 3n) / 2n) };
}

function rulesOf(symbol: string): MarketRules {
  const rules = findMarket(symbol);
  if (rules === undefined) throw new Error(`${symbol} is not listed`);
  return rules;
}

/** The markets that the customers trade in. */
export const TRADED: readonly string[] = SYMBOLS;
