// What all ledgers come to together. Each object's own sums to zero at any moment; what accounts and markets owe each other
// cancels as of one report for each pair, since neither side waits for the other while a check goes round.
import type { Amount, Booked, Figures } from "./exam.ts";
import type { Finding } from "./reconcile.ts";
import { invariant } from "./result.ts";

/** What a ledger account counts as in the sums: every account is one of these. */
export const LINES = [
  "customers",
  "external",
  "suspense",
  "rounding",
  "other",
  "house",
  "fees",
  "clearing",
  "in_flight",
] as const;
/** One of {@link LINES}. */
export type Line = (typeof LINES)[number];
/** Units by asset. */
type Units = Record<string, bigint>;
/** Units by asset and line. */
export type Sums = Record<string, Record<Line, bigint>>;

/** One market at the moment at which its books are held against its accounts': after its event `seq`. */
export interface Cut {
  symbol: string;
  seq: number;
  clearing: Units;
  fees: Units;
  /** Accounts that it had told anything by then. */
  peers: number;
  /** What accounts have booked against it as of then; `now` is what they had booked when they were asked. */
  told: number;
  booked: Units;
  paid: Units;
  now: Units;
  /** Whether reports up to the cut had not been applied when their accounts were asked. */
  late: boolean;
  /** Why the two cannot be held against each other this time; null when they can. */
  unjudged: string | null;
}

function add(to: Units, amounts: readonly Amount[]): void {
  for (const { asset, units } of amounts) to[asset] = (to[asset] ?? 0n) + units;
}

function lineOf(object: "account" | "market", account: string): Line {
  if (object === "market") return account === "house" || account === "fees" ? account : "clearing";
  if (account === "available" || account === "held") return "customers";
  if (account.startsWith("clearing:") || account.startsWith("fees:")) return "clearing";
  return account === "external" || account === "suspense" || account === "rounding" ? account : "other";
}

/** Adds an object's ledger to the sums. */
export function addMoney(sums: Sums, object: "account" | "market", money: Figures["money"]): void {
  for (const { account, asset, units } of money) {
    const line = lineOf(object, account);
    sums[asset] ??= Object.fromEntries(LINES.map((one) => [one, 0n])) as Record<Line, bigint>;
    sums[asset][line] += units;
  }
}

/** A market's books as they stand now. */
export function cutOf(symbol: string, figures: Figures): Cut {
  const of = (wanted: string) => figures.money.filter(({ account }) => account === wanted);
  const [clearing, fees]: [Units, Units] = [{}, {}];
  add(clearing, of("clearing"));
  add(fees, of("fees"));
  const unjudged = figures.restoring ? `${symbol} is being restored` : null;
  const { seq, peers } = figures;
  return { symbol, seq, clearing, fees, peers, told: 0, booked: {}, paid: {}, now: {}, late: false, unjudged };
}

/**
 * Adds what an account has booked against a market as of the cut. `owed`: what its reports up to the cut, which it has not
 * applied, have moved in the market's clearing: it is going to book the contrary.
 */
export function addBooked(cut: Cut, booked: Booked, owed: readonly Amount[]): void {
  cut.told += 1;
  cut.late ||= owed.length > 0;
  add(cut.booked, booked.clearing);
  add(cut.booked, booked.fees);
  add(cut.paid, booked.fees);
  add(
    cut.booked,
    owed.map(({ asset, units }) => ({ asset, units: -units })),
  );
  if (!booked.known) cut.unjudged ??= `what was booked against ${cut.symbol} lies too far back`;
}

/** Adds what an account has booked against a market by now, in whatever reports. */
export function addNow(cut: Cut, money: Figures["money"]): void {
  const ours = [`clearing:${cut.symbol}`, `fees:${cut.symbol}`];
  add(
    cut.now,
    money.filter(({ account }) => ours.includes(account)),
  );
}

/**
 * What a market and its accounts disagree on as of the cut. Fees apart are not compared while an account has reports to
 * apply, which say nothing of them. Nothing is found where it cannot be judged.
 */
export function contraFindings(cut: Cut): Finding[] {
  if (cut.unjudged !== null) return [];
  const findings: Finding[] = [];
  if (cut.told !== cut.peers) {
    findings.push({ kind: "accounts", subject: "", expected: String(cut.peers), found: String(cut.told) });
  }
  const against = (kind: "contra" | "fees", mine: Units, theirs: Units, sign: bigint) => {
    for (const asset of new Set([...Object.keys(mine), ...Object.keys(theirs)])) {
      const [expected, found] = [sign * (mine[asset] ?? 0n), theirs[asset] ?? 0n];
      if (expected !== found) findings.push({ kind, subject: asset, expected: String(expected), found: String(found) });
    }
  };
  against("contra", cut.clearing, cut.booked, -1n);
  if (!cut.late) against("fees", cut.fees, cut.paid, 1n);
  return findings;
}

/**
 * The sums with what is under way set apart: `clearing` is what accounts and markets owe each other as of the cuts, which is
 * nothing; `in_flight` what accounts have booked since then, or have not yet. Both together are what was added up.
 */
export function settledSums(sums: Sums, cuts: readonly Cut[]): Sums {
  const settled = copyOf(sums);
  for (const { unjudged, booked, now, clearing } of cuts) {
    for (const asset of new Set([booked, now, clearing].flatMap((units) => Object.keys(units)))) {
      const open = (unjudged === null ? -(booked[asset] ?? 0n) : (clearing[asset] ?? 0n)) + (now[asset] ?? 0n);
      // Whoever has only told each other of orders has booked nothing: such an asset may be nobody's yet.
      if (open === 0n) continue;
      const line = settled[asset];
      invariant(line !== undefined, `${asset} was booked and not added`);
      line.in_flight += open;
      line.clearing -= open;
    }
  }
  return settled;
}

function copyOf(sums: Sums): Sums {
  return Object.fromEntries(Object.entries(sums).map(([asset, lines]) => [asset, { ...lines }]));
}

/** What all lines of an asset come to. */
export function totalOf(lines: Record<Line, bigint>): bigint {
  return LINES.reduce((sum, line) => sum + lines[line], 0n);
}

/** An asset whose ledgers do not sum to zero. */
export function sumFindings(sums: Sums): Finding[] {
  return Object.entries(sums).flatMap(([asset, lines]): Finding[] => {
    const total = totalOf(lines);
    return total === 0n ? [] : [{ kind: "sum", subject: asset, expected: "0", found: String(total) }];
  });
}
