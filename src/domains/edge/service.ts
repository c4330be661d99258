// The operators' lists of addresses: read, added to and taken from. Refuses what would shut out the operator who does it.
import { desc, eq, lt } from "drizzle-orm";
import { typeId } from "../../core/ids.ts";
import { formatBlock, type IpBlock, parseBlock } from "../../core/ip.ts";
import { IP_RULES_MAX } from "../../core/limits.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { ipRules } from "../../db/edge-tables.ts";
import { idCursor, type PageWish, pageById } from "../../http/page.ts";
import { type Listed, readLists, shutsOut } from "./ip-lists.ts";

/** Who does it and why, and from where, null when nothing says. */
export interface Operator {
  by: string;
  reason: string;
  ip: IpBlock | null;
  nowMs: number;
}

const LISTED: Refusal = { code: "already_listed", detail: "This block is on a list already." };

type Row = typeof ipRules.$inferSelect;

function wireRule({ id, list, block, reason, createdBy, createdAt }: Row) {
  return { id, list, block, reason, created_by: createdBy, created_at: wireTime(createdAt) };
}

/** The entries of both lists, newest first. Refuses a wrong cursor, and `unavailable` while D1 is away. */
export async function listRules(env: DatabaseBinding, wish: PageWish) {
  const cursor = idCursor("ipr", wish.cursor);
  if (!cursor.ok) return cursor;
  const found = await guardD1(
    database(env)
      .select()
      .from(ipRules)
      .where(cursor.value === null ? undefined : lt(ipRules.id, cursor.value))
      .orderBy(desc(ipRules.id))
      .limit(wish.limit + 1),
  );
  return found.ok ? ok(pageById(found.value, wish.limit, wireRule)) : found;
}

/**
 * Adds an entry. Refuses `already_listed`, more than {@link IP_RULES_MAX} entries, and what would shut out the
 * operator; `unavailable` while D1 is away. It counts here at once, in other isolates within half a minute.
 */
export async function addRule(
  env: DatabaseBinding,
  input: Listed,
  operator: Operator,
): Promise<Result<ReturnType<typeof wireRule>>> {
  const db = database(env);
  const all = await readRules(env);
  if (!all.ok) return all;
  if (all.value.length >= IP_RULES_MAX) return wrong("too_many", `There are at most ${IP_RULES_MAX} entries.`);
  // Entries from before may be written in another form of the same block.
  if (all.value.some(({ block }) => sameBlock(block, input.block))) return refuse(LISTED);
  if (locksOut([...all.value, input], operator)) return ownAddress();
  const id = typeId("ipr", operator.nowMs, crypto.getRandomValues(new Uint8Array(10)));
  const row: Row = { id, ...input, reason: operator.reason, createdBy: operator.by, createdAt: operator.nowMs };
  const written = await guardD1(db.insert(ipRules).values(row));
  if (!written.ok) {
    if (written.uniqueColumn === undefined) return refuse(written.refusal);
    return refuse(LISTED);
  }
  await readLists(env);
  return ok(wireRule(row));
}

/** Takes an entry off its list. Refuses `not_found`, what would shut out the operator, and `unavailable`. */
export async function removeRule(env: DatabaseBinding, id: string, operator: Operator): Promise<Result<null>> {
  const all = await readRules(env);
  if (!all.ok) return all;
  const rest = all.value.filter((rule) => rule.id !== id);
  if (rest.length === all.value.length) return refuse({ code: "not_found" });
  if (locksOut(rest, operator)) return ownAddress();
  const removed = await guardD1(database(env).delete(ipRules).where(eq(ipRules.id, id)));
  if (!removed.ok) return refuse(removed.refusal);
  await readLists(env);
  return ok(null);
}

async function readRules(env: DatabaseBinding): Promise<Result<(Listed & { id: string })[]>> {
  const { id, list, block } = ipRules;
  const found = await guardD1(database(env).select({ id, list, block }).from(ipRules));
  return found.ok ? ok(found.value) : refuse(found.refusal);
}

function locksOut(rules: readonly Listed[], { ip }: Operator): boolean {
  return ip !== null && shutsOut(rules, ip);
}

function sameBlock(one: string, other: string): boolean {
  const [first, second] = [parseBlock(one), parseBlock(other)];
  return first !== undefined && second !== undefined && formatBlock(first) === formatBlock(second);
}

function ownAddress() {
  return wrong("own_address", "This would shut you out yourself.");
}

function wrong(code: string, detail: string) {
  return refuse({ code: "validation_failed", errors: [{ pointer: "/block", code, detail }] });
}
