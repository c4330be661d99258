// Orders that wait for the reference price, and changes of open orders, at random.
import type { OrderRequest, TriggerWish } from "../../src/core/account/admission.ts";
import type { ReplaceWish } from "../../src/core/account/replace.ts";
import type { MarketRules } from "../../src/core/listings.ts";
import type { Order, Side } from "../../src/core/order.ts";
import type { Random } from "./random.ts";

/** The fields that make an order wait: for a price within some ticks of the reference, or for one that trails it so far. */
export function randomTrigger(
  random: Random,
  rules: MarketRules,
  reference: bigint,
  side: Side,
): Pick<OrderRequest, "type" | "limitPrice" | "timeInForce" | "postOnly"> & { trigger: TriggerWish } {
  const type = random.pick(["stop", "stop_limit", "take_profit", "trailing_stop"] as const);
  const when = (side === "buy") !== (type === "take_profit") ? "rises" : "falls";
  const near = () => BigInt(random.int(60) - 20) * rules.tickSize;
  const price = when === "rises" ? reference + near() : reference - near();
  const distance = BigInt(1 + random.int(40)) * rules.tickSize;
  const trail = random.once(2) ? { amount: distance } : { bps: 1 + random.int(30) };
  const trigger: TriggerWish = type === "trailing_stop" ? { when, price: null, trail } : { when, price, trail: null };
  const limitPrice = type === "stop_limit" ? price + near() : null;
  return { type, limitPrice, timeInForce: random.pick(["gtc", "gtc", "day"] as const), postOnly: false, trigger };
}

/** Some of an order's terms a little other than they are; now and then what its type has not. */
export function randomChange(random: Random, order: Order, { lotSize, tickSize }: MarketRules): ReplaceWish {
  const wish: ReplaceWish = {};
  const ticks = () => BigInt(random.int(30) - 15) * tickSize;
  if (order.qty !== null && random.once(2)) wish.qty = (order.qty / lotSize / 4n) * BigInt(1 + random.int(8)) * lotSize;
  if (order.limitPrice !== null && random.once(2)) wish.limitPrice = order.limitPrice + ticks();
  const { trigger } = order;
  if (trigger?.trail === null && random.once(2)) wish.stopPrice = trigger.price + ticks();
  if (trigger?.trail != null && random.once(2)) wish.trail = { amount: BigInt(1 + random.int(40)) * tickSize };
  if (random.once(30)) wish.stopPrice = tickSize;
  return wish;
}
