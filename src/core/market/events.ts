// What a market journals: every event with all that a replay needs.
import type { Cut, StandIn } from "../base.ts";
import type { BookOrder } from "../book.ts";
import type { HouseQuote } from "../house.ts";
import type { LedgerEntry } from "../ledger.ts";
import type { MarketRules } from "../listings.ts";
import type { Origin, Report, Trade } from "../messages.ts";
import type { Side } from "../order.ts";
import type { MarketBaseItem } from "./base.ts";
import type { Trailed } from "./triggers.ts";

/** What is journalled with every event: place in the market's journal, format version, time in ms. */
interface EventHead {
  seq: number;
  v: 1;
  at: number;
}

/** A report and what it does to the order: all absolute, so that applying it needs no arithmetic of fees. */
export interface ReportEvent extends EventHead {
  kind: "report";
  account: string;
  cseq: number | null;
  report: Report;
  order: BookOrder | null;
  rests: boolean;
  budget: bigint | null;
  feeNumerator: bigint | null;
  house: { side: Side; price: bigint } | null;
  trade: Trade | null;
  entry: LedgerEntry | null;
  /** What the account alone knows of the order, where the report answers a submit. */
  origin?: Origin | null;
  /** The next event is of the same atomic batch: what ends here is only a part of it. */
  more?: true;
  /** Told by the account after a restore: it has happened in a life before, and nobody is told again. */
  retold?: true;
}

/** One row of a market's journal: new rules, the house's quotes of a step and the triggers that follow, or a report. */
export type MarketEvent =
  /** `by`: the operator, by user id; null: the market itself. */
  | (EventHead & { kind: "rules"; rules: MarketRules; by?: string | null; reason?: string; more?: true })
  | (EventHead & { kind: "requote"; step: number; reference: bigint; quotes: HouseQuote[]; trails?: Trailed[] })
  | ReportEvent
  /** The journal up to here is a snapshot: from here on another life speaks, cancel-only. */
  | (EventHead & { kind: "restored"; epoch: number; by: string; reason: string })
  /** Hands are shaken with an account, in its epoch: its commands up to `cseq` are done with. */
  | (EventHead & { kind: "met"; account: string; epoch: number; cseq: number })
  /** Open again, quoting from the step after this one on. */
  | (EventHead & { kind: "opened"; step: number; by: string | null; reason: string })
  | (EventHead & Cut)
  | MarketBasePart;

/** What a cut leaves of the events that it takes. */
export interface MarketBasePart extends EventHead, Omit<StandIn<MarketBaseItem>, "kind"> {
  kind: "base";
}

/** The first number that an event takes. */
export function firstOf(event: MarketEvent): number {
  return event.kind === "base" ? event.first : event.seq;
}
