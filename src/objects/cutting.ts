// Which events of a journal may be cut, and how: those that are old enough, that the queue has taken, and that nothing needs any more.
import type { Base } from "../core/base.ts";
import { encode } from "../core/codec.ts";
import { CUT_EVENTS_MAX } from "../core/limits.ts";
import { ok, onBreak, type Result, refuse } from "../core/result.ts";
import type { ObjectPorts, Sql } from "./ports.ts";
import type { Cuttable } from "./protocol.ts";
import { readBody } from "./stored.ts";

interface Row extends Record<string, number | string> {
  seq: number;
  at: number;
  kind: string;
}

/**
 * What may be cut of what was before a time in ms; null when that is nothing. `neededFrom`: the first event that must stay. A cut ends
 * where time has moved on: what was done in one turn, and all of one millisecond, stays together.
 */
export function cuttable(
  sql: Sql,
  { epoch, base }: { epoch: number; base: Base },
  beforeMs: number,
  neededFrom: number,
): Cuttable | null {
  const rows = nextRows(sql, base.seq);
  const stays = rows.find(({ seq }) => seq >= neededFrom) ?? (rows.length > CUT_EVENTS_MAX ? rows.at(-1) : undefined);
  const last = rows.findLast(({ at }) => at < Math.min(beforeMs, stays?.at ?? beforeMs));
  if (last === undefined) return null;
  const { seq: through, at: before } = last;
  // Where nothing has happened since the last cut, another would only take that one's word.
  const isWorth = rows.some(({ seq, kind }) => seq <= through && kind !== "cut");
  return isWorth ? { epoch, after: base.seq, through, before } : null;
}

/** The next events, one more than a cut takes; all of one millisecond where that alone has more. */
function nextRows(sql: Sql, after: number): Row[] {
  const rows = sql<Row>(
    "SELECT seq, at, kind FROM journal WHERE seq > ? ORDER BY seq LIMIT ?",
    after,
    CUT_EVENTS_MAX + 1,
  );
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined || rows.length <= CUT_EVENTS_MAX || first.at !== last.at) return rows;
  const next = sql<Row>(
    "SELECT seq, at, kind FROM journal WHERE seq > ? AND at > ? ORDER BY seq LIMIT 1",
    after,
    first.at,
  );
  const same = sql<Row>("SELECT seq, at, kind FROM journal WHERE seq > ? AND at = ? ORDER BY seq", after, first.at);
  return [...same, ...next];
}

/** A journal's events after a number up to another, what stands for others among them. */
export function eventsBetween<Event>(sql: Sql, after: number, through: number): Event[] {
  const rows = sql<{ seq: number; body: string }>(
    "SELECT seq, body FROM journal WHERE seq > ? AND seq <= ? ORDER BY seq",
    ...[after, through],
  );
  return rows.map(({ seq, body }) => readBody<Event>(body, `journal row ${seq}`));
}

/** An object that is to be cut: how it stands, what may be cut of it, and the cut itself, which answers false where it is not worth it. */
export interface Cutter {
  state: () => { epoch: number; base: Base } | null;
  cuttable: (beforeMs: number) => Cuttable | null;
  replace: (wanted: Cuttable) => boolean;
}

/**
 * Cuts what may be cut; again, it changes nothing. Refuses `not_found` when it is something else by now, or not worth it. One that would
 * lose something is `unavailable`, and not made: a person must look, the object goes on.
 */
export function cutOnce(
  { alert, name }: Pick<ObjectPorts, "alert" | "name">,
  { state, cuttable: may, replace }: Cutter,
  wanted: Cuttable,
): Result<null> {
  const cut = (): Result<null> => {
    const known = state();
    if (known?.epoch === wanted.epoch && known.base.seq >= wanted.through) return ok(null);
    const isSame = encode(may(wanted.before + 1)) === encode(wanted);
    return isSame && replace(wanted) ? ok(null) : refuse({ code: "not_found" });
  };
  return onBreak(cut, ({ message }) => {
    alert(`${name} is not cut: ${message}`);
    return refuse({ code: "unavailable" });
  });
}
