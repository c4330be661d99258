// Commands at random: orders that come, and cancels and changes of those that have.
import type { Command, SubmitOrder } from "../../../src/core/messages.ts";
import type { Trigger } from "../../../src/core/order.ts";
import { plainOrder, randomCap, randomGroup, randomTrail, trailStart, triggeredOrder } from "./orders.ts";
import { ACCOUNTS, budgetOf, knows, nextCommand, RULES, type Run, referenceOf, ticks } from "./run.ts";

/** What the naive market knows too. */
export type Known = Exclude<Command, { kind: "submit_all" }>;

export interface Sent {
  account: string;
  command: Known;
}

export function randomCommand(run: Run): Sent {
  const { random } = run;
  const account = random.pick(ACCOUNTS);
  if (run.ids.length > 0 && random.int(5) < 2) {
    const orderId = randomId(run);
    const owner = run.state.orders.get(orderId)?.account ?? account;
    const who = random.once(10) ? account : owner;
    const cseq = nextCommand(run, who);
    const command: Known = random.once(3) ? randomReplace(run, orderId, cseq) : { kind: "cancel", cseq, orderId };
    return { account: who, command };
  }
  const cseq = nextCommand(run, account);
  const notAfter = null;
  const rulesVersion = RULES.version;
  if (knows(run, "groups") && random.once(3)) {
    const orders = randomGroup(run).map((order) => ({ order, notAfter }));
    return { account, command: { kind: "submit_group", cseq, orders, rulesVersion } };
  }
  const order = knows(run, "triggers") && random.once(2) ? triggeredOrder(run) : plainOrder(run);
  return { account, command: { kind: kindOf(order), cseq, order, notAfter, rulesVersion } };
}

function kindOf({ displayQty, trigger }: SubmitOrder): "submit" | "submit_held" | "submit_iceberg" {
  if (displayQty !== undefined) return "submit_iceberg";
  return trigger === undefined ? "submit" : "submit_held";
}

/** One of the last orders, so that many of them are still open, or any that is: so the book stays short. */
function randomId(run: Run): string {
  const { random, ids, state } = run;
  if (state.orders.size > 0 && random.once(2)) return random.pick([...state.orders.keys()]);
  return ids[Math.max(0, ids.length - 1 - random.int(30))] ?? "";
}

/** Other terms for an order. The quantity of an exit is not its own; one whose trigger has come up by then is not changed. */
function randomReplace(run: Run, orderId: string, cseq: number): Known {
  const { random } = run;
  const order = run.state.orders.get(orderId);
  const sent = run.sent.get(orderId);
  const isExit = sent?.group !== undefined && sent.group.role !== "entry";
  const lots = random.once(3) ? random.int(20_000) - 10_000 : (random.int(5) - 2) * 10_000;
  const by = isExit || sent?.qty === null ? 0n : BigInt(lots) * RULES.lotSize;
  const away = ticks(random.once(2) ? 0 : random.int(24) - 12);
  const limitPrice = sent?.limitPrice === null ? null : (order?.price ?? referenceOf(run)) + away;
  const waitsFor = order?.trigger ?? sent?.trigger;
  const trigger = waitsFor !== undefined && random.once(2) ? moved(run, waitsFor) : undefined;
  const isCapped = sent?.group?.cap !== undefined && trigger !== undefined;
  const mayBePostOnly = sent?.trigger === undefined && (!isExit || sent.group?.kind === "oco");
  return {
    ...{ kind: "replace", cseq, orderId, qtyDelta: by, limitPrice, hold: 0n },
    postOnly: mayBePostOnly && random.once(6),
    ...(trigger === undefined ? {} : { trigger }),
    ...(isCapped ? { cap: randomCap(run, trigger) } : {}),
    ...(order === undefined || sent === undefined ? {} : { hold: holdAfter(run, sent, order.leaves, by, trigger) }),
  };
}

/** What the account holds from then on; it knows exactly where a limit bounds it, and its market says so there. */
function holdAfter(
  run: Run,
  sent: SubmitOrder,
  leaves: bigint | null,
  by: bigint,
  trigger: Trigger | undefined,
): bigint {
  if (leaves === null) return sent.budget;
  return budgetOf(run, { ...sent, qty: leaves + by, ...(trigger === undefined ? {} : { trigger }) });
}

function moved(run: Run, trigger: Trigger): Trigger {
  if (trigger.trail === null) return { ...trigger, price: trigger.price + ticks(run.random.int(30) - 15) };
  const trail = randomTrail(run);
  return { ...trigger, trail, price: trailStart(run, trigger.when, trail) };
}
