// An account's journal is cut once its oldest events are archived: what they led to stays, and what must be known for ever.
import { type AccountRemains, accountRemains } from "../../core/account/cut.ts";
import { emit } from "../../core/account/decide.ts";
import type { AccountEvent, AccountState } from "../../core/account/state.ts";
import { encode } from "../../core/codec.ts";
import { invariant, type Result } from "../../core/result.ts";
import { cutOnce, cuttable, eventsBetween } from "../cutting.ts";
import type { ObjectPorts } from "../ports.ts";
import type { Cuttable } from "../protocol.ts";
import { keptThrough } from "./archived.ts";
import type { AccountEngine } from "./engine.ts";
import { placedSeq } from "./transfer-rows.ts";

/** Cuts an account's journal. */
export class AccountCutting {
  readonly #ports: Pick<ObjectPorts, "sql" | "sha256" | "alert" | "name">;
  readonly #engine: AccountEngine;

  constructor(ports: Pick<ObjectPorts, "sql" | "sha256" | "alert" | "name">, engine: AccountEngine) {
    this.#ports = ports;
    this.#engine = engine;
  }

  /** What may be cut of what was before a time in ms. Null when that is nothing, or nothing may be while this is being restored. */
  cuttable(beforeMs: number): Cuttable | null {
    const { readable: state, stopped, handshakes } = this.#engine;
    if (state === null || stopped !== null || state.restoring || handshakes.unmet.size > 0) return null;
    return cuttable(this.#ports.sql, state, beforeMs, this.#neededFrom(state));
  }

  /**
   * Cuts what {@link cuttable} has answered; again, it changes nothing. Refuses `not_found` when it is something else by now, and
   * `unavailable` when it would lose something.
   * Only for events that are archived, and that the read model has.
   */
  cut(wanted: Cuttable): Result<null> {
    const replace = ({ through, before }: Cuttable) => this.#cut(through, before);
    const cutter = { state: () => this.#engine.state, cuttable: (ms: number) => this.cuttable(ms), replace };
    return cutOnce(this.#ports, cutter, wanted);
  }

  #cut(through: number, before: number): boolean {
    const { sql, name, sha256 } = this.#ports;
    const after = keptThrough(sql);
    const events = eventsBetween<AccountEvent>(sql, after, through);
    const placedSeqOf = (id: string) => placedSeq(sql, id);
    const remains = accountRemains(name, { after, events, placedSeqOf }, sha256);
    if (remains === null) return false;
    this.#engine.commit((turn) => {
      this.#replace(through, before, remains);
      emit(turn, { kind: "cut", through, before });
    });
    return true;
  }

  /** The first event that something is read from: commands without an answer, what the queue has not taken. */
  #neededFrom({ peers }: Readonly<AccountState>): number {
    const { sql } = this.#ports;
    const unanswered = [...peers].flatMap(([symbol, { acknowledged }]) => {
      const [row] = sql<{ seq: number }>(
        "SELECT seq FROM journal WHERE symbol = ? AND cseq > ? ORDER BY cseq LIMIT 1",
        ...[symbol, acknowledged],
      );
      return row?.seq ?? [];
    });
    return Math.min(...unanswered, this.#engine.journal.sent + 1);
  }

  #replace(through: number, before: number, { events, gathered, state }: AccountRemains): void {
    const { sql } = this.#ports;
    const { store } = this.#engine;
    const [first] = events;
    invariant(first !== undefined, "nothing stands for what is cut");
    sql("DELETE FROM journal WHERE seq >= ? AND seq <= ?", first.first, through);
    for (const event of events) store.journal(event);
    for (const { asset } of sql<{ asset: string }>("SELECT DISTINCT asset FROM ledger_accounts"))
      sql("DELETE FROM moves WHERE asset = ? AND seq <= ?", asset, through);
    sql("DELETE FROM prevented WHERE seq <= ?", through);
    sql(
      `DELETE FROM orders WHERE open = 0 AND body ->> '$.updatedAt' <= ? AND id IN (SELECT value FROM json_each(?))`,
      ...[before, JSON.stringify(gathered.gone(state))],
    );
    for (const { key, kept } of gathered.once) store.once.shorten(key, kept);
    store.setMeta("status_change", encode(gathered.statusChange));
  }
}
