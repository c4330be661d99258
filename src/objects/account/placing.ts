// Orders that happen once: looked up under their keys before they are judged, and remembered under them whatever they get.
import { bodyOf, type OrderRequest } from "../../core/account/admission.ts";
import { closingOrder } from "../../core/account/closing.ts";
import { type AccountTurn, emit, placeOrder, refuseOnce } from "../../core/account/decide.ts";
import { type GroupRequest, isGroup, placeGroup, symbolOf } from "../../core/account/grouping.ts";
import type { OnceKey } from "../../core/account/state.ts";
import { canonical, decode, encode } from "../../core/codec.ts";
import { IN_FLIGHT_MAX_MS } from "../../core/limits.ts";
import type { Order } from "../../core/order.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import type { Answered, Idempotency, UnreadOrder } from "../protocol.ts";
import { madeAndArchived } from "./archived.ts";
import type { AccountEngine, AccountPorts } from "./engine.ts";
import type { OnceRecord } from "./once.ts";

/** An order, and a promise for when its market has answered what it was last asked; the caller decides how long to wait. */
export interface Asked {
  order: Order;
  settled: Promise<void>;
}

/** A placed order that is still to be answered, and how it came about. */
export interface Placed extends Asked {
  replay: Answered<Order>["replay"];
}

/** An order as it is asked for: `market` is the one that a new one would go to, if any. */
interface Wish {
  clientOrderId: string | null;
  body: string;
  market: string | null;
  judge: (turn: AccountTurn, bodyHash: string, once: OnceKey[]) => Result<Order>;
}

type ByKey = OnceKey & { requestId: string };

const PARKED: Refusal = {
  code: "unavailable",
  detail: "The link to this market is parked until an operator resumes it.",
};

/** Nothing may be decided, not even that a key is new, before everything that has happened is known again. */
export const RESTORING = refuse({ code: "unavailable", detail: "This account is being restored." });
/** What is refused to an account that is full; cancels and reports are not. Never recorded: after a cut there is room again. */
export const FULL = refuse({
  code: "storage_full",
  detail: "This account is full until some of its past is archived.",
});
const UNMET: Refusal = { code: "unavailable", detail: "This market is being restored." };

/** Places orders once for ever: the same key with the same body gets the first answer, with another body a refusal. */
export class Placing {
  readonly #ports: Pick<AccountPorts, "sha256" | "now" | "isFull">;
  readonly #engine: AccountEngine;
  /** Keys whose first answer is being waited for, and until when that is believed. */
  readonly #inFlight = new Map<string, number>();

  constructor(ports: Pick<AccountPorts, "sha256" | "now" | "isFull">, engine: AccountEngine) {
    this.#ports = ports;
    this.#engine = engine;
  }

  /**
   * Places an order, or a group as its parent, or answers what its keys have got before. Refuses as core's admission does, as {@link refuse}, and
   * `unavailable` while the market is parked or this pair is being restored, `storage_full` while this object is: neither is recorded.
   */
  place(request: OrderRequest | GroupRequest, idempotency: Idempotency | null): Answered<Order> | Placed {
    const { clientOrderId } = request;
    const market = symbolOf(request);
    const judge: Wish["judge"] = (turn, bodyHash, once) =>
      isGroup(request) ? placeGroup(turn, request, bodyHash, once) : placeOrder(turn, request, bodyHash, once);
    const body = isGroup(request) ? { ...request, lead: bodyOf(request.lead) } : bodyOf(request);
    return this.#once({ clientOrderId, body: canonical(body), market, judge }, idempotency);
  }

  /** Places the order that closes a position. Refuses as {@link closingOrder} and {@link place} do. */
  close(symbol: string): Answered<Order> | Placed {
    const request = closingOrder(this.#engine.state, symbol);
    return request.ok ? this.place(request.value, null) : { result: request, replay: null };
  }

  /**
   * Refuses an order that its Worker could not read, or answers what its keys have got before. Refuses with its refusal,
   * and client_order_id_reused, idempotency_key_reused, idempotency_in_flight.
   */
  refuse(unread: UnreadOrder, idempotency: Idempotency | null): Answered<Order> | Placed {
    const judge: Wish["judge"] = (turn, _, once) => refuseOnce(turn, unread.refusal, once);
    return this.#once({ ...unread, market: null, judge }, idempotency);
  }

  /** Why nothing new can be decided now, of a market or of any; null when it can. Not to be recorded. */
  away(market: string | null): Refusal | null {
    const { state, handshakes } = this.#engine;
    const waits = (symbol: string) => state.restoring || symbol === market;
    // An alarm that was dropped would leave hands unshaken for ever: whoever is refused has them offered again.
    for (const symbol of handshakes.unmet) if (waits(symbol)) this.#engine.tell(symbol);
    if (state.restoring) return RESTORING.refusal;
    if (this.#ports.isFull()) return FULL.refusal;
    // It could not be sent: nothing may be held for an order that waits for a person.
    if (market !== null && this.#engine.isParked(market)) return PARKED;
    return market !== null && handshakes.has(market) ? UNMET : null;
  }

  /** Whether the first answer to a key is being waited for. */
  isInFlight(key: string): boolean {
    return (this.#inFlight.get(key) ?? 0) > this.#ports.now();
  }

  /** From now on the first answer to this key is being waited for. */
  takeFlight(key: string): void {
    this.#inFlight.set(key, this.#ports.now() + IN_FLIGHT_MAX_MS);
  }

  /** The first answer to this key is there. */
  land(key: string): void {
    this.#inFlight.delete(key);
  }

  #once({ clientOrderId: id, body, market, judge }: Wish, idempotency: Idempotency | null): Answered<Order> | Placed {
    const { store } = this.#engine;
    const bodyHash = this.#ports.sha256(body);
    const byKey: ByKey | null = idempotency === null ? null : { scope: "orders", bodyHash, ...idempotency };
    const byId: OnceKey | null = id === null ? null : { scope: "client_order_id", key: id, bodyHash, requestId: null };
    const sameKey = byKey === null ? undefined : store.once.find(byKey.scope, byKey.key, bodyHash);
    const sameId = byId === null ? undefined : store.once.find(byId.scope, byId.key, bodyHash);
    if (byKey !== null && sameKey !== undefined) return this.#replayed(byKey, sameKey, sameId);
    if (sameId !== undefined) return this.#repeated(bodyHash, sameId, byKey);
    const away = this.away(market);
    if (away !== null) return { result: refuse(away), replay: null };
    const once = [byKey, byId].filter((key) => key !== null);
    const judged = this.#engine.commit((turn) => judge(turn, bodyHash, once));
    if (!judged.ok) return { result: judged, replay: null };
    const placed = this.#placed(judged.value, byKey, null);
    this.#engine.tell(placed.order.symbol);
    return placed;
  }

  /** The answer to an idempotency key that has been used before: its first one, as long as the body is the same. */
  #replayed(key: ByKey, known: OnceRecord, sameId: OnceRecord | undefined): Answered<Order> | Placed {
    if (known.bodyHash !== key.bodyHash) return { result: refuse({ code: "idempotency_key_reused" }), replay: null };
    if (this.isInFlight(key.key)) return { result: refuse({ code: "idempotency_in_flight" }), replay: null };
    const requestId = known.requestId ?? "";
    if (known.refusal !== null) return { result: refuse(known.refusal), replay: { by: "idempotency_key", requestId } };
    const replay: Answered<Order>["replay"] = {
      by: "idempotency_key",
      requestId,
      ...(known.ref === null ? { repeated: true } : {}),
    };
    if (known.answer !== null) return { result: ok(decode<Order>(known.answer)), replay };
    // Whoever asked first was never answered: the object died under them.
    return this.#again(known.ref ?? sameId?.ref ?? "", key, replay);
  }

  /** The answer to a client_order_id that has been used before; from now on it is that of a new idempotency key too. */
  #repeated(bodyHash: string, known: OnceRecord, key: ByKey | null): Answered<Order> | Placed {
    const same = known.bodyHash === bodyHash;
    const refusal = same ? known.refusal : { code: "client_order_id_reused" as const };
    if (key !== null) {
      this.#engine.commit((turn) => {
        emit(turn, refusal === null ? { kind: "repeated", once: [key] } : { kind: "refused", refusal, once: [key] });
      });
    }
    const replay = { by: "client_order_id" as const };
    if (refusal !== null) return { result: refuse(refusal), replay: same ? replay : null };
    return this.#again(known.ref ?? "", key, replay);
  }

  /** What a key has made before, as it is now. Refuses `order_archived`. */
  #again(ref: string, key: ByKey | null, replay: Placed["replay"]): Answered<Order> | Placed {
    const order = this.#engine.order(ref);
    if (order !== undefined) return this.#placed(order, key, replay);
    return { result: refuse(madeAndArchived(this.#engine.state, ref)), replay };
  }

  #placed(order: Order, key: ByKey | null, replay: Placed["replay"]): Placed {
    if (key !== null) this.takeFlight(key.key);
    return { order, settled: this.#engine.settled(order), replay };
  }

  /** The order as it is now; kept as the first answer to its idempotency key where one was given. */
  answer(placed: Placed, idempotency: Idempotency | null): Answered<Order> {
    const order = this.#engine.shown(placed.order.id) ?? placed.order;
    if (idempotency === null) return { result: ok(order), replay: placed.replay };
    this.land(idempotency.key);
    const kept = this.#engine.store.once.keepAnswer("orders", idempotency.key, encode(order));
    return { result: ok(decode<Order>(kept)), replay: placed.replay };
  }
}
