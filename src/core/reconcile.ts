// Whether the read model has what an object says: compared as of one event, so that being late is no difference.

import type { AsApplied, Exam, Figures, Window } from "./exam.ts";
import { type ChainHead, entryText, type LedgerEntry } from "./ledger.ts";
import { CHECK_BREAKS_MAX, CHECK_LAG_MS } from "./limits.ts";
import type { Order } from "./order.ts";
import { onBreak } from "./result.ts";

/** What a check can find broken. docs/reconciliation.md says of each what it means. */
export const BREAK_KINDS = [
  "unreachable",
  "stopped",
  "invariants",
  "stored",
  "head",
  "not_applied",
  "balance",
  "order_count",
  "order",
  "entry_count",
  "entry",
  "chain",
  "contra",
  "fees",
  "accounts",
  "sum",
] as const;
/** One of {@link BREAK_KINDS}. */
export type BreakKind = (typeof BREAK_KINDS)[number];

/** Something broken: `expected` is what the authority says, `found` what stands against it. `subject` tells two of a kind apart. */
export interface Finding {
  kind: BreakKind;
  subject: string;
  expected: string;
  found: string;
}

/** What is compared of an order: what its owner is shown of it, and what is held for it. */
const COMPARED = [
  "clientOrderId",
  "symbol",
  "side",
  "type",
  "timeInForce",
  "postOnly",
  "qty",
  "notional",
  "limitPrice",
  "expiresAt",
  "makerFeeBps",
  "takerFeeBps",
  "status",
  "reason",
  "cancelRequested",
  "filledQty",
  "filledNotional",
  "fee",
  "hold",
  "createdAt",
  "updatedAt",
  "seq",
] as const satisfies (keyof Order)[];

/** An order as the read model has it; amounts may be numbers there. */
export type CopiedOrder = { id: string } & Record<(typeof COMPARED)[number], unknown>;

/** An entry as the read model has it. */
export type CopiedEntry = Pick<LedgerEntry, "seq" | "id" | "at" | "kind" | "ref" | "hash"> & {
  postings: { account: string; asset: string; amount: bigint }[];
};

/** What the read model has of one object, all read at once: windows as asked for, with those of `also` among the rows. */
export interface Copy {
  applied: { epoch: number; seq: number } | null;
  balances: { asset: string; available: bigint; held: bigint }[];
  orderCount: number;
  orders: { rows: CopiedOrder[]; upTo: string | null };
  entryCount: number;
  head: ChainHead;
  entries: { rows: CopiedEntry[]; upTo: number | null };
}

/** The text that an entry of the read model must have the hash of. */
export interface HashClaim {
  subject: string;
  text: string;
  hash: string;
}

/** What comparing came to. Where the windows of both ended, the next check goes on; the first place means from the start. */
export interface Compared {
  findings: Finding[];
  claims: HashClaim[];
  ordersAfter: string;
  entriesAfter: number;
  /** False when orders were not looked at: a break of theirs is neither seen nor gone. */
  ordersSeen: boolean;
}

/** Which rows were compared. */
export interface Windows {
  orders: Window<string>;
  entries: Window<number>;
}

/** What an object says against itself: that it is stopped, that its rules or its tables are broken. */
export function ownFindings({ stopped, figures }: Exam): Finding[] {
  const found: Finding[] = [];
  if (stopped !== null) found.push({ kind: "stopped", subject: "", expected: "", found: stopped });
  const say = (kind: "invariants" | "stored", sentences: readonly string[]) => {
    if (sentences.length === 0) return;
    const shown = sentences.slice(0, CHECK_BREAKS_MAX).join("; ");
    found.push({ kind, subject: "", expected: "", found: `${sentences.length}: ${shown}` });
  };
  say("invariants", figures?.own ?? []);
  say("stored", figures?.stored ?? []);
  return found;
}

/** Holds what the read model has of an object against its figures. `now` in ms, for what D1 has lacked for too long. */
export function compare(figures: Figures, copy: Copy, windows: Windows, now: number): Compared {
  const { orders, entries } = windows;
  const nothing: Compared = {
    findings: headFindings(figures, copy, now),
    claims: [],
    ordersAfter: orders.after,
    entriesAfter: entries.after,
    ordersSeen: false,
  };
  const then = figures.asApplied;
  // Nothing of this life is there yet: what is there is of the one before.
  if (then === null) return nothing;
  const compared = compareEntries(then, copy, entries);
  const ofOrders = then.orders === null ? null : compareOrders(then, then.orders, copy, orders);
  const findings = [
    ...nothing.findings,
    ...balanceFindings(then, copy),
    ...countFindings(then, copy),
    ...chainFindings(then, copy),
    ...notTooMany(compared.findings, entries.also.map(String)),
    ...notTooMany(ofOrders?.findings ?? [], orders.also),
  ];
  return {
    findings,
    claims: compared.claims,
    ordersAfter: ofOrders?.after ?? orders.after,
    entriesAfter: compared.after,
    ordersSeen: ofOrders !== null,
  };
}

/** Those that are open already are told again in any case: left out, they would count as mended. */
function notTooMany(findings: readonly Finding[], open: readonly string[]): Finding[] {
  const known = findings.filter(({ subject }) => open.includes(subject));
  const fresh = findings.filter(({ subject }) => !open.includes(subject));
  return [...known, ...fresh.slice(0, Math.max(0, CHECK_BREAKS_MAX - known.length))];
}

function headFindings(figures: Figures, { applied }: Copy, now: number): Finding[] {
  const { epoch, seq, waitingSince } = figures;
  const ahead = applied !== null && (applied.epoch > epoch || (applied.epoch === epoch && applied.seq > seq));
  const said = applied === null ? "nothing" : `epoch ${applied.epoch}, event ${applied.seq}`;
  const expected = `epoch ${epoch}, event ${seq}`;
  if (ahead) return [{ kind: "head", subject: "", expected, found: said }];
  if (waitingSince === null || now - waitingSince < CHECK_LAG_MS) return [];
  return [{ kind: "not_applied", subject: "", expected, found: said }];
}

function balanceFindings(then: AsApplied, copy: Copy): Finding[] {
  const text = (one: { available: bigint; held: bigint } | undefined) =>
    one === undefined ? "none" : `available ${one.available}, held ${one.held}`;
  const mine = new Map(then.balances.map((one) => [one.asset, one]));
  const theirs = new Map(copy.balances.map((one) => [one.asset, one]));
  return [...new Set([...mine.keys(), ...theirs.keys()])].flatMap((asset): Finding[] => {
    const [expected, found] = [text(mine.get(asset)), text(theirs.get(asset))];
    return expected === found ? [] : [{ kind: "balance", subject: asset, expected, found }];
  });
}

function countFindings(then: AsApplied, copy: Copy): Finding[] {
  const found: Finding[] = [];
  const count = (kind: "order_count" | "entry_count", mine: number | null, theirs: number) => {
    if (mine !== null && mine !== theirs)
      found.push({ kind, subject: "", expected: String(mine), found: String(theirs) });
  };
  count("order_count", then.orderCount, copy.orderCount);
  count("entry_count", then.entryCount, copy.entryCount);
  return found;
}

function chainFindings({ head }: AsApplied, copy: Copy): Finding[] {
  if (head === null || (head.seq === copy.head.seq && head.hash === copy.head.hash)) return [];
  const text = ({ seq, hash }: ChainHead) => `entry ${seq}, ${hash}`;
  return [{ kind: "chain", subject: "", expected: text(head), found: text(copy.head) }];
}

/** The place up to which both windows reach; null when both go to the end. */
function sharedEnd<Place extends string | number>(mine: Place | null, theirs: Place | null): Place | null {
  if (mine === null || theirs === null) return mine ?? theirs;
  return mine < theirs ? mine : theirs;
}

function within<Place extends string | number>(place: Place, window: Window<Place>, end: Place | null): boolean {
  return (place > window.after && (end === null || place <= end)) || window.also.includes(place);
}

function compareEntries(then: AsApplied, copy: Copy, window: Window<number>) {
  const end = sharedEnd(then.entries.upTo, copy.entries.upTo);
  const mine = new Map([...then.entries.rows, ...then.entries.also].map((one) => [one.seq, one]));
  const theirs = new Map(copy.entries.rows.map((one) => [one.seq, one]));
  const findings: Finding[] = [];
  const claims: HashClaim[] = [];
  for (const seq of new Set([...mine.keys(), ...theirs.keys()])) {
    const [own, copied] = [mine.get(seq), theirs.get(seq)];
    if (!within(seq, window, end) || seq > then.seq) continue;
    const subject = String(seq);
    if (own?.hash !== copied?.hash) {
      findings.push({ kind: "entry", subject, expected: own?.hash ?? "none", found: copied?.hash ?? "none" });
    } else if (own !== undefined && own.before !== null && copied !== undefined) {
      claims.push(claimOf(own.before, copied));
    }
  }
  return { findings, claims, after: end ?? 0 };
}

/** Text that has no such hash stands for an entry that cannot even be written down. */
function claimOf(before: string, copied: CopiedEntry): HashClaim {
  const postings = copied.postings.map((one) => ({ ...one, balance: 0n }));
  const text = onBreak(
    () => entryText(before, { ...copied, postings }),
    () => "",
  );
  return { subject: String(copied.seq), text, hash: copied.hash };
}

/** What is said of an entry whose content is not what its hash covers. */
export function forgedEntry({ subject, hash }: HashClaim, found: string): Finding {
  return { kind: "entry", subject, expected: hash, found: `what it says has the hash ${found}` };
}

function compareOrders(then: AsApplied, mine: NonNullable<AsApplied["orders"]>, copy: Copy, window: Window<string>) {
  const end = sharedEnd(mine.upTo, copy.orders.upTo);
  const own = new Map([...mine.rows, ...mine.also].map((one) => [one.id, one]));
  const copied = new Map(copy.orders.rows.map((one) => [one.id, one]));
  const moved = new Set(mine.moved);
  const findings: Finding[] = [];
  for (const id of new Set([...own.keys(), ...copied.keys()])) {
    if (!within(id, window, end)) continue;
    const [here, there] = [own.get(id), copied.get(id)];
    if (here === undefined) findings.push({ kind: "order", subject: id, expected: "none", found: "there is one" });
    else if (there === undefined) {
      if (here.seq <= then.seq) findings.push({ kind: "order", subject: id, expected: here.status, found: "none" });
    } else if (!moved.has(id)) findings.push(...orderFindings(here, there));
  }
  return { findings, after: end ?? "" };
}

function orderFindings(here: Order, there: CopiedOrder): Finding[] {
  const other = COMPARED.filter((field) => String(here[field]) !== String(there[field]));
  if (other.length === 0) return [];
  const text = (one: Record<(typeof COMPARED)[number], unknown>) =>
    other.map((field) => `${field} ${String(one[field])}`).join(", ");
  return [{ kind: "order", subject: here.id, expected: text(here), found: text(there) }];
}
