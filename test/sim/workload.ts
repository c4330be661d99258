// What clients do in a simulated run: a seeded mix of orders, cancels and money, retried with the same keys until answered.

import type { OrderRequest } from "../../src/core/account/admission.ts";
import type { GroupRequest } from "../../src/core/account/grouping.ts";
import { encode } from "../../src/core/codec.ts";
import { findMarket } from "../../src/core/listings.ts";
import type { Order } from "../../src/core/order.ts";
import { SELF_TRADE_PREVENTIONS } from "../../src/core/order.ts";
import { referencePrice } from "../../src/core/prices.ts";
import type { Answered, Caller } from "../../src/objects/protocol.ts";
import { randomChange, randomTrigger } from "../support/orders.ts";
import { Crash } from "./timeline.ts";
import { PRICE_SEED, type World } from "./world.ts";

export const SYMBOLS = ["BTC-USD", "SOL-USD"] as const;
/** Everybody who trades. */
export const ACCOUNT_IDS = Array.from({ length: 3 }, (_, index) => `acc_${String(index).padStart(26, "0")}`);

const FUNDS = [
  ["USD", 50_000_000_000n],
  ["BTC", 100_000_000n],
  ["SOL", 100_000_000_000n],
] as const;
const RETRY_MS = 400;
const TRIES_MAX = 300;
const STORM_COPIES_MAX = 50;

/** What a client was told in the end of one client_order_id. */
export interface Acknowledged {
  account: string;
  clientOrderId: string;
  orderId: string | null;
  code: string | null;
}

/** What all clients have been told: orders by account and id, transfers that were taken by `account key`. */
export interface Clients {
  orders: Map<string, Acknowledged>;
  transfers: Map<string, { account: string; asset: string; id: string }>;
  /** What a restore has forgotten, by `account client_order_id`: it may be there or not, and may be asked for anew. */
  forgotten: Set<string>;
}

/** The caller of an account's owner. */
export function callerOf(account: string): Caller {
  return { accountId: account, sessionId: "ses_1", issuedAtMs: 0 };
}

/** Schedules `commands` client acts over `spanMs`; what was answered gathers in what is returned. */
export function schedule(world: World, commands: number, spanMs: number): Clients {
  const clients: Clients = { orders: new Map(), transfers: new Map(), forgotten: new Set() };
  for (const account of ACCOUNT_IDS) {
    for (const [asset, amount] of FUNDS)
      transfer(world, 0, account, { kind: "deposit", asset, amount }, asset, clients);
  }
  const { random } = world;
  for (let index = 0; index < commands; index += 1) {
    const account = random.pick(ACCOUNT_IDS);
    const at = 500 + random.unit() * spanMs;
    if (random.once(5)) world.later(at, () => cancelSome(world, account));
    if (random.once(3)) world.later(at, () => replaceSome(world, account));
    else if (random.once(12)) world.later(at, () => moveSome(world, account, `m-${index}`, clients));
    else world.later(at, () => order(world, account, `c-${index}`, clients));
  }
  return clients;
}

/** Does an act until it is done: a client whose answer is lost cannot know what happened, and asks again. */
export function untilDone(world: World, afterMs: number, act: () => "again" | undefined, tries = 0): void {
  world.later(afterMs, () => {
    const again = () => {
      if (tries < TRIES_MAX) untilDone(world, RETRY_MS, act, tries + 1);
      else world.alerts.push("a client gave up");
    };
    try {
      if (act() === "again") again();
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      world.count("client_retry");
      again();
    }
  });
}

type Wish = { kind: "deposit" | "withdrawal"; asset: string; amount: bigint };

export function transfer(
  world: World,
  afterMs: number,
  account: string,
  wish: Wish,
  key: string,
  clients: Clients,
): void {
  untilDone(world, afterMs, () => {
    const { result } = world.account(account).transfer(callerOf(account), wish, { key, requestId: "r" });
    if (!result.ok && result.refusal.code === "unavailable") return "again";
    if (result.ok && wish.kind === "deposit" && result.value.status === "pending")
      world.provider.collect(account, result.value);
    if (result.ok) clients.transfers.set(`${account} ${key}`, { account, asset: wish.asset, id: result.value.id });
    world.count(result.ok ? `${wish.kind}_${result.value.status}` : `refused_${result.refusal.code}`);
    return undefined;
  });
}

/** Moves some money in or out. */
export function moveSome(world: World, account: string, key: string, clients: Clients): void {
  const [asset, most] = world.random.pick(FUNDS);
  const wish: Wish = {
    kind: world.random.pick(["deposit", "withdrawal"]),
    asset,
    amount: 1n + BigInt(world.random.int(Number(most / 10n))),
  };
  transfer(world, 0, account, wish, key, clients);
}

function cancelSome(world: World, account: string): void {
  const all = world.random.once(10);
  const which = world.random.unit();
  untilDone(world, 0, () => {
    const logic = world.account(account);
    if (!logic.admitCaller(callerOf(account)).ok) return again(world, "refused_unavailable");
    const open = [...logic.state.orders.keys()];
    const chosen = open[Math.floor(which * open.length)];
    if (chosen === undefined) return undefined;
    world.count("cancel");
    if (all) logic.cancelAll(callerOf(account), { symbol: null, side: null });
    else logic.cancel(callerOf(account), chosen);
    return undefined;
  });
}

function replaceSome(world: World, account: string): void {
  const which = world.random.unit();
  untilDone(world, 0, () => {
    const logic = world.account(account);
    if (!logic.admitCaller(callerOf(account)).ok) return again(world, "refused_unavailable");
    const open = [...logic.state.orders.values()];
    const chosen = open[Math.floor(which * open.length)];
    const rules = chosen === undefined ? undefined : findMarket(chosen.symbol);
    if (chosen === undefined || rules === undefined) return undefined;
    const asked = logic.replace(callerOf(account), chosen.id, randomChange(world.random, chosen, rules));
    world.count(asked.ok ? "replace" : `replace_${asked.refusal.code}`);
    return undefined;
  });
}

function order(world: World, account: string, clientOrderId: string, clients: Clients): void {
  const request = randomOrder(world, clientOrderId);
  const { random, faults } = world;
  if (random.once(3)) {
    const kept: KeptAnswer = { text: null, epoch: 1 };
    for (let copy = 0; copy < 3; copy += 1) {
      world.later(random.unit() * 4_000, () => placeByKey(world, account, request, kept));
    }
  }
  const copies = world.strikes("storm", faults.storm) ? 2 + random.int(STORM_COPIES_MAX - 1) : 1;
  for (let copy = 0; copy < copies; copy += 1) place(world, account, request, clients);
  if (random.once(10)) world.later(random.unit() * 3_000, () => place(world, account, request, clients));
  if (world.strikes("other_body", faults.otherBody)) {
    world.later(random.unit() * 3_000, () => placeOther(world, account, request, clients));
  }
}

/** Places an order or a group until it is answered. */
export function place(world: World, account: string, request: OrderRequest | GroupRequest, clients: Clients): void {
  const clientOrderId = request.clientOrderId ?? "";
  untilDone(world, 0, () => {
    const { orderId, code } = outcomeOf(world.account(account).place(callerOf(account), request, null));
    // Not remembered: the market is parked.
    if (code === "unavailable") return again(world, "refused_unavailable");
    heardOf(world, account, clientOrderId, { orderId, code }, clients);
    return undefined;
  });
}

/** Keeps what a client was told of a client_order_id; it must have been told the same before. */
export function heardOf(
  world: World,
  account: string,
  clientOrderId: string,
  { orderId, code }: Pick<Acknowledged, "orderId" | "code">,
  clients: Clients,
): void {
  const key = `${account} ${clientOrderId}`;
  const before = clients.orders.get(key);
  if (before === undefined) {
    clients.orders.set(key, { account, clientOrderId, orderId, code });
    world.count(orderId === null ? `refused_${code}` : "accepted");
  } else if (clients.forgotten.has(key) && (before.orderId !== orderId || before.code !== code)) {
    clients.orders.set(key, { account, clientOrderId, orderId, code });
    world.count("placed_anew");
  } else {
    world.count(code === "order_archived" ? "same_key_archived" : "same_key_again");
    if (code === "order_archived" && before.orderId !== null) return;
    if (before.orderId !== orderId || before.code !== code)
      world.alerts.push(`${clientOrderId} answered twice, differently`);
  }
}

/** Counts what came in the way of an act that is to be done again. */
export function again(world: World, what: string): "again" {
  world.count(what);
  return "again";
}

/** A client that uses its key for something else: refused for ever, once the key means something. */
function placeOther(world: World, account: string, request: OrderRequest, clients: Clients): void {
  const other: OrderRequest = { ...request, side: request.side === "buy" ? "sell" : "buy" };
  untilDone(world, 0, () => {
    if (!clients.orders.has(`${account} ${request.clientOrderId}`)) return "again";
    const { code } = outcomeOf(world.account(account).place(callerOf(account), other, null));
    const forgotten = clients.forgotten.has(`${account} ${request.clientOrderId}`);
    if (code === "unavailable") return "again";
    if (code !== "client_order_id_reused" && !forgotten)
      world.alerts.push(`${request.clientOrderId} was used for another: ${code}`);
    world.count("other_body_refused");
    return undefined;
  });
}

/** The one answer to an idempotency key, once somebody has had it. */
interface KeptAnswer {
  text: string | null;
  epoch: number;
}

/** A client that asks under an idempotency key too, and waits up to 2 s as a POST does; its object may die meanwhile. */
function placeByKey(world: World, account: string, request: OrderRequest, kept: KeptAnswer): void {
  const idempotency = { key: `k-${request.clientOrderId}`, requestId: "r" };
  const hear = ({ result }: Answered<Order>) => {
    if (!result.ok && result.refusal.code === "idempotency_in_flight") return world.count("key_in_flight");
    if (!result.ok && result.refusal.code === "unavailable") return;
    // What an order of a cut journal was first answered is gone with it.
    if (!result.ok && result.refusal.code === "order_archived") return world.count("key_archived");
    world.count("answered_by_key");
    const text = encode(result);
    // The first answer is not journalled: a restored account has lost it.
    const { epoch } = world.account(account).state;
    if (epoch !== kept.epoch) kept.text = null;
    kept.epoch = epoch;
    if (kept.text !== null && kept.text !== text) world.alerts.push(`${idempotency.key} answered twice, differently`);
    kept.text = text;
  };
  untilDone(world, 0, () => {
    const logic = world.account(account);
    const asked = logic.place(callerOf(account), request, idempotency);
    if ("result" in asked) hear(asked);
    else
      world.later(world.random.unit() * 2_000, () => {
        if (world.account(account) === logic) hear(logic.answer(asked, idempotency));
        else world.count("key_unanswered");
      });
    return undefined;
  });
}

function outcomeOf(answered: Answered<{ id: string }> | { order: { id: string } }): {
  orderId: string | null;
  code: string | null;
} {
  if ("order" in answered) return { orderId: answered.order.id, code: null };
  if (answered.result.ok) return { orderId: answered.result.value.id, code: null };
  return { orderId: null, code: answered.result.refusal.code };
}

/** A tenth to all of so many lots. */
function partOf(random: World["random"], lots: bigint): bigint {
  const part = lots / BigInt(1 + random.int(10));
  return part > 0n ? part : 1n;
}

/** An order such as anybody might send. */
export function randomOrder(world: World, clientOrderId: string): OrderRequest {
  const { random } = world;
  const symbol = random.pick(SYMBOLS);
  const rules = findMarket(symbol);
  if (rules === undefined) throw new Error("not listed");
  const type = random.pick(["market", "limit", "limit", "limit"] as const);
  const reference = referencePrice(rules, PRICE_SEED, world.now);
  const price = reference + BigInt(random.int(40) - 20) * (reference / 20_000n);
  // Now and then one that takes several levels of the house's depth, or is out of what the account has.
  const worth = BigInt(20 + random.int(random.once(8) ? 60_000 : 10_000)) * 1_000_000n;
  const lots = (worth * 10n ** BigInt(rules.baseScale)) / reference / rules.lotSize;
  const byNotional = type === "market" && random.once(2);
  const gtd = type === "limit" && random.once(8);
  const side = random.pick(["buy", "sell"] as const);
  const waits = type === "limit" && random.once(4) ? randomTrigger(random, rules, reference, side) : {};
  const qty = byNotional ? null : lots * rules.lotSize;
  const timeInForce = random.pick(["gtc", "gtc", "gtc", "ioc", "fok", "day"] as const);
  const mayHide = qty !== null && type === "limit" && timeInForce !== "ioc" && timeInForce !== "fok";
  const displayQty = mayHide && random.once(6) ? { displayQty: partOf(random, lots) * rules.lotSize } : {};
  return {
    clientOrderId,
    symbol,
    side,
    type,
    timeInForce: gtd ? "gtd" : type === "market" ? "ioc" : timeInForce,
    postOnly: type === "limit" && random.once(10),
    qty,
    notional: byNotional ? worth : null,
    limitPrice: type === "limit" ? price - (price % rules.tickSize) : null,
    expiresAt: gtd ? Math.floor(world.clock()) + 5_000 : null,
    selfTradePrevention: random.pick(SELF_TRADE_PREVENTIONS),
    ...displayQty,
    ...waits,
    ...(gtd ? { timeInForce: "gtd" } : {}),
  };
}
