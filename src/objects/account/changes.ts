// What an owner asks of orders that are open already: a cancel, or other terms. The market decides.
import { requestCancel } from "../../core/account/decide.ts";
import { type ReplaceWish, replaceRefusal, requestReplace } from "../../core/account/replace.ts";
import { isContainer } from "../../core/groups.ts";
import { isOpen, type Order, type Side } from "../../core/order.ts";
import { invariant, ok, type Result, refuse } from "../../core/result.ts";
import { orderGone } from "./archived.ts";
import type { AccountEngine } from "./engine.ts";
import type { Asked, Placing } from "./placing.ts";
import { SETTLED } from "./waiters.ts";

/** Asks markets to cancel and to replace, and knows what became of it. */
export class Changes {
  readonly #engine: AccountEngine;
  readonly #placing: Pick<Placing, "away">;

  constructor(engine: AccountEngine, placing: Pick<Placing, "away">) {
    this.#engine = engine;
    this.#placing = placing;
  }

  /** As {@link AccountLogic.cancel}, once the caller is admitted. */
  cancel(orderId: string): Result<Asked> {
    const order = this.#engine.order(orderId);
    if (order === undefined) return refuse(orderGone(this.#engine.state, orderId));
    if (order.status === "canceled") return ok({ order, settled: SETTLED });
    if (!isOpen(order.status)) return refuse({ code: "order_not_open" });
    const asked = this.#engine.commit((turn) => requestCancel(turn, order));
    const settled = this.#engine.settled(asked);
    this.#engine.tell(order.symbol);
    return ok({ order: asked, settled });
  }

  /** As {@link AccountLogic.replace}, once the caller is admitted. */
  replace(orderId: string, wish: ReplaceWish): Result<Asked> {
    const order = this.#engine.order(orderId);
    if (order === undefined) return refuse(orderGone(this.#engine.state, orderId));
    const away = this.#placing.away(order.symbol);
    if (away !== null) return refuse(away);
    const asked = this.#engine.commit((turn) => requestReplace(turn, order, wish));
    if (!asked.ok) return asked;
    const settled = this.#engine.settled(asked.value);
    this.#engine.tell(order.symbol);
    return ok({ order: asked.value, settled });
  }

  /** The order once it has been asked to be replaced; the refusal when the market has made no change. */
  replaced(orderId: string): Result<Order> {
    const order = this.#engine.shown(orderId);
    invariant(order !== undefined, `order ${orderId} was replaced and is gone`);
    const refused = order.replaceRefused ?? null;
    return refused === null ? ok(order) : refuse(replaceRefusal(refused, order.broken));
  }

  /** As {@link AccountLogic.cancelAll}, once the caller is admitted. */
  cancelAll(filter: { symbol: string | null; side: Side | null }): Asked[] {
    const fits = (order: Order) =>
      !isContainer(order) &&
      (filter.symbol ?? order.symbol) === order.symbol &&
      (filter.side ?? order.side) === order.side;
    const open = [...this.#engine.state.orders.values()].filter(fits);
    const asked =
      open.length === 0 ? [] : this.#engine.commit((turn) => open.map((order) => requestCancel(turn, order)));
    const waiting = asked.map((order) => ({ order, settled: this.#engine.settled(order) }));
    for (const symbol of new Set(asked.map((order) => order.symbol))) this.#engine.tell(symbol);
    return waiting;
  }
}
