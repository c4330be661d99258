// The hourly round: every account says what it owed its customer at the full hour, and a tree is built over that. Each slice is
// one D1 batch, so that any run of the cron goes on where the last one ended.
import { and, asc, desc, eq, gt, gte, isNotNull, lt, lte, type SQL, sql } from "drizzle-orm";
import type { Amount } from "../../core/exam.ts";
import { GENESIS_HASH } from "../../core/ledger.ts";
import { climb, hourOf, leafText, roundName, type Sibling, shownSums, type TreeNode } from "../../core/liabilities.ts";
import {
  CHECK_UNREACHED_MAX,
  LIABILITY_ACCOUNTS_MAX,
  LIABILITY_BLOCK_NODES,
  LIABILITY_FORGET_MAX,
  LIABILITY_GRACE_MS,
  LIABILITY_NODES_KEPT_MS,
  LIABILITY_WAIT_MS,
} from "../../core/limits.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { liabilityNodes, liabilityRounds } from "../../db/books-tables.ts";
import { type Database, database, type Guarded, guardD1 } from "../../db/client.ts";
import { knownAccounts } from "../../db/walks.ts";
import { askOwed, type BooksBindings, hexOf, sha256Hex } from "./examine.ts";

/** A round as it is stored. */
export type RoundRow = typeof liabilityRounds.$inferSelect;
type NodeRow = typeof liabilityNodes.$inferInsert;
type StoredSums = NodeRow["sums"];

const stored = (sums: readonly Amount[]): StoredSums => sums.map(({ asset, units }) => [asset, String(units)]);
const unitsIn = (sums: StoredSums): Amount[] => sums.map(([asset, units]) => ({ asset, units: BigInt(units) }));
const nodeOf = ({ hash, sums }: Pick<NodeRow, "hash" | "sums">): TreeNode => ({ hash, sums: unitsIn(sums) });

/** The oldest round that is not done, after the one of this hour has been begun if it is time; null when all are done. */
export async function currentRound(db: Database, now: number): Promise<Guarded<RoundRow | null>> {
  const round = hourOf(now - LIABILITY_GRACE_MS);
  const begun = { round, phase: "leaves" as const, position: "", storey: 0, version: 1, accounts: 0, missing: [] };
  const found = await guardD1(
    db.batch([
      db
        .insert(liabilityRounds)
        .values({ ...begun, startedAt: now })
        .onConflictDoNothing(),
      db.select().from(liabilityRounds).where(sql`phase <> 'done'`).orderBy(asc(liabilityRounds.round)).limit(1),
    ]),
  );
  return found.ok ? { ok: true, value: found.value[1][0] ?? null } : found;
}

/** Does a round's next slice. Answers it as it is then; null when D1 fails, it has to wait, or another run has done this slice. */
export async function nextRoundSlice(env: BooksBindings, row: RoundRow, now: number): Promise<RoundRow | null> {
  const db = database(env);
  const step = row.phase === "leaves" ? await leavesStep(env, db, row, now) : await treeStep(db, row, now);
  if (!step.ok || step.value === null) return null;
  const { changed, nodes } = step.value;
  const { round: _, ...set } = { ...row, ...changed, version: row.version + 1 };
  const itIs = and(eq(liabilityRounds.round, row.round), eq(liabilityRounds.version, row.version));
  const write = await guardD1(
    db.batch([
      keepNodes(db, row, nodes),
      db.update(liabilityRounds).set(set).where(itIs).returning({ round: liabilityRounds.round }),
    ]),
  );
  return write.ok && write.value[1].length === 1 ? { ...row, ...set } : null;
}

interface Step {
  changed: Partial<RoundRow>;
  nodes: NodeRow[];
}

/** Nothing is added once another run has done this slice: the tree may stand by then. */
function keepNodes(db: Database, { round, version }: RoundRow, nodes: readonly NodeRow[]) {
  const rows = nodes.map((row) => [row.round, row.storey, row.first, row.hash, row.sums, row.accountId, row.salt]);
  const now = sql`(SELECT version FROM liability_rounds WHERE round = ${round})`;
  return db
    .insert(liabilityNodes)
    .select(
      sql`SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value -> 4, value ->> 5, value ->> 6
        FROM json_each(${JSON.stringify(rows)}) WHERE ${now} = ${version}`,
    )
    .onConflictDoNothing();
}

async function leavesStep(env: BooksBindings, db: Database, row: RoundRow, now: number): Promise<Guarded<Step | null>> {
  const names = await knownAccounts(db, row.position, LIABILITY_ACCOUNTS_MAX);
  if (!names.ok) return names;
  const position = names.value.at(-1);
  const asked = position === undefined ? row.missing.slice(0, LIABILITY_ACCOUNTS_MAX) : names.value;
  const { nodes, missing } = await leavesOf(env, row.round, asked);
  const accounts = row.accounts + nodes.length;
  const late = now >= row.round + LIABILITY_WAIT_MS;
  if (row.missing.length + missing.length > CHECK_UNREACHED_MAX && position !== undefined) {
    // A root that leaves so many out would say nothing: the round waits, and then ends without one.
    return { ok: true, value: late ? { changed: { phase: "done", finishedAt: now }, nodes: [] } : null };
  }
  if (position !== undefined) {
    const changed = { position, accounts, missing: [...row.missing, ...missing] };
    return { ok: true, value: { changed, nodes } };
  }
  const left = [...row.missing.slice(asked.length), ...missing];
  if (left.length === 0 || late) {
    return { ok: true, value: { changed: { phase: "tree", position: "", accounts, missing: left }, nodes } };
  }
  // Nobody new has answered: the next run asks again.
  return { ok: true, value: missing.length === asked.length ? null : { changed: { accounts, missing: left }, nodes } };
}

async function leavesOf(env: BooksBindings, round: number, names: readonly string[]) {
  const nodes: NodeRow[] = [];
  const missing: string[] = [];
  await Promise.all(
    names.map(async (account) => {
      const balances = await askOwed(env, account, round);
      if (balances === null) missing.push(account);
      if (balances === null || balances.length === 0) return;
      const salt = hexOf(crypto.getRandomValues(new Uint8Array(32)));
      const hash = await sha256Hex(leafText({ round: roundName(round), account, salt, sums: shownSums(balances) }));
      nodes.push({ round, storey: 0, first: hash, hash, sums: stored(balances), accountId: account, salt });
    }),
  );
  return { nodes, missing: missing.sort() };
}

/** Leaves stand in the order of their hashes, which is none: nobody can tell whose a neighbour is. */
async function treeStep(db: Database, row: RoundRow, now: number): Promise<Guarded<Step>> {
  const { round, storey, position } = row;
  const block = await guardD1(nodesOf(db, and(atStorey(round, storey), gt(liabilityNodes.first, position))));
  if (!block.ok) return block;
  const { top } = await climb(block.value.map(nodeOf), 0, sha256Hex);
  const [first, last] = [block.value[0]?.first, block.value.at(-1)?.first];
  if (position === "" && block.value.length < LIABILITY_BLOCK_NODES) {
    const root = { root: top?.hash ?? GENESIS_HASH, totals: stored(top?.sums ?? []) };
    return { ok: true, value: { changed: { phase: "done", ...root, finishedAt: now }, nodes: [] } };
  }
  if (top === undefined || first === undefined || last === undefined) {
    return { ok: true, value: { changed: { storey: storey + 1, position: "" }, nodes: [] } };
  }
  const node = {
    round,
    storey: storey + 1,
    first,
    hash: top.hash,
    sums: stored(top.sums),
    accountId: null,
    salt: null,
  };
  return { ok: true, value: { changed: { position: last }, nodes: [node] } };
}

function atStorey(round: number, storey: number): SQL | undefined {
  return and(eq(liabilityNodes.round, round), eq(liabilityNodes.storey, storey));
}

function nodesOf(db: Database, where: SQL | undefined) {
  return db.select().from(liabilityNodes).where(where).orderBy(asc(liabilityNodes.first)).limit(LIABILITY_BLOCK_NODES);
}

const GONE = refuse({ code: "not_found", detail: "You had nothing then, or its proofs are no longer kept." });

/** What shows that an account is in a round: its leaf, and the way up to the root. */
export interface Proof {
  row: RoundRow;
  account: string;
  salt: string;
  hash: string;
  sums: Amount[];
  path: Sibling[];
}

/**
 * The proof of an account in a round. Refuses `not_found` for a round that is not there or not done, whose nodes are no longer
 * kept, or in which the account had nothing; and `unavailable`.
 */
export async function proofOf(db: Database, account: string, round: number, now: number): Promise<Result<Proof>> {
  // Some of a round's nodes may be gone already while others are still there.
  if (round < now - LIABILITY_NODES_KEPT_MS) return GONE;
  const found = await guardD1(
    db.batch([
      db
        .select()
        .from(liabilityRounds)
        .where(and(eq(liabilityRounds.round, round), eq(liabilityRounds.phase, "done"))),
      db
        .select()
        .from(liabilityNodes)
        .where(and(eq(liabilityNodes.round, round), eq(liabilityNodes.accountId, account))),
    ]),
  );
  if (!found.ok) return found;
  const [[row], [leaf]] = found.value;
  if (row === undefined) return refuse({ code: "not_found", detail: "There is no such round." });
  if (leaf === undefined) return GONE;
  const path: Sibling[] = [];
  let at: Pick<NodeRow, "first"> = leaf;
  for (let storey = 0; ; storey += 1) {
    const above = await guardD1(parentOf(db, round, storey + 1, at.first));
    if (!above.ok) return above;
    const from: SQL | undefined =
      above.value[0] === undefined ? undefined : gte(liabilityNodes.first, above.value[0].first);
    const block = await guardD1(nodesOf(db, and(atStorey(round, storey), from)));
    if (!block.ok) return block;
    const index = block.value.findIndex(({ first }) => first === at.first);
    path.push(...(await climb(block.value.map(nodeOf), index, sha256Hex)).path);
    if (above.value[0] === undefined) break;
    at = above.value[0];
  }
  return ok({ row, account, salt: leaf.salt ?? "", hash: leaf.hash, sums: unitsIn(leaf.sums), path });
}

function parentOf(db: Database, round: number, storey: number, first: string) {
  return db
    .select()
    .from(liabilityNodes)
    .where(and(atStorey(round, storey), lte(liabilityNodes.first, first)))
    .orderBy(desc(liabilityNodes.first))
    .limit(1);
}

/** Rounds that are done, the last first, at most `limit` before one. */
export function roundsBefore(db: Database, before: number | null, limit: number): Promise<Guarded<RoundRow[]>> {
  const older = before === null ? undefined : lt(liabilityRounds.round, before);
  return guardD1(
    db
      .select()
      .from(liabilityRounds)
      .where(and(isNotNull(liabilityRounds.root), older))
      .orderBy(desc(liabilityRounds.round))
      .limit(limit),
  );
}

/** Forgets the nodes of rounds that are long over, {@link LIABILITY_FORGET_MAX} at a time; roots stay. */
export function forgetNodes(db: Database, now: number) {
  return db.run(
    sql`DELETE FROM liability_nodes WHERE rowid IN
      (SELECT rowid FROM liability_nodes WHERE round < ${now - LIABILITY_NODES_KEPT_MS} LIMIT ${LIABILITY_FORGET_MAX})`,
  );
}
