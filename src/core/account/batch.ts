// Many orders in one turn of an account: each for itself, or all of them or none.
import type { Order } from "../order.ts";
import type { Refusal, Result } from "../result.ts";
import type { OrderRequest, UnreadOrder } from "./admission.ts";
import { type AccountTurn, type OfBatch, placeOrder, refuseOnce, submitAllCommand, turnTime } from "./decide.ts";
import { rehearsalOf } from "./preview.ts";
import { type OnceKey, rulesOf } from "./state.ts";

/**
 * One order of a batch as it was read: to be judged; refused already, under its client_order_id; or none at all, which is
 * not remembered. `body` is the canonical text of what was sent.
 */
export type BatchItem =
  | { kind: "order"; request: OrderRequest }
  | ({ kind: "unread" } & UnreadOrder)
  | { kind: "invalid"; body: string; refusal: Refusal };

/** Orders to be placed together. `atomic`: all of them, or none; they are for one market then. */
export interface Batch {
  items: BatchItem[];
  atomic: boolean;
}

/** What became of one order of a batch. `repeated`: its client_order_id had made it before. */
export interface BatchOutcome {
  result: Result<Order>;
  repeated: boolean;
}

/** As {@link BatchOutcome}, before the market has spoken. `null`: it was no order, as the batch itself says. */
export type BatchVerdict = { orderId: string; repeated: boolean } | { refusal: Refusal } | null;

/** What a client_order_id has got before: the order of this id, or a refusal. */
interface Before {
  bodyHash: string;
  ref: string | null;
  refusal: Refusal | null;
}

/** One order of a batch with what its account knows of it. `away`: why its market can be sent nothing now. */
export interface BatchEntry {
  item: BatchItem;
  bodyHash: string;
  before: Before | undefined;
  away: Refusal | null;
}

const ABORTED: BatchVerdict = {
  refusal: { code: "batch_aborted", detail: "Another order of this atomic batch was refused." },
};
const TWICE: BatchVerdict = {
  refusal: { code: "client_order_id_reused", detail: "This atomic batch has another order with this client_order_id." },
};

/**
 * Places each order after the holds of those before it, as {@link placeOrder} does; what a client_order_id has got before
 * it gets again. `atomic`: where one is refused, the others are `batch_aborted`: nothing is held, no client_order_id is
 * used but that of the one refused, and what was there before stays. Answers in the order given.
 */
export function placeBatch(turn: AccountTurn, entries: readonly BatchEntry[], atomic: boolean): BatchVerdict[] {
  return atomic ? placeTogether(turn, entries) : placeEach(turn, entries);
}

function placeEach(turn: AccountTurn, entries: readonly BatchEntry[]): BatchVerdict[] {
  const used = new Map<string, Before>();
  return entries.map((entry) => {
    const id = clientOrderIdOf(entry.item);
    const standing = standingOf(entry, entry.before ?? (id === null ? undefined : used.get(id)));
    if (standing !== undefined) return standing;
    const judged = judge(turn, entry, keysOf(entry));
    const got = judged.ok ? { ref: judged.value.id, refusal: null } : { ref: null, refusal: judged.refusal };
    if (id !== null) used.set(id, { bodyHash: entry.bodyHash, ...got });
    return verdictOf(judged);
  });
}

function placeTogether(turn: AccountTurn, entries: readonly BatchEntry[]): BatchVerdict[] {
  const ids = entries.map(({ item }) => clientOrderIdOf(item));
  const standing = entries.map((entry, index) => {
    const id = clientOrderIdOf(entry.item);
    return id !== null && ids.indexOf(id) < index ? TWICE : standingOf(entry, entry.before);
  });
  const aborted = () => standing.map((verdict) => (verdict === undefined ? ABORTED : verdict));
  if (standing.some((verdict) => verdict === null || (verdict !== undefined && "refusal" in verdict))) return aborted();
  const fresh = entries.filter((_, index) => standing[index] === undefined);
  const refused = firstRefused(turn, fresh);
  if (refused !== null) {
    const { entry, refusal } = refused;
    refuseOnce(turn, refusal, keysOf(entry));
    return aborted().map((verdict, index) => (entries[index] === entry ? { refusal } : verdict));
  }
  const batch = batchOf(turn, fresh.length);
  return entries.map((entry, index) => {
    const verdict = standing[index];
    return verdict === undefined ? verdictOf(judge(turn, entry, keysOf(entry), batch)) : verdict;
  });
}

/** What stands before the order itself is judged; undefined when nothing does. */
function standingOf(entry: BatchEntry, before: Before | undefined): BatchVerdict | undefined {
  if (entry.item.kind === "invalid") return null;
  if (before !== undefined && before.bodyHash !== entry.bodyHash)
    return { refusal: { code: "client_order_id_reused" } };
  if (before !== undefined && before.refusal !== null) return { refusal: before.refusal };
  if (before !== undefined) return { orderId: String(before.ref), repeated: true };
  return entry.away === null ? undefined : { refusal: entry.away };
}

function judge(turn: AccountTurn, { item, bodyHash }: BatchEntry, once: OnceKey[], batch?: OfBatch): Result<Order> {
  if (item.kind === "order") return placeOrder(turn, item.request, bodyHash, once, batch);
  return refuseOnce(turn, item.refusal, once);
}

/** The first order that would be refused after those before it; null when all would be taken. Nothing has happened after it. */
function firstRefused(turn: AccountTurn, entries: readonly BatchEntry[]) {
  const rehearsal = rehearsalOf(turn);
  for (const entry of entries) {
    const judged = judge(rehearsal, entry, []);
    if (!judged.ok) return { entry, refusal: judged.refusal };
  }
  return null;
}

/** The batch of so many orders, of which the last brings the one command for all; a single one is no batch. */
function batchOf(turn: AccountTurn, count: number): OfBatch | undefined {
  if (count < 2) return undefined;
  const orders: Order[] = [];
  const commandOf = (order: Order) => {
    orders.push(order);
    return orders.length < count ? null : submitAllCommand(turn, orders, rulesOf(turn.state, order.symbol));
  };
  return { id: turn.ctx.makeId("bat", turnTime(turn)), commandOf };
}

function verdictOf(judged: Result<Order>): BatchVerdict {
  return judged.ok ? { orderId: judged.value.id, repeated: false } : { refusal: judged.refusal };
}

function keysOf({ item, bodyHash }: BatchEntry): OnceKey[] {
  const key = clientOrderIdOf(item);
  return key === null ? [] : [{ scope: "client_order_id", key, bodyHash, requestId: null }];
}

/** The orders of a batch that are to be judged. */
export function requestsOf({ items }: Batch): OrderRequest[] {
  return items.flatMap((item) => (item.kind === "order" ? [item.request] : []));
}

/** The client_order_id of an order of a batch; null when it has none, or is none. */
export function clientOrderIdOf(item: BatchItem): string | null {
  if (item.kind === "order") return item.request.clientOrderId;
  return item.kind === "unread" ? item.clientOrderId : null;
}
