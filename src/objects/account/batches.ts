// Many orders in one call: decided in one transaction, sent in one flight, and once for ever like single ones.
import { bodyOf } from "../../core/account/admission.ts";
import {
  type Batch,
  type BatchEntry,
  type BatchItem,
  type BatchOutcome,
  type BatchVerdict,
  clientOrderIdOf,
  placeBatch,
} from "../../core/account/batch.ts";
import { emit } from "../../core/account/decide.ts";
import type { OnceKey } from "../../core/account/state.ts";
import { canonical, decode, encode } from "../../core/codec.ts";
import type { Order } from "../../core/order.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import type { Answered, Idempotency } from "../protocol.ts";
import { madeAndArchived } from "./archived.ts";
import type { AccountEngine, AccountPorts } from "./engine.ts";
import type { OnceRecord } from "./once.ts";
import type { Placing } from "./placing.ts";

/** A batch that is still to be answered, and a promise for when the markets have answered all of its orders. */
export interface PlacedBatch {
  items: readonly BatchItem[];
  verdicts: readonly BatchVerdict[];
  settled: Promise<unknown>;
  replay: Answered<BatchOutcome[]>["replay"];
}

/** Places batches; what a single order's keys promise, the keys of each and the batch's own promise too. */
export class Batches {
  readonly #ports: Pick<AccountPorts, "sha256">;
  readonly #engine: AccountEngine;
  readonly #placing: Placing;

  constructor(ports: Pick<AccountPorts, "sha256">, engine: AccountEngine, placing: Placing) {
    this.#ports = ports;
    this.#engine = engine;
    this.#placing = placing;
  }

  /**
   * Places orders together, or answers what the key has got before. Refuses idempotency_key_reused and
   * idempotency_in_flight, and `unavailable` where nothing can be decided now, which is not recorded. Refusals of single
   * orders are part of the answer.
   */
  place(batch: Batch, idempotency: Idempotency | null): Answered<BatchOutcome[]> | PlacedBatch {
    const { store } = this.#engine;
    const items = batch.items.map((item) =>
      item.kind === "order" ? { ...item, request: bodyOf(item.request) } : item,
    );
    const bodyHash = this.#ports.sha256(canonical({ ...batch, items }));
    const key = idempotency === null ? null : { scope: "orders" as const, bodyHash, ...idempotency };
    const known = key === null ? undefined : store.once.find(key.scope, key.key, bodyHash);
    if (key !== null && known !== undefined) return this.#replayed(batch, key, known);
    const entries = batch.items.map((item) => this.#entryOf(item));
    const away = this.#placing.away(null) ?? (batch.atomic ? awayOf(entries) : null);
    if (away !== null) return { result: refuse(away), replay: null };
    const verdicts = this.#engine.commit((turn) => {
      const decided = placeBatch(turn, entries, batch.atomic);
      if (key !== null) emit(turn, { kind: "batched", verdicts: decided, once: [key] });
      return decided;
    });
    const placed = this.#placed(batch.items, verdicts, key, null);
    for (const symbol of new Set(this.#ordersOf(verdicts).map((order) => order.symbol))) this.#engine.tell(symbol);
    return placed;
  }

  #entryOf(item: BatchItem): BatchEntry {
    const text = item.kind === "order" ? canonical(bodyOf(item.request)) : item.body;
    const key = clientOrderIdOf(item);
    const bodyHash = this.#ports.sha256(text);
    return {
      item,
      bodyHash,
      before: key === null ? undefined : this.#engine.store.once.find("client_order_id", key, bodyHash),
      away: item.kind === "order" ? this.#placing.away(item.request.symbol) : null,
    };
  }

  /** The answer to a key that has been used before: its first one, as long as the body is the same. */
  #replayed(batch: Batch, key: OnceKey, known: OnceRecord): Answered<BatchOutcome[]> | PlacedBatch {
    if (known.bodyHash !== key.bodyHash) return { result: refuse({ code: "idempotency_key_reused" }), replay: null };
    if (this.#placing.isInFlight(key.key)) return { result: refuse({ code: "idempotency_in_flight" }), replay: null };
    const replay = { by: "idempotency_key" as const, requestId: known.requestId ?? "" };
    if (known.answer !== null) return { result: ok(decode<BatchOutcome[]>(known.answer)), replay };
    // Whoever asked first was never answered: the object died under them.
    const verdicts = this.#engine.store.findBatch(Number(known.ref));
    if (verdicts === undefined)
      return { result: refuse(madeAndArchived(this.#engine.state, `batch ${known.ref}`)), replay };
    return this.#placed(batch.items, verdicts, key, replay);
  }

  #placed(
    items: readonly BatchItem[],
    verdicts: readonly BatchVerdict[],
    key: OnceKey | null,
    replay: PlacedBatch["replay"],
  ): PlacedBatch {
    if (key !== null) this.#placing.takeFlight(key.key);
    const settled = Promise.all(this.#ordersOf(verdicts).map((order) => this.#engine.settled(order)));
    return { items, verdicts, settled, replay };
  }

  /** Those that are there: an order that one has asked for again may have been archived. */
  #ordersOf(verdicts: readonly BatchVerdict[]): Order[] {
    return verdicts.flatMap((one) => (one !== null && "orderId" in one ? (this.#engine.order(one.orderId) ?? []) : []));
  }

  #orderOf(id: string): Result<Order> {
    const order = this.#engine.order(id);
    return order === undefined ? refuse(madeAndArchived(this.#engine.state, id)) : ok(order);
  }

  /** The orders as they are now, and what the others were refused with; kept as the first answer where there is a key. */
  answer({ items, verdicts, replay }: PlacedBatch, idempotency: Idempotency | null): Answered<BatchOutcome[]> {
    const outcomes = verdicts.map((verdict, index): BatchOutcome => {
      if (verdict !== null && "orderId" in verdict)
        return { result: this.#orderOf(verdict.orderId), repeated: verdict.repeated };
      const item = items[index];
      const refusal = verdict?.refusal ?? (item?.kind === "invalid" ? item.refusal : { code: "internal" as const });
      return { result: refuse(refusal), repeated: false };
    });
    if (idempotency === null) return { result: ok(outcomes), replay };
    this.#placing.land(idempotency.key);
    const kept = this.#engine.store.once.keepAnswer("orders", idempotency.key, encode(outcomes));
    return { result: ok(decode<BatchOutcome[]>(kept)), replay };
  }
}

/** Why an atomic batch cannot be sent: what one of its orders would get that is new. */
function awayOf(entries: readonly BatchEntry[]): Refusal | null {
  return entries.find(({ before, away }) => before === undefined && away !== null)?.away ?? null;
}
