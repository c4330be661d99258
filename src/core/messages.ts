// What an account and a market say to each other: commands one way, reports the other, each contiguously numbered.
import type { BookOrder } from "./book.ts";
import type { Membership } from "./groups.ts";
import { COMMANDS_PER_CALL_MAX } from "./limits.ts";
import type { MarketRules } from "./listings.ts";
import type { ExecType, Liquidity, OrderType, SelfTradePrevention, Side, TimeInForce, Trigger } from "./order.ts";
import type { BrokenRule } from "./result.ts";

/**
 * What an account alone knows of its order. Its market keeps it unread, so that an account restored from before the order
 * gets it back with its key and its bounds. Times in ms, `credit` in units.
 */
export interface Origin {
  clientOrderId: string | null;
  bodyHash: string;
  type: OrderType;
  notional: bigint | null;
  postOnly: boolean;
  credit: bigint;
  createdAt: number;
  /** The atomic batch that it came with, if any. */
  batch?: string;
  /** Of an order of a group: what its account alone knows of its place in it. */
  parent?: { legs: string[]; key?: { clientOrderId: string | null; bodyHash: string } };
}

/** An order as it is sent to its market: terms, what is held for it, and until when and under which rules it counts. */
export interface SubmitOrder {
  id: string;
  side: Side;
  limitPrice: bigint | null;
  qty: bigint | null;
  timeInForce: TimeInForce;
  postOnly: boolean;
  selfTradePrevention: SelfTradePrevention;
  makerFeeBps: number;
  takerFeeBps: number;
  budget: bigint;
  expiresAt: number | null;
  /** In a `submit_iceberg`. */
  displayQty?: bigint;
  /** Never in a plain `submit`. */
  trigger?: Trigger;
  /** Only in a `submit_group`. */
  group?: Membership;
  /** The version before leaves it out. */
  origin?: Origin;
}

/**
 * One command of an account for one market; `cseq` counts them from 1 for that pair. An order that waits for a trigger has a
 * kind of its own, and so has one that hides a part: a market that knows none would trade it at once, or show all of it.
 */
export type Command =
  | ({ kind: "submit" | "submit_held" | "submit_iceberg"; cseq: number; rulesVersion: number } & Submission)
  /** Orders of which the market takes all, or none. The version before does not know it, and is asked again. */
  | { kind: "submit_all"; cseq: number; orders: Submission[]; rulesVersion: number }
  /** Orders of a group, the one that may come in at once first. Taken together or not at all, as those of a `submit_all`. */
  | { kind: "submit_group"; cseq: number; orders: Submission[]; rulesVersion: number }
  /** `reason`: why, where the owner has not asked for it by hand; the version before says "user" of every one. */
  | { kind: "cancel"; cseq: number; orderId: string; reason?: CancelReason }
  | ({ kind: "replace"; cseq: number; orderId: string; postOnly: boolean } & Replaced);

/** An order for its market, and until when it counts, in ms; null: for as long as it takes. */
export interface Submission {
  order: SubmitOrder;
  notAfter: number | null;
}

/**
 * What is other than before: how much more or less is wanted in all (base units), at which limit, for which trigger while it
 * waits, and what is held for it from then on. `credit` is the owner's own reckoning, which the market hands back.
 */
export interface Replaced {
  qtyDelta: bigint;
  limitPrice: bigint | null;
  trigger?: Trigger;
  /** Of an exit, the other cap that goes with its trigger. */
  cap?: bigint;
  hold: bigint;
  credit?: bigint;
}

/**
 * Why an account cancels by itself: its owner has not been heard of in time, or their stream has closed; or operators have
 * stopped them.
 */
export type CancelReason = "cancel_all_after" | "cancel_on_disconnect" | "kill_switch";

const KNOWN: ReadonlySet<string> = new Set<Command["kind"]>([
  "submit",
  "submit_held",
  "submit_iceberg",
  "submit_all",
  "submit_group",
  "cancel",
  "replace",
]);

/** Whether this version knows the command; a newer account may say more (protocol rule 16). */
export function isKnownCommand({ kind }: { kind: string }): boolean {
  return KNOWN.has(kind);
}

/** How many orders a command is about. */
function weightOf(command: Command): number {
  return "orders" in command ? command.orders.length : 1;
}

/** The first of some commands, as many as go in one call: at most a hundred orders, but at least one command. */
export function commandsOfCall(commands: readonly Command[]): Command[] {
  let left = COMMANDS_PER_CALL_MAX;
  const taken = commands.findIndex((command, index) => {
    left -= weightOf(command);
    return left < 0 && index > 0;
  });
  return commands.slice(0, taken < 0 ? commands.length : taken);
}

/** One execution as its owner sees it. `done`: the order has got all that it may get. */
export interface Fill {
  executionId: string;
  tradeId: string;
  price: bigint;
  qty: bigint;
  fee: bigint;
  liquidity: Liquidity;
  done: boolean;
}

/**
 * A trade of an account with itself that has not happened, as `selfTradePrevention` asked: `qty` base units at the maker's `price`;
 * `side` is the taker's.
 */
export interface PreventedMatch {
  id: string;
  takerOrderId: string;
  makerOrderId: string;
  side: Side;
  price: bigint;
  qty: bigint;
  selfTradePrevention: SelfTradePrevention;
}

/**
 * One report of a market about one order of one account; `rseq` counts them from 1 for that pair.
 * `cancel_rejected`, `replace_rejected`: the order is as it was, or no longer open. `rules_changed`: not judged, admit it again under `rules`. `triggered` says at
 * which `triggerPrice`.
 */
export interface Report {
  rseq: number;
  orderId: string;
  execType: ExecType | "cancel_rejected" | "replace_rejected" | "rules_changed";
  at: number;
  reason: string | null;
  fill: Fill | null;
  rules: MarketRules | null;
  triggerPrice?: bigint;
  replaced?: Replaced;
  /** The rule that it broke, where it was refused for one; the version before leaves it out. */
  broken?: BrokenRule | undefined;
  /**
   * What cancels or reduces the order, on one report of each: the maker's, or the taker's where the maker is left alone. The version
   * before leaves it out.
   */
  prevented?: PreventedMatch;
}

/**
 * A report as one side tells it to the other after a restore. `order`: its terms where the report answers a submit, the
 * order as it is after a fill; null where the report alone says all.
 */
export interface Told {
  report: Report;
  order: BookOrder | null;
  origin: Origin | null;
}

/** Which report bears a number: two sides that name different ones have a conflict. */
export interface Mark {
  rseq: number;
  orderId: string;
  execType: Report["execType"];
  executionId: string | null;
}

/** What is wrong when two sides name different reports under one number; null when they agree, or one names none. */
export function conflictOf(mine: Mark | null, theirs: Mark | null): string | null {
  if (mine === null || theirs === null || mine.rseq !== theirs.rseq) return null;
  const same =
    mine.orderId === theirs.orderId && mine.execType === theirs.execType && mine.executionId === theirs.executionId;
  const name = ({ execType, orderId, executionId }: Mark) => `${execType} of ${orderId} ${executionId ?? ""}`.trim();
  return same ? null : `conflict: report ${mine.rseq} is ${name(mine)} here and ${name(theirs)} there`;
}

/** One trade as the public sees it; `side` is the taker's. */
export interface Trade {
  id: string;
  price: bigint;
  qty: bigint;
  side: Side;
  at: number;
}

/** Makes an id of a kind at a moment; a parameter of core, since core has no randomness. */
export type MakeId = (prefix: string, atMs: number) => string;
