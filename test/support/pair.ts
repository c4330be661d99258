// Two accounts at one market: what most of the specification needs.
import { expect } from "vitest";
import { balanceOf } from "../../src/core/account/state.ts";
import type { Order } from "../../src/core/order.ts";
import type { Result } from "../../src/core/result.ts";
import { listed, units } from "./book.ts";
import { CoreWorld } from "./core-world.ts";

export const usd = (text: string) => units(text, 6);
export const sol = (text: string) => units(text, 8);

/** A wish without a price, done at once or not at all. */
export const AT_MARKET = { type: "market", timeInForce: "ioc", limitPrice: null } as const;

/** Two accounts with 10,000 USD and 10 SOL each, at a market where the house has not quoted yet and the price is about 180. */
export function pair(): CoreWorld {
  const world = new CoreWorld(["ann", "bob"], [listed("SOL-USD")]);
  for (const id of ["ann", "bob"]) {
    world.transfer(id, "deposit", "USD", usd("10000"));
    world.transfer(id, "deposit", "SOL", sol("10"));
  }
  // The house would stand between the two.
  world.venue("SOL-USD").state.step = Number.MAX_SAFE_INTEGER;
  return world;
}

/** What was not refused. */
export function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.refusal)}`);
  return result.value;
}

/** Places an order, at 180 unless it says otherwise, and lets everybody hear of it. */
export function placed(world: CoreWorld, id: string, wish: Parameters<CoreWorld["place"]>[1]): Order {
  const order = value(world.place(id, { limitPrice: usd("180"), ...wish }));
  world.settle();
  return order;
}

/** An order as its account has it now, open or not. */
export function now(world: CoreWorld, id: string, order: Order): Order {
  const found = world.customer(id).orders.get(order.id);
  if (found === undefined) throw new Error(`${id} never had ${order.id}`);
  return found;
}

/** Available and held, as `USD 9500 + 500`; and no invariant is broken. */
export function money(world: CoreWorld, id: string, asset: "USD" | "SOL"): string {
  const { state } = world.customer(id);
  const scale = asset === "USD" ? 1e6 : 1e8;
  const [available, held] = ["available", "held"].map((account) => Number(balanceOf(state, account, asset)) / scale);
  expect(world.breaks(false)).toEqual([]);
  return `${asset} ${available} + ${held}`;
}
