// Whether a statement holds, judged from the file alone: the chain, each entry's sums, running balances, opening to closing.
import { createHash } from "node:crypto";
import { type ChainHead, chainText, GENESIS_HASH } from "../src/core/ledger.ts";
import { type BookedEntry, decimalOf, FileError, type OwnBalance, type Statement, unitsOf } from "./ledger-file.ts";

/** What was found: how much was checked, and what is wrong first; null when nothing is. */
export interface Verdict {
  entries: number;
  postings: number;
  /** Per asset, how what one has came from what one had. */
  sums: { asset: string; opening: string; moved: string; closing: string }[];
  wrong: string | null;
}

/** Running balances by `account asset`. */
type Running = Map<string, bigint>;

/**
 * Checks a statement. `head`: a hash of the ledger that one has from elsewhere, as GET /v1/account answered it then; a file
 * that was made up from its first entry to its last holds by itself, and only ends elsewhere.
 */
export function checkStatement(statement: Statement, head: string | null): Verdict {
  const { entries } = statement;
  const running: Running = new Map();
  const verdict: Verdict = { entries: 0, postings: 0, sums: [], wrong: null };
  try {
    beginsRight(statement, running);
    const opening = new Map(running);
    let before = statement.before;
    for (const [index, entry] of entries.entries()) {
      inside(`entry ${entry.seq} (number ${index + 1} in the file, ${entry.id})`, () => {
        followsChain(before, entry);
        isInPlace(statement, entries[index - 1] ?? null, before, entry);
        sumsToZero(entry);
        movesBalances(running, statement.before.seq === 0, entry);
      });
      before = { seq: entry.seq, hash: entry.hash };
      verdict.entries += 1;
      verdict.postings += entry.postings.length;
    }
    endsRight(statement, before, running, head);
    verdict.sums = sumsOf(opening, running);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    verdict.wrong = error.message;
  }
  return verdict;
}

function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new FileError(otherwise);
}

function inside(where: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw error instanceof FileError ? new FileError(`${where}: ${error.message}`) : error;
  }
}

const keyOf = (account: string, asset: string) => `${account} ${asset}`;
const isOwn = (account: string) => account === "available" || account === "held";

function beginsRight({ before, opening }: Statement, running: Running): void {
  inside("opening", () => readOwn(opening, running));
  if (before.seq !== 0) return;
  must(before.hash === GENESIS_HASH, "the hash before the first entry is not 64 zeros");
  must(opening.length === 0, "opening: there is a balance before the first entry");
}

function readOwn(balances: readonly OwnBalance[], into: Running): void {
  for (const { account, asset, balance } of balances) {
    must(isOwn(account), `${account} is none of the owner's accounts`);
    must(!into.has(keyOf(account, asset)), `${account} ${asset} stands there twice`);
    must(unitsOf(balance) >= 0n, `${account} ${asset} is ${balance}`);
    into.set(keyOf(account, asset), unitsOf(balance));
  }
}

function followsChain(before: ChainHead, entry: BookedEntry): void {
  const hash = createHash("sha256").update(chainText(before.hash, entry)).digest("hex");
  must(hash === entry.hash, "its hash is not that of what it says after the entry before it");
}

function isInPlace({ from, to }: Statement, last: BookedEntry | null, before: ChainHead, entry: BookedEntry): void {
  must(entry.seq > before.seq, `it comes after entry ${before.seq}`);
  const at = Date.parse(entry.at);
  must(Number.isFinite(at), `"${entry.at}" is no time`);
  must(last === null || at >= Date.parse(last.at), `it is of ${entry.at}, and the entry before it of ${last?.at}`);
  must(from === null || at >= Date.parse(from), `it is of ${entry.at}, before the period begins`);
  must(to === null || at < Date.parse(to), `it is of ${entry.at}, when the period is over`);
}

function sumsToZero({ postings }: BookedEntry): void {
  const sums = new Map<string, bigint>();
  for (const { asset, amount } of postings) sums.set(asset, (sums.get(asset) ?? 0n) + unitsOf(amount));
  for (const [asset, sum] of sums) must(sum === 0n, `its postings leave ${decimalOf(sum)} ${asset} over`);
}

/** `whole`: the file begins with the ledger, so that every account begins with nothing; else only the owner's are known. */
function movesBalances(running: Running, whole: boolean, { postings }: BookedEntry): void {
  for (const { account, asset, amount, balance } of postings) {
    const key = keyOf(account, asset);
    const known = running.get(key) ?? (whole || isOwn(account) ? 0n : null);
    const after = unitsOf(balance);
    if (known !== null) {
      const due = decimalOf(known + unitsOf(amount));
      must(known + unitsOf(amount) === after, `${key} is ${due} after it, and it says ${balance}`);
    }
    must(after >= 0n || !isOwn(account), `${key} would be ${balance}`);
    running.set(key, after);
  }
}

function endsRight(statement: Statement, last: ChainHead, running: Running, head: string | null): void {
  const { closing, head: end } = statement;
  const told: Running = new Map();
  inside("closing", () => {
    readOwn(closing, told);
    for (const [key, units] of ownOf(running)) {
      const said = told.get(key) ?? 0n;
      must(said === units, `${key} is ${decimalOf(units)} by the entries, and it says ${decimalOf(said)}`);
    }
    for (const [key, units] of told) must(units === (running.get(key) ?? 0n), `${key} comes from no entry`);
  });
  must(end.seq === last.seq, `the ledger ends at entry ${last.seq}, and it says ${end.seq}`);
  must(end.hash === last.hash, `the ledger ends with ${last.hash}, and it says ${end.hash}`);
  must(head === null || end.hash === head, `the ledger ends with ${end.hash}, and not with ${head}`);
}

function ownOf(running: Running): [key: string, units: bigint][] {
  return [...running].filter(([key]) => isOwn(key.split(" ")[0] ?? ""));
}

function sumsOf(opening: Running, closing: Running): Verdict["sums"] {
  const assets = new Set(ownOf(closing).map(([key]) => key.slice(key.indexOf(" ") + 1)));
  const total = (balances: Running, asset: string) =>
    (balances.get(keyOf("available", asset)) ?? 0n) + (balances.get(keyOf("held", asset)) ?? 0n);
  return [...assets].sort().map((asset) => {
    const [had, has] = [total(opening, asset), total(closing, asset)];
    return { asset, opening: decimalOf(had), moved: decimalOf(has - had), closing: decimalOf(has) };
  });
}
