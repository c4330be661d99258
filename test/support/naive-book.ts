// A market written a second time, from the contract's words alone: one array of orders in the order of their coming, looked
// through from end to end for everything. Slow and plain; what it says is what the real one must say.
import type { Side, TimeInForce } from "../../src/core/order.ts";

export interface NaiveRules {
  baseScale: number;
  lotSize: bigint;
  tickSize: bigint;
  priceBandBps: number;
}

export interface NaiveOrder {
  id: string;
  account: string;
  side: Side;
  price: bigint | null;
  leaves: bigint | null;
  /** The most that it shows at a time; all of it where that is not said. */
  displayQty?: bigint;
  timeInForce: TimeInForce;
  postOnly: boolean;
  selfTradePrevention: "none" | "cancel_newest" | "cancel_oldest" | "cancel_both" | "decrement";
  makerFeeBps: number;
  takerFeeBps: number;
  budget: bigint;
  expiresAt: number | null;
}

/** A resting or incoming order with what it has been charged, Σ notional × bps and the fee for it, and what it shows. */
type Working = NaiveOrder & { basis: bigint; fee: bigint; shown: bigint };

export interface NaiveFill {
  price: bigint;
  qty: bigint;
  fee: bigint;
  liquidity: "maker" | "taker";
  done: boolean;
}

export interface NaiveEvent {
  account: string;
  orderId: string;
  what: "new" | "rejected" | "fill" | "canceled" | "expired" | "cancel_rejected" | "replaced" | "replace_rejected";
  reason: string | null;
  fill: NaiveFill | null;
}

const BPS = 10_000n;
const HOUSE = "house";

export class NaiveMarket {
  resting: Working[] = [];
  readonly rules: NaiveRules;
  #events: NaiveEvent[] = [];

  constructor(rules: NaiveRules) {
    this.rules = rules;
  }

  /** Puts an order into the book without a word: the house's quotes, which have neither fees nor reports. */
  rest(order: NaiveOrder): void {
    this.resting.push({ ...order, basis: 0n, fee: 0n, shown: order.leaves ?? 0n });
  }

  submit(asked: NaiveOrder, reference: bigint): NaiveEvent[] {
    this.#events = [];
    const order: Working = { ...asked, basis: 0n, fee: 0n, shown: 0n };
    const limit = order.price ?? this.#bandEdge(order.side, reference);
    if (order.postOnly && this.#bestFor(order, limit) !== undefined)
      return this.#reject(order, "post_only_would_cross");
    if (order.timeInForce === "fok" && !this.#fillsWhole(order, limit)) return this.#reject(order, "fok_not_fillable");
    this.#say(order, "new", null);
    this.#trades(order, limit);
    return this.#events;
  }

  /** So much more or less of an order, at this price: less at the same price keeps its place, all else comes in anew. */
  replace(account: string, to: { orderId: string; qtyDelta: bigint; price: bigint; postOnly: boolean }): NaiveEvent[] {
    this.#events = [];
    const { orderId, qtyDelta, price } = to;
    const order = this.resting.find((o) => o.id === orderId && o.account === account);
    const refuse = (reason: string): NaiveEvent[] => [
      { account, orderId, what: "replace_rejected", reason, fill: null },
    ];
    if (order === undefined) return refuse("order_not_open");
    const leaves = (order.leaves ?? 0n) + qtyDelta;
    if (leaves <= 0n) {
      this.resting = this.resting.filter((o) => o !== order);
      this.#say(order, "canceled", "replaced");
      return this.#events;
    }
    if (to.postOnly && this.#bestFor(order, price) !== undefined) return refuse("post_only_would_cross");
    const stays = price === order.price && qtyDelta <= 0n;
    order.price = price;
    order.leaves = leaves;
    if (order.shown > leaves) order.shown = leaves;
    this.#hold(order);
    if (!stays) this.resting = this.resting.filter((o) => o !== order);
    this.#say(order, "replaced", null);
    if (!stays) this.#trades(order, price);
    return this.#events;
  }

  /** Lets an order trade, and then rest or end. */
  #trades(order: Working, limit: bigint): void {
    const end = this.#match(order, limit);
    if (end === "done") return;
    const mayRest = order.price !== null && order.timeInForce !== "ioc" && order.timeInForce !== "fok";
    if (end === "no_match" && mayRest) this.#stand(order);
    else this.#say(order, "canceled", end === "no_match" ? this.#whyNothingMore(order) : end);
  }

  /** Shows what it may, behind all who stand there. */
  #stand(order: Working): void {
    const leaves = order.leaves ?? 0n;
    order.shown = order.displayQty !== undefined && order.displayQty < leaves ? order.displayQty : leaves;
    this.resting = [...this.resting.filter((o) => o !== order), order];
  }

  cancel(account: string, orderId: string): NaiveEvent[] {
    const order = this.resting.find((o) => o.id === orderId && o.account === account);
    if (order === undefined) {
      return [{ account, orderId, what: "cancel_rejected", reason: "order_not_open", fill: null }];
    }
    this.resting = this.resting.filter((o) => o !== order);
    return [{ account, orderId, what: "canceled", reason: "user", fill: null }];
  }

  /** Ends what is due by `now`, the earliest first. */
  expire(now: number): NaiveEvent[] {
    const due = this.resting.filter((o) => o.expiresAt !== null && o.expiresAt <= now);
    due.sort((a, b) => (a.expiresAt ?? 0) - (b.expiresAt ?? 0));
    this.resting = this.resting.filter((o) => !due.includes(o));
    return due.map((o) => ({ account: o.account, orderId: o.id, what: "expired", reason: o.timeInForce, fill: null }));
  }

  /** The orders of one side, best price first, first come first served. */
  queue(side: Side): Working[] {
    const mine = this.resting.filter((o) => o.side === side);
    return mine.sort((a, b) => {
      const [x, y] = side === "buy" ? [b.price ?? 0n, a.price ?? 0n] : [a.price ?? 0n, b.price ?? 0n];
      return x < y ? -1 : x > y ? 1 : 0;
    });
  }

  /** Trades until the order is done, meets its owner, has no money, or finds nobody. */
  #match(order: Working, limit: bigint): "done" | "no_match" | "self_trade_prevention" | "hold_exhausted" {
    let traded = false;
    for (;;) {
      const maker = this.#bestFor(order, limit);
      if (maker === undefined) return "no_match";
      const price = maker.price ?? 0n;
      const affordable = this.#affordable(order, price);
      if (affordable === 0n) return order.leaves === null && traded ? "done" : "hold_exhausted";
      if (maker.account === order.account && order.selfTradePrevention !== "none") {
        if (this.#prevent(order, maker)) return "self_trade_prevention";
        continue;
      }
      const wanted = [maker.shown, affordable, ...(order.leaves === null ? [] : [order.leaves])];
      this.#trade(
        order,
        maker,
        wanted.reduce((a, b) => (a < b ? a : b)),
        limit,
      );
      traded = true;
      if (order.leaves === 0n) return "done";
    }
  }

  /** Two of one owner do not trade; whether the one that comes in ends here. */
  #prevent(order: Working, maker: Working): boolean {
    const end = (one: Working) => {
      this.resting = this.resting.filter((o) => o !== one);
      this.#say(one, "canceled", "self_trade_prevention");
    };
    const mode =
      order.leaves === null && order.selfTradePrevention === "decrement" ? "cancel_newest" : order.selfTradePrevention;
    if (mode === "cancel_newest") return true;
    if (mode !== "decrement") {
      end(maker);
      return mode === "cancel_both";
    }
    const [mine, theirs] = [order.leaves ?? 0n, maker.leaves ?? 0n];
    const both = mine < theirs ? mine : theirs;
    order.leaves = mine - both;
    maker.leaves = theirs - both;
    if (maker.shown > maker.leaves) maker.shown = maker.leaves;
    if (maker.leaves === 0n) end(maker);
    else this.#lose(maker);
    if (order.leaves === 0n) return true;
    this.#lose(order);
    return false;
  }

  /** Less is wanted. */
  #lose(order: Working): void {
    this.#hold(order);
    this.#say(order, "replaced", "self_trade_prevention");
  }

  /** What is held for an order is what is left of it may cost. */
  #hold(order: Working): void {
    if (order.side === "sell") order.budget = order.leaves ?? 0n;
    else if (order.price !== null) {
      const worst = this.#worth(order.price, order.leaves ?? 0n);
      const basis = order.basis + worst * BigInt(Math.max(order.makerFeeBps, order.takerFeeBps));
      order.budget = worst + basis / BPS + (basis % BPS === 0n ? 0n : 1n) - order.fee;
    }
  }

  #trade(taker: Working, maker: Working, qty: bigint, limit: bigint): void {
    const price = maker.price ?? 0n;
    const notional = this.#worth(price, qty);
    const takerFee = this.#charge(taker, notional, taker.takerFeeBps, qty);
    const makerFee = this.#charge(maker, notional, maker.makerFeeBps, qty);
    maker.shown -= qty;
    if (maker.leaves === 0n) this.resting = this.resting.filter((o) => o !== maker);
    else if (maker.shown === 0n) this.#stand(maker);
    const next = this.#bestFor(taker, limit);
    const broke = taker.leaves === null && next !== undefined && this.#affordable(taker, next.price ?? 0n) === 0n;
    this.#fill(taker, { price, qty, fee: takerFee, liquidity: "taker", done: taker.leaves === 0n || broke });
    if (maker.account === HOUSE) return;
    this.#fill(maker, { price, qty, fee: makerFee, liquidity: "maker", done: maker.leaves === 0n });
  }

  /** Books one execution on an order; answers its fee: what all its fills cost together, rounded up, less what they did. */
  #charge(order: Working, notional: bigint, bps: number, qty: bigint): bigint {
    order.basis += notional * BigInt(bps);
    const whole = order.basis / BPS + (order.basis % BPS === 0n ? 0n : 1n);
    const fee = whole - order.fee;
    order.fee = whole;
    order.budget -= order.side === "buy" ? notional + fee : qty;
    if (order.leaves !== null) order.leaves -= qty;
    return fee;
  }

  #bestFor(order: Working, limit: bigint): Working | undefined {
    let best: Working | undefined;
    for (const other of this.resting) {
      if (other.side === order.side || other.price === null) continue;
      if (order.side === "buy" ? other.price > limit : other.price < limit) continue;
      const better =
        best === undefined ||
        (order.side === "buy" ? other.price < (best.price ?? 0n) : other.price > (best.price ?? 0n));
      if (better) best = other;
    }
    return best;
  }

  /** By trial: the most whole lots whose price and fee the order's money still covers. */
  #affordable(order: Working, price: bigint): bigint {
    if (order.side === "sell") return order.budget;
    const covers = (lots: bigint) => {
      const notional = this.#worth(price, lots * this.rules.lotSize);
      const basis = order.basis + notional * BigInt(order.takerFeeBps);
      return notional + (basis + BPS - 1n) / BPS - order.fee <= order.budget;
    };
    let low = 0n;
    let high = 1n;
    while (covers(high)) high *= 2n;
    while (low + 1n < high) {
      const middle = (low + high) / 2n;
      if (covers(middle)) low = middle;
      else high = middle;
    }
    return low * this.rules.lotSize;
  }

  /** Plays the order on a copy of the book. */
  #fillsWhole(order: Working, limit: bigint): boolean {
    const copy = new NaiveMarket(this.rules);
    copy.resting = this.resting.map((o) => ({ ...o }));
    return copy.#match({ ...order }, limit) === "done";
  }

  #bandEdge(side: Side, reference: bigint): bigint {
    const { priceBandBps, tickSize } = this.rules;
    const inside = (price: bigint) => {
      const off = price > reference ? price - reference : reference - price;
      return off * BPS <= reference * BigInt(priceBandBps);
    };
    const step = side === "buy" ? tickSize : -tickSize;
    const far = (reference * BigInt(priceBandBps)) / BPS / tickSize;
    let price = (reference / tickSize) * tickSize + step * (far - 1n);
    while (inside(price + step)) price += step;
    return price;
  }

  #whyNothingMore(order: Working): string {
    if (order.price !== null) return order.timeInForce;
    return this.resting.some((o) => o.side !== order.side) ? "price_band" : "no_liquidity";
  }

  #worth(price: bigint, qty: bigint): bigint {
    return (price * qty) / 10n ** BigInt(this.rules.baseScale);
  }

  #reject(order: Working, reason: string): NaiveEvent[] {
    this.#say(order, "rejected", reason);
    return this.#events;
  }

  #say(order: Working, what: NaiveEvent["what"], reason: string | null): void {
    this.#events.push({ account: order.account, orderId: order.id, what, reason, fill: null });
  }

  #fill(order: Working, fill: NaiveFill): void {
    this.#events.push({ account: order.account, orderId: order.id, what: "fill", reason: null, fill });
  }
}
