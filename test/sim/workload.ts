// What clients do in a simulated run: a seeded mix of orders, cancels and money, retried with the same keys until answered.
import type { OrderRequest } from "../../src/core/account/admission.ts";
import { encode } from "../../src/core/codec.ts";
import { findMarket } from "../../src/core/listings.ts";
import type { Order } from "../../src/core/order.ts";
import { referencePrice } from "../../src/core/prices.ts";
import type { Answered, Caller } from "../../src/objects/protocol.ts";
import { Crash, type World } from "./world.ts";

export const SYMBOLS = ["BTC-USD", "SOL-USD"] as const;
const ACCOUNTS = 3;
const RETRY_MS = 400;
const TRIES_MAX = 100;

/** What one client was told in the end, by client_order_id. */
export interface Acknowledged {
  account: string;
  clientOrderId: string;
  orderId: string | null;
  code: string | null;
}

/** Every account of a run. */
export function accountIds(): string[] {
  return Array.from({ length: ACCOUNTS }, (_, index) => accountId(index));
}

export function accountId(index: number): string {
  return `acc_${String(index).padStart(26, "0")}`;
}

/** Everybody who trades. */
export const ACCOUNT_IDS = Array.from({ length: ACCOUNTS }, (_, index) => accountId(index));

function callerOf(account: string): Caller {
  return { accountId: account, sessionId: "ses_1", issuedAtMs: 0 };
}

/** Schedules `commands` client acts over `spanMs`; what was answered gathers in the list returned. */
export function schedule(world: World, commands: number, spanMs: number): Acknowledged[] {
  const acknowledged: Acknowledged[] = [];
  for (const account of accountIds()) {
    for (const [asset, amount] of [
      ["USD", 50_000_000_000n],
      ["BTC", 100_000_000n],
      ["SOL", 100_000_000_000n],
    ] as const) {
      retry(world, 0, () =>
        world
          .account(account)
          .transfer(callerOf(account), { kind: "deposit", asset, amount }, { key: `d-${asset}`, requestId: "r" }),
      );
    }
  }
  for (let index = 0; index < commands; index += 1) {
    const account = accountId(Math.floor(world.random() * ACCOUNTS));
    const at = 500 + world.random() * spanMs;
    if (world.random() < 0.2) world.later(at, () => cancelSome(world, account));
    else world.later(at, () => place(world, account, `c-${index}`, acknowledged));
  }
  return acknowledged;
}

function retry(world: World, afterMs: number, act: () => unknown, tries = 0): void {
  world.later(afterMs, () => {
    try {
      act();
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      // The object crashed under the client: it cannot know what happened, so it asks again.
      world.count("client_retry");
      if (tries < TRIES_MAX) retry(world, RETRY_MS, act, tries + 1);
    }
  });
}

function cancelSome(world: World, account: string): void {
  retry(world, 0, () => {
    const logic = world.account(account);
    const open = [...logic.state.orders.keys()];
    const order = open[Math.floor(world.random() * open.length)];
    if (order === undefined) return;
    world.count("cancel");
    if (world.random() < 0.1) logic.cancelAll(callerOf(account), { symbol: null, side: null });
    else logic.cancel(callerOf(account), order);
  });
}

function place(world: World, account: string, clientOrderId: string, acknowledged: Acknowledged[]): void {
  const request = randomOrder(world, clientOrderId);
  if (world.random() < 0.3) {
    const kept: KeptAnswer = { text: null };
    for (let copy = 0; copy < 3; copy += 1) {
      world.later(world.random() * 4_000, () => placeByKey(world, account, request, kept));
    }
  }
  ask(world, account, request, acknowledged, 0);
}

function ask(world: World, account: string, request: OrderRequest, acknowledged: Acknowledged[], tries: number): void {
  const clientOrderId = request.clientOrderId ?? "";
  retry(world, tries === 0 ? 0 : RETRY_MS, () => {
    const answered = world.account(account).place(callerOf(account), request, null);
    const { orderId, code } = outcomeOf(answered);
    if (code === "unavailable") {
      world.count("refused_unavailable");
      if (tries < TRIES_MAX) ask(world, account, request, acknowledged, tries + 1);
      return;
    }
    const before = acknowledged.find((a) => a.account === account && a.clientOrderId === clientOrderId);
    if (before !== undefined && (before.orderId !== orderId || before.code !== code))
      world.alerts.push(`${clientOrderId} answered twice, differently`);
    if (before === undefined) acknowledged.push({ account, clientOrderId, orderId, code });
    world.count(orderId === null ? `refused_${code}` : "accepted");
    if (world.random() < 0.1) world.later(world.random() * 3_000, () => place2(world, account, request, acknowledged));
  });
}

/** A client that asks the same again, though it was answered. */
function place2(world: World, account: string, request: OrderRequest, acknowledged: Acknowledged[]): void {
  retry(world, 0, () => {
    const { orderId, code } = outcomeOf(world.account(account).place(callerOf(account), request, null));
    const first = acknowledged.find((a) => a.account === account && a.clientOrderId === request.clientOrderId);
    world.count("same_key_again");
    if (first?.orderId !== orderId || first.code !== code) world.alerts.push(`${request.clientOrderId} acted twice`);
  });
}

/** The one answer to an idempotency key, once somebody has had it. */
interface KeptAnswer {
  text: string | null;
}

/** A client that asks under an idempotency key too, and waits up to 2 s as a POST does; its object may die meanwhile. */
function placeByKey(world: World, account: string, request: OrderRequest, kept: KeptAnswer): void {
  const idempotency = { key: `k-${request.clientOrderId}`, requestId: "r" };
  const hear = ({ result }: Answered<Order>) => {
    if (!result.ok && result.refusal.code === "idempotency_in_flight") return world.count("key_in_flight");
    world.count("answered_by_key");
    const text = encode(result);
    if (kept.text !== null && kept.text !== text) world.alerts.push(`${idempotency.key} answered twice, differently`);
    kept.text = text;
  };
  retry(world, 0, () => {
    const logic = world.account(account);
    const asked = logic.place(callerOf(account), request, idempotency);
    if ("result" in asked) return hear(asked);
    world.later(world.random() * 2_000, () => {
      if (world.account(account) === logic) hear(logic.answer(asked, idempotency));
      else world.count("key_unanswered");
    });
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

function randomOrder(world: World, clientOrderId: string): OrderRequest {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(world.random() * items.length)] as T;
  const symbol = pick(SYMBOLS);
  const rules = findMarket(symbol);
  if (rules === undefined) throw new Error("not listed");
  const side = pick(["buy", "sell"] as const);
  const type = pick(["market", "limit", "limit", "limit"] as const);
  const reference = referencePrice(rules, 7, world.now);
  const offset = BigInt(Math.floor((world.random() - 0.5) * 40)) * (reference / 20_000n);
  const price = reference + offset;
  const worth = BigInt(Math.floor(20 + world.random() * 20_000)) * 1_000_000n;
  const lots = (worth * 10n ** BigInt(rules.baseScale)) / reference / rules.lotSize;
  const byNotional = type === "market" && world.random() < 0.5;
  return {
    clientOrderId,
    symbol,
    side,
    type,
    timeInForce: type === "market" ? "ioc" : pick(["gtc", "gtc", "gtc", "ioc", "fok", "gtd"] as const),
    postOnly: false,
    qty: byNotional ? null : lots * rules.lotSize,
    notional: byNotional ? worth : null,
    limitPrice: type === "limit" ? price - (price % rules.tickSize) : null,
    expiresAt: null,
    selfTradePrevention: pick(["cancel_newest", "cancel_newest", "none"] as const),
    ...(type === "limit" && world.random() < 0.1
      ? { timeInForce: "gtd" as const, expiresAt: Math.floor(world.now) + 5_000 }
      : {}),
  };
}
