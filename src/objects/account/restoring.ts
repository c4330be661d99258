// An account that is restored, or whose market is: it begins a new life, shakes hands, and opens again (protocol rule 15).
import type { AccountTurn } from "../../core/account/decide.ts";
import { emit } from "../../core/account/decide.ts";
import { markOf, meetMarket, owedToSuspense, reimport, repaySuspense, toldOf } from "../../core/account/reimport.ts";
import { type AccountEvent, accountPeer, applyAccountEvent } from "../../core/account/state.ts";
import { goneConflict, wholeBase } from "../../core/base.ts";
import { formatUnits } from "../../core/ledger.ts";
import { REPORTS_PER_CALL_MAX } from "../../core/limits.ts";
import { MARKETS } from "../../core/listings.ts";
import { conflictOf } from "../../core/messages.ts";
import { ConflictError, ok, orConflict, type Result, refuse } from "../../core/result.ts";
import type { HandshakeAnswer, HandshakeCall } from "../calls.ts";
import type { ObjectPorts } from "../ports.ts";
import type { OperatorAct, RestoreView, Snapshot } from "../protocol.ts";
import { SnapshotParts } from "../snapshot-parts.ts";
import { invalid, orInvalid, replaySnapshot, wrongEpoch } from "../stored.ts";
import type { AccountEngine } from "./engine.ts";

/** What came of one call of a handshake. `again`: the next call is of use now; `met`: hands are shaken. */
export type Shaken = "again" | "met" | { conflict: string };

/** How far a handshake has come, in memory: forgetting it only means asking once more. */
interface Progress {
  /** The market's epoch, null before its first answer. */
  to: number | null;
  /** The report after which the market has to be told; null when it knows all, or has not said yet. */
  tellFrom: number | null;
}

export class AccountRestoring {
  readonly #engine: AccountEngine;
  readonly #progress = new Map<string, Progress>();

  readonly #sha256: ObjectPorts["sha256"];
  /** What is kept of a snapshot that comes in parts. */
  readonly parts: SnapshotParts;

  constructor(engine: AccountEngine, ports: Pick<ObjectPorts, "sql" | "tx" | "sha256">) {
    this.#engine = engine;
    this.#sha256 = ports.sha256;
    this.parts = new SnapshotParts(ports);
  }

  /** Holds a pair until hands are shaken: the market has said that it lives anew. Belongs to no transaction. */
  begin(symbol: string): void {
    if (this.#engine.handshakes.has(symbol)) return;
    this.#engine.commit(() => this.#hold(symbol));
  }

  #hold(symbol: string): void {
    this.#engine.handshakes.add(symbol);
    this.#engine.arm(symbol);
  }

  /** The next call of a handshake. */
  call(symbol: string): HandshakeCall {
    const { state, store } = this.#engine;
    const { cseq, rseq } = accountPeer(state, symbol);
    const { to, tellFrom } = this.#progress.get(symbol) ?? { to: null, tellFrom: null };
    const [last] = rseq === 0 ? [] : store.reportsAfter(symbol, rseq - 1, 1);
    const retold = tellFrom === null ? [] : store.reportsAfter(symbol, tellFrom, REPORTS_PER_CALL_MAX);
    const told = retold.map((event) => toldOf(state.id, event));
    return { v: 1, account: state.id, epoch: state.epoch, to, cseq, rseq, last: last ? markOf(last) : null, told };
  }

  /** Takes a market's answer to that call. Null when it is of no use: the same is asked again later. */
  take(symbol: string, answer: HandshakeAnswer | null): Shaken | null {
    if (answer === null || answer.epoch === undefined) return null;
    const known = this.#progress.get(symbol);
    const progress = { to: answer.epoch, tellFrom: null };
    this.#progress.set(symbol, progress);
    if (answer.outcome === "later") return known?.to === answer.epoch ? null : "again";
    if (answer.outcome === "behind") return this.#tell(symbol, progress, answer);
    if (answer.outcome !== "known") return null;
    try {
      return this.#learn(symbol, answer.epoch, answer);
    } catch (error) {
      if (error instanceof ConflictError) return { conflict: error.message };
      throw error;
    }
  }

  #tell(symbol: string, progress: Progress, answer: HandshakeAnswer & { outcome: "behind" }): Shaken {
    const [mine] = answer.rseq === 0 ? [] : this.#engine.store.reportsAfter(symbol, answer.rseq - 1, 1);
    const conflict = mine === undefined ? null : conflictOf(markOf(mine), answer.last);
    if (conflict !== null) return { conflict };
    const [next] = this.#engine.store.reportsAfter(symbol, answer.rseq, 1);
    const gone = goneConflict(answer.rseq, accountPeer(this.#engine.state, symbol).rseq, next?.rseq);
    if (gone !== null) return { conflict: gone };
    this.#progress.set(symbol, { ...progress, tellFrom: answer.rseq });
    return "again";
  }

  #learn(symbol: string, epoch: number, answer: HandshakeAnswer & { outcome: "known" }): Shaken {
    const engine = this.#engine;
    const met = engine.commit((turn) => {
      const { store } = engine;
      orConflict(() =>
        reimport(turn, symbol, answer.told, {
          closed: (id) => store.findOrder(id),
          isUsed: (key) => store.once.find("client_order_id", key, "") !== undefined,
        }),
      );
      const { rseq, cseq } = accountPeer(turn.state, symbol);
      // More than one answer can hold; or a cancel was asked for while the call was out, of which the market must know first.
      if (rseq < answer.rseq || cseq > answer.cseq) return false;
      meetMarket(turn, symbol, epoch, answer.cseq);
      engine.handshakes.remove(symbol);
      this.settle(turn);
      return true;
    });
    for (const { report } of answer.told) engine.wake(report.orderId);
    if (met) this.#progress.delete(symbol);
    return met ? "met" : "again";
  }

  /** Clears suspense as far as money is there, and opens the account when nothing is left to wait for. */
  settle(turn: AccountTurn): void {
    if (this.#engine.handshakes.unmet.size > 0) return;
    repaySuspense(turn);
    if (!turn.state.restoring || owedToSuspense(turn.state).length > 0) return;
    emit(turn, { kind: "opened", by: null, reason: "every market has been met" });
  }

  /**
   * Begins the next life: writes the snapshot's journal, raises the epoch, and holds every pair until hands are shaken. A
   * second time with the same epoch changes nothing. `replace`: what is stored, readable or not, is thrown away. Refuses
   * `validation_failed` for an epoch that cannot follow, for a journal that is none, and for one where there is one already.
   */
  restore({ epoch, journal, after = 0, replace = false }: Snapshot, act: OperatorAct): Result<null> {
    const engine = this.#engine;
    const stored = replace ? engine.readable : engine.state;
    const known = stored?.epoch ?? engine.store.epoch();
    if (epoch === known && stored?.restoring === true) return ok(null);
    const wrong = wrongEpoch(epoch, known);
    if (wrong !== null) return wrong;
    if (!replace && after + journal.length > 0 && engine.state.seq > 0)
      return invalid("/journal", "this object has a journal");
    const pages = this.parts.pages({ epoch, after, journal });
    if (!pages.ok) return pages;
    const restored = orInvalid(() => this.#begin(epoch, pages.value, act, replace));
    if (!restored.ok) return restored;
    this.#progress.clear();
    for (const { symbol } of MARKETS) this.#engine.tell(symbol);
    return ok(null);
  }

  #begin(epoch: number, pages: Iterable<readonly string[]>, act: OperatorAct, replace: boolean): void {
    const engine = this.#engine;
    engine.commit((turn, write) => {
      const keep = (events: readonly AccountEvent[]) => {
        turn.events.push(...events);
        write();
      };
      const how = { apply: applyAccountEvent, keep, epoch, whole: wholeBase<AccountEvent>, sha256: this.#sha256 };
      replaySnapshot(pages, { state: turn.state, ...how });
      emit(turn, { kind: "restored", epoch, ...act });
      for (const { symbol } of MARKETS) this.#hold(symbol);
      engine.journal.restart();
      this.parts.forget();
    }, replace);
  }

  /** How far it has come; of an object whose rows cannot be read, that it needs to be restored. */
  view(): RestoreView {
    const { readable: state, handshakes, stopped, store } = this.#engine;
    if (state === null)
      return { epoch: store.epoch(), restoring: false, unmet: [...handshakes.unmet], breaks: [stopped ?? ""] };
    const owed = owedToSuspense(state).map(([asset, units]) => {
      return `${formatUnits(units, asset)} ${asset} in suspense: spent, and no journal says where it came from`;
    });
    const { data } = this.#engine.parked({ limit: MARKETS.length, cursor: null });
    const conflicts = data.filter(({ reason }) => reason.startsWith("conflict:"));
    const breaks = [...owed, ...conflicts.map(({ peer, reason }) => `${peer}: ${reason}`)];
    return { epoch: state.epoch, restoring: state.restoring, unmet: [...handshakes.unmet], breaks };
  }

  /** Takes new orders again though markets are unmet, whose pairs stay held, or money is in suspense. */
  reopen(act: OperatorAct): Result<null> {
    if (!this.#engine.state.restoring) return refuse({ code: "not_found", detail: "This is not restoring." });
    this.#engine.commit((turn) => emit(turn, { kind: "opened", ...act }));
    return ok(null);
  }
}
