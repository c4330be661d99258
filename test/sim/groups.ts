// Groups among what clients do, and what must have become of every one of them.
import type { GroupRequest } from "../../src/core/account/grouping.ts";
import { isContainer } from "../../src/core/groups.ts";
import { findMarket } from "../../src/core/listings.ts";
import type { Order } from "../../src/core/order.ts";
import { referencePrice } from "../../src/core/prices.ts";
import { groupWrongs, randomGroup } from "../support/groups.ts";
import { ACCOUNT_IDS, type Clients, place, SYMBOLS } from "./workload.ts";
import { PRICE_SEED, type World } from "./world.ts";

/** Schedules `acts` of them over `spanMs`; some are sent more than once. */
export function scheduleGroups(world: World, acts: number, spanMs: number, clients: Clients): void {
  const { random } = world;
  for (let index = 0; index < acts; index += 1) {
    const account = random.pick(ACCOUNT_IDS);
    world.later(500 + random.unit() * spanMs, () => {
      const request = groupOf(world, `g-${index}`);
      const copies = random.once(3) ? 3 : 1;
      for (let copy = 0; copy < copies; copy += 1)
        world.later(copy === 0 ? 0 : random.unit() * 3_000, () => place(world, account, request, clients));
    });
  }
}

function groupOf(world: World, clientOrderId: string): GroupRequest {
  const { random } = world;
  const symbol = random.pick(SYMBOLS);
  const rules = findMarket(symbol);
  if (rules === undefined) throw new Error("not listed");
  const reference = referencePrice(rules, PRICE_SEED, world.now);
  const worth = BigInt(20 + random.int(5_000)) * 1_000_000n;
  const lots = (worth * 10n ** BigInt(rules.baseScale)) / reference / rules.lotSize;
  // About as near as the price moves within a run.
  const near = Math.max(4, Number(reference / rules.tickSize / 5_000n));
  return { clientOrderId, ...randomGroup(random, rules, reference, lots * rules.lotSize, near) };
}

/** What is wrong with groups once the world has come to rest; and counts what became of them. */
export function groupBreaks(world: World): string[] {
  return world.accounts().flatMap(([id, account]) => {
    const all = account.reads.orders({ limit: 10_000, cursor: null, status: "all", symbol: null, side: null }).data;
    for (const order of all) count(world, order);
    return groupWrongs(all, true).map((wrong) => `${id}: ${wrong}`);
  });
}

function count(world: World, order: Order): void {
  const { group, status, reason, filledQty } = order;
  if (group === undefined) return;
  if (isContainer(order)) world.count(`oco_${status}`);
  else if (group.role === "entry") {
    if (filledQty > 0n) world.count("entry_filled");
    if (reason === "exit") world.count("entry_ended_by_exit");
  } else if (reason === "oco" || reason === "entry") world.count(`exit_ended_by_${reason}`);
  else if (status === "filled") world.count(`${group.role}_filled`);
}
