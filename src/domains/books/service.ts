// What is said of the books: the last finished check, and the rounds of liabilities.
import { count, isNull } from "drizzle-orm";
import type { Amount } from "../../core/exam.ts";
import { formatUnits } from "../../core/ledger.ts";
import { roundName, roundOf, shownSums } from "../../core/liabilities.ts";
import { CHECK_STALE_MS, LIABILITY_NODES_KEPT_MS } from "../../core/limits.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { breaks } from "../../db/books-tables.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { cursorOf, type PageWish, pageBy } from "../../http/page.ts";
import { type CheckResult, lastFinished } from "./checks.ts";
import { type Proof, proofOf, type RoundRow, roundsBefore } from "./liabilities.ts";
import type { Invariants } from "./schema.ts";

const NOT_CHECKED: Invariants = {
  checked: false,
  at: null,
  stale: true,
  counts: null,
  sums: [],
  breaks: null,
  unjudged: [],
};

/** The last finished check, without a word of any account. Refuses `unavailable` while D1 is away. */
export async function readInvariants(env: DatabaseBinding, nowMs: number): Promise<Result<Invariants>> {
  const db = database(env);
  const last = await lastFinished(db);
  if (!last.ok) return last;
  const row = last.value;
  if (row === undefined || row.finishedAt === null || row.result === null) return ok(NOT_CHECKED);
  const open = await guardD1(
    db.select({ kind: breaks.kind, n: count() }).from(breaks).where(isNull(breaks.closedAt)).groupBy(breaks.kind),
  );
  if (!open.ok) return open;
  const { sums, unjudged, unreached } = JSON.parse(row.result) as CheckResult;
  const { accounts, markets, orders, entries, startedAt, finishedAt } = row;
  return ok({
    checked: true,
    at: wireTime(finishedAt),
    started_at: wireTime(startedAt),
    duration_ms: finishedAt - startedAt,
    stale: nowMs - finishedAt > CHECK_STALE_MS,
    counts: { accounts, accounts_unreached: unreached, markets, orders, entries },
    sums: sums.map(({ asset, lines, total }) => ({ asset, ...lines, total })),
    breaks: {
      total: open.value.reduce((sum, { n }) => sum + n, 0),
      by_kind: Object.fromEntries(open.value.map(({ kind, n }) => [kind, n])),
    },
    unjudged,
  });
}

const shown = (sums: readonly Amount[]) => shownSums(sums).map(([asset, amount]) => ({ asset, amount }));

function wireRound({ round, root, totals, accounts, missing, finishedAt }: RoundRow) {
  return {
    round: roundName(round),
    as_of: wireTime(round),
    root: root ?? "",
    accounts,
    missing: missing.length,
    totals: (totals ?? []).map(([asset, units]) => ({ asset, amount: formatUnits(BigInt(units), asset) })),
    finished_at: wireTime(finishedAt ?? round),
    proofs_until: wireTime(round + LIABILITY_NODES_KEPT_MS),
  };
}

/** The rounds that are done, newest first. Refuses a wrong cursor, and `unavailable` while D1 is away. */
export async function listRounds(env: DatabaseBinding, { limit, cursor }: PageWish) {
  const before = cursorOf(cursor);
  if (!before.ok) return before;
  const found = await roundsBefore(database(env), before.value, limit + 1);
  if (!found.ok) return found;
  return ok(pageBy(found.value, limit, ({ round }) => `c${round.toString(36)}`, wireRound));
}

/** An account's proof for a round by its name. Refuses as {@link proofOf}; a name of no hour is `not_found`. */
export async function readProof(
  env: DatabaseBinding,
  account: string,
  name: string,
  nowMs: number,
): Promise<Result<Proof>> {
  const round = roundOf(name);
  if (round === undefined) return refuse({ code: "not_found", detail: "There is no such round." });
  return proofOf(database(env), account, round, nowMs);
}

/** A proof as docs/ledger.md has it: all that a verifier needs, but for a root from elsewhere. */
export function wireProof({ row, account, salt, hash, sums, path }: Proof) {
  return {
    v: 1 as const,
    round: roundName(row.round),
    account_id: account,
    salt,
    balances: shown(sums),
    leaf: hash,
    path: path.map((one) => ({ side: one.side, hash: one.hash, sums: shown(one.sums) })),
    root: row.root ?? "",
    totals: wireRound(row).totals,
  };
}
