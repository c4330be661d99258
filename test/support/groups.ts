// Groups at random, and what must be true of every one of them whatever has happened.
import type { OrderRequest } from "../../src/core/account/admission.ts";
import type { GroupRequest } from "../../src/core/account/grouping.ts";
import { isContainer, isExit } from "../../src/core/groups.ts";
import type { MarketRules } from "../../src/core/listings.ts";
import { isOpen, type Order, SELF_TRADE_PREVENTIONS } from "../../src/core/order.ts";
import type { Random } from "./random.ts";

/** A group about the reference price: exits a few ticks away, now and then on the wrong side. */
export function randomGroup(
  random: Random,
  rules: MarketRules,
  reference: bigint,
  qty: bigint,
  near: number,
): Omit<GroupRequest, "clientOrderId"> {
  const kind = random.pick(["bracket", "bracket", "oto", "oco"] as const);
  const side = random.pick(["buy", "buy", "sell"] as const);
  const exitBuys = (side === "buy") === (kind === "oco");
  const type = kind === "oco" ? "limit" : random.pick(["market", "limit", "limit", "stop"] as const);
  const ticks = (least: number) => BigInt(least + random.int(near)) * rules.tickSize;
  const up = exitBuys ? -1n : 1n;
  const entry = type === "limit" && kind !== "oco" ? reference - up * ticks(-Math.ceil(near / 4)) : reference;
  const profit = entry + up * ticks(random.once(20) ? -near : 1);
  const loss = entry - up * ticks(1);
  const trails = random.once(3);
  const distance = ticks(1);
  const both = kind !== "oto";
  const hasProfit = both || random.once(2);
  const gtd = random.once(8);
  const lead: OrderRequest = {
    ...{ clientOrderId: null, symbol: rules.symbol, side, type },
    ...{ timeInForce: type === "market" ? "ioc" : random.pick(["gtc", "gtc", "day"] as const) },
    ...{ postOnly: type === "limit" && random.once(6), qty, notional: null, expiresAt: null },
    ...{ limitPrice: kind === "oco" ? profit : type === "limit" ? entry : null },
    selfTradePrevention: random.pick(SELF_TRADE_PREVENTIONS),
    ...(type === "stop"
      ? {
          trigger: {
            when: side === "buy" ? "rises" : "falls",
            price: entry + (side === "buy" ? 2n : -2n) * rules.tickSize,
            trail: null,
          },
        }
      : {}),
  } as OrderRequest;
  if (type === "market" && side === "buy" && random.once(3)) Object.assign(lead, { qty: null, notional: 500_000_000n });
  void gtd;
  return {
    kind,
    lead,
    takeProfit: hasProfit ? { limitPrice: profit } : null,
    stopLoss:
      both || !hasProfit
        ? {
            price: trails ? null : loss,
            trail: trails ? { amount: distance } : null,
            limitPrice: !trails && random.once(4) ? loss - up * ticks(0) : null,
          }
        : null,
  };
}

/** Whether an exit that waited for its trigger has had it: from then on it is a limit order that may rest. */
function isTriggered({ trigger, status }: Order): boolean {
  return trigger !== undefined && status !== "held";
}

/**
 * What is wrong with groups, by what their orders came to: exits have got out of no more than the entry got into, or than an
 * oco was for; and with nothing under way no entry is open when an exit has traded, and no exit when another has ended, unless it
 * has been triggered and rests.
 */
export function groupWrongs(orders: Iterable<Order>, settled: boolean): string[] {
  const groups = new Map<string, Order[]>();
  for (const order of orders) {
    if (order.group !== undefined) groups.set(order.group.id, [...(groups.get(order.group.id) ?? []), order]);
  }
  const wrongs: string[] = [];
  for (const [id, members] of groups) {
    const parent = members.find((order) => order.id === id);
    const exits = members.filter(isExit);
    const out = exits.reduce((sum, exit) => sum + exit.filledQty, 0n);
    const most = parent === undefined ? 0n : isContainer(parent) ? (parent.qty ?? 0n) : parent.filledQty;
    if (out > most) wrongs.push(`exits of ${id} have filled ${out}, there was ${most}`);
    if (parent !== undefined && isContainer(parent) && settled && parent.filledQty !== out)
      wrongs.push(`the parent ${id} says ${parent.filledQty} of ${out}`);
    const open = exits.filter((exit) => isOpen(exit.status));
    const traded = exits.some(({ filledQty }) => filledQty > 0n);
    if (settled && traded && parent !== undefined && !isContainer(parent) && isOpen(parent.status))
      wrongs.push(`the entry ${id} goes on though an exit has traded`);
    const alone = open.length > 0 && open.length < exits.length;
    if (settled && alone && !open.every(isTriggered)) wrongs.push(`an exit of ${id} is left alone`);
  }
  return wrongs;
}
