// The naive market as it is seen from outside: commands, the time that passes, and what it answers.
import { comeIn, fillsWhole, firstMet, match, shrink, stand } from "./book.ts";
import { comeUp, follow, settle } from "./groups.ts";
import { limitOf } from "./money.ts";
import {
  emptyNaive,
  end,
  HOUSE,
  isExit,
  type Naive,
  type NaiveEvent,
  type NaiveOrder,
  type NaiveRules,
  type NaiveTrigger,
  openOrders,
  say,
  takeOut,
  type Working,
} from "./terms.ts";

const STEP_MS = 1_000;

/** What the house quotes at a reference price: this market takes that as it is told. */
export type NaiveHouse = (reference: bigint) => Pick<Working, "side" | "price" | "leaves">[];

/** Other terms for an order: so much more or less, at this limit, for this trigger, with so much held. */
export interface NaiveWish {
  orderId: string;
  by: bigint;
  price: bigint | null;
  trigger?: NaiveTrigger;
  cap?: bigint;
  hold: bigint;
  postOnly: boolean;
}

export class NaiveMarket {
  readonly all: Naive;
  readonly #house: NaiveHouse | null;
  readonly #referenceIn: (second: number) => bigint;
  /** The second that it has come to. */
  #second: number;
  #came = 0;

  /** A market that has come to a second, in which nothing has happened yet. Without a house it has no clock but for what expires. */
  constructor(rules: NaiveRules, second: number, referenceIn: (second: number) => bigint, house: NaiveHouse | null) {
    this.all = emptyNaive(rules);
    this.#second = second;
    this.#referenceIn = referenceIn;
    this.#house = house;
  }

  /** What has been said since this was last asked. */
  said(): NaiveEvent[] {
    const { events } = this.all;
    this.all.events = [];
    return events;
  }

  /** Lives through every second up to now: what is due expires, the house quotes, triggers come up. */
  passTo(now: number): void {
    while (this.#house !== null && this.#second < Math.floor(now / STEP_MS)) {
      const before = this.#reference();
      this.#expire((this.#second + 1) * STEP_MS);
      this.#second += 1;
      // What has come in since the last second began has seen that one's price, too.
      follow(this.all, before);
      follow(this.all, this.#reference());
      this.#quote(this.#house(this.#reference()));
      settle(this.all, this.#reference());
      this.#lookAround();
    }
    if (this.#house === null) this.#second = Math.floor(now / STEP_MS);
    this.#expire(now);
  }

  submit(asked: NaiveOrder): void {
    const order = this.#taken(asked);
    const refused = this.#refusalOf(order);
    if (refused !== null) {
      say(this.all, order, "rejected", refused);
      return;
    }
    say(this.all, order, "new");
    if (order.trigger === undefined) comeIn(this.all, order, limitOf(this.all.rules, order, this.#reference()));
    else this.all.waiting.push(order);
    this.#lookAround();
  }

  /** The first is the one that may trade at once: by what it would be told alone all are taken, or none is. */
  submitGroup(asked: readonly NaiveOrder[]): void {
    const orders = asked.map((order) => this.#taken(order));
    const [lead] = orders;
    if (lead?.group === undefined) throw new Error("a group has orders");
    const refused = this.#refusalOf(lead);
    if (refused !== null) {
      for (const order of orders)
        say(this.all, order, "rejected", order === lead ? refused : lead.group.kind === "oco" ? "oco" : "entry");
      return;
    }
    const isOco = lead.group.kind === "oco";
    this.all.groups = this.all.groups.filter(({ entry, exits }) =>
      [entry, ...exits].some((one) => one?.ended === null),
    );
    this.all.groups.push({
      id: lead.group.id,
      start: isOco ? (lead.leaves ?? 0n) : 0n,
      entry: isOco ? null : lead,
      exits: orders.filter(isExit),
    });
    for (const order of orders) {
      say(this.all, order, "new");
      if (order.leaves === 0n) this.all.asleep.push(order);
      else if (order.trigger !== undefined) this.all.waiting.push(order);
    }
    if (lead.trigger === undefined) comeIn(this.all, lead, limitOf(this.all.rules, lead, this.#reference()));
    this.#lookAround();
  }

  cancel(account: string, orderId: string): void {
    const order = this.#find(account, orderId);
    if (order === undefined) this.#refuse(account, orderId, "cancel_rejected", "order_not_open");
    else end(this.all, order, "user");
    this.#lookAround();
  }

  /** Less of the same keeps its place; anything else comes in anew. */
  replace(account: string, wish: NaiveWish): void {
    const order = this.#find(account, wish.orderId);
    const refused = order === undefined ? "order_not_open" : this.#change(order, wish);
    if (refused !== null) this.#refuse(account, wish.orderId, "replace_rejected", refused);
    this.#lookAround();
  }

  /** Makes the change, or says why not. */
  #change(order: Working, { by, price, trigger, cap, hold, postOnly }: NaiveWish): string | null {
    const { all } = this;
    const leaves = order.leaves === null ? null : order.leaves + by;
    const sleeps = all.asleep.includes(order);
    if (leaves !== null && leaves <= 0n && !sleeps) {
      end(all, order, "replaced");
      return null;
    }
    if (trigger !== undefined && order.trigger === undefined) return "order_not_open";
    if (postOnly && price !== null && firstMet(all, order, price) !== undefined) return "post_only_would_cross";
    const stays = price === order.price && by <= 0n && trigger === undefined;
    order.price = price;
    if (trigger !== undefined) order.trigger = { ...trigger };
    if (cap !== undefined && order.group !== undefined) order.group = { ...order.group, cap };
    order.budget = hold;
    if (leaves !== null) shrink(all, order, leaves);
    say(all, order, "replaced", null, { change: { by, price, hold: order.budget, trigger: trigger?.price ?? null } });
    if (stays || sleeps) return null;
    takeOut(all, order);
    if (order.trigger === undefined) comeIn(all, order, price ?? 0n);
    else all.waiting.push(order);
    return null;
  }

  /** Triggers whose price is there come up, and groups are put in order, until there is no more of either. */
  #lookAround(): void {
    comeUp(this.all, this.#reference());
    while (this.all.touched.length > 0) {
      settle(this.all, this.#reference());
      comeUp(this.all, this.#reference());
    }
  }

  #reference(): bigint {
    return this.#referenceIn(this.#second);
  }

  #taken(asked: NaiveOrder): Working {
    this.#came += 1;
    const fresh = { came: this.#came, basis: 0n, fee: 0n, shown: 0n, filled: 0n, lost: 0n, triggered: false };
    const trigger = asked.trigger === undefined ? undefined : { ...asked.trigger };
    return { ...asked, ...fresh, trigger, ended: null, stopped: null };
  }

  #refusalOf(order: Working): string | null {
    if (order.trigger !== undefined) return null;
    const limit = limitOf(this.all.rules, order, this.#reference());
    if (order.postOnly && firstMet(this.all, order, limit) !== undefined) return "post_only_would_cross";
    return order.timeInForce === "fok" && !fillsWhole(this.all, order, limit) ? "fok_not_fillable" : null;
  }

  #find(account: string, orderId: string): Working | undefined {
    return openOrders(this.all).find((order) => order.id === orderId && order.account === account);
  }

  #refuse(account: string, orderId: string, what: NaiveEvent["what"], reason: string): void {
    this.all.events.push({ account, orderId, what, reason, fill: null, change: null, at: null, prevented: null });
  }

  /** Ends what is due by `now`, the earliest first; what one does to its group may spare another its end. */
  #expire(now: number): void {
    const due = openOrders(this.all).filter(({ expiresAt }) => expiresAt !== null && expiresAt <= now);
    due.sort((a, b) => (a.expiresAt ?? 0) - (b.expiresAt ?? 0) || a.came - b.came);
    for (const order of due) {
      if (order.ended === null) end(this.all, order, order.timeInForce, "expired");
      settle(this.all, this.#reference());
    }
  }

  /** The house's quotes of a second take the place of those before, behind all who rest; what they cross trades with them. */
  #quote(quotes: ReturnType<NaiveHouse>): void {
    const { all } = this;
    all.resting = all.resting.filter(({ account }) => account !== HOUSE);
    const orders = quotes.map((quote) => this.#taken(houseOrder(quote)));
    for (const order of orders) stand(all, order);
    for (const order of orders) {
      match(all, order, order.price ?? 0n);
      order.shown = order.leaves ?? 0n;
    }
  }
}

/** Nothing is held for the house, and it pays no fees. */
function houseOrder({ side, price, leaves }: ReturnType<NaiveHouse>[number]): NaiveOrder {
  return {
    ...{ id: `${HOUSE}-${side}-${price}`, account: HOUSE, side, price, leaves, timeInForce: "gtc", postOnly: false },
    ...{ selfTradePrevention: "none", makerFeeBps: 0, takerFeeBps: 0, budget: 2n ** 80n, expiresAt: null },
  };
}
