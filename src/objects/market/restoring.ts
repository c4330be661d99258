// A market that is restored, or whose account is: it begins a new life, takes hands, and opens again (protocol rule 15).
import { goneConflict, wholeBase } from "../../core/base.ts";
import { strangeEpoch } from "../../core/epochs.ts";
import { DESTINATIONS_PER_TURN_MAX, REPORTS_PER_CALL_MAX, SAFETY_NET_MS } from "../../core/limits.ts";
import { accountsOf } from "../../core/market/base.ts";
import { markOf, meetAccount, openMarket, reimport, toldOf, wholeTrades } from "../../core/market/reimport.ts";
import { applyMarketEvent, type MarketEvent, type MarketState, peerOf } from "../../core/market/state.ts";
import { emit, type MarketTurn } from "../../core/market/turn.ts";
import { conflictOf, type Mark } from "../../core/messages.ts";
import { ConflictError, ok, orConflict, type Result, refuse } from "../../core/result.ts";
import type { HandshakeAnswer, HandshakeCall, ReportAnswer, ReportCall } from "../calls.ts";
import type { Handshakes } from "../handshakes.ts";
import type { Outbox } from "../outbox.ts";
import type { ObjectPorts } from "../ports.ts";
import type { OperatorAct, RestoreView, Snapshot } from "../protocol.ts";
import { SnapshotParts } from "../snapshot-parts.ts";
import { invalid, orInvalid, replaySnapshot, wrongEpoch } from "../stored.ts";
import type { Timers } from "../timers.ts";
import type { MarketStore, PeerRecord } from "./store.ts";

/** An act on a market; `write` stores what it has come to so far: a whole history is too long to be held. */
export type MarketAct = (turn: MarketTurn, write: () => void) => void;

/** What this needs of the market. What a function answers may be read anew between two calls. */
export interface RestoringPorts extends Pick<ObjectPorts, "sql" | "now" | "tx" | "alert" | "sha256"> {
  report: (account: string, call: ReportCall) => Promise<ReportAnswer>;
  store: MarketStore;
  journal: Outbox;
  timers: () => Timers;
  handshakes: () => Handshakes;
  state: () => MarketState;
  /** The state; null while what is stored cannot be read. */
  readable: () => MarketState | null;
  stopped: () => string | null;
  records: () => Map<string, PeerRecord>;
  acknowledge: (account: string, rseq: number) => void;
  /** One act, and the reports that it made pushed. */
  commit: (work: (turn: MarketTurn) => void) => void;
  /** The act that restores: before it, the clock does not tick. `anew`: all that is stored is thrown away first. */
  begin: (work: MarketAct, anew: boolean) => void;
}

export const GREET_TIMER = "greet";

export class MarketRestoring {
  readonly #ports: RestoringPorts;
  /** What is kept of a snapshot that comes in parts. */
  readonly parts: SnapshotParts;

  constructor(ports: RestoringPorts) {
    this.#ports = ports;
    this.parts = new SnapshotParts(ports);
  }

  /**
   * Takes an account's hand: `behind` until this market knows every report that the account has applied, then `known` with
   * those that the account has not. Asking again gives the same. `conflict`: one number means different things to them, or
   * the account tells what nobody may tell an open market; it changes nothing.
   */
  shake(call: HandshakeCall): HandshakeAnswer {
    const { account, last } = call;
    const epoch = this.#ports.state().epoch;
    if (call.v !== 1 || (call.to !== null && call.to !== epoch)) return { outcome: "later" };
    const stranger = strangeEpoch("account", this.#ports.records().get(account)?.epoch ?? null, call.epoch);
    if (stranger !== null) return { outcome: "bug", detail: stranger };
    const conflict = conflictOf(this.#mark(account, call.rseq), last);
    if (conflict !== null) return { outcome: "conflict", detail: conflict };
    try {
      return this.#shake(call);
    } catch (error) {
      if (error instanceof ConflictError) return { outcome: "conflict", detail: error.message };
      throw error;
    }
  }

  #shake({ account, epoch, cseq, rseq, told }: HandshakeCall): HandshakeAnswer {
    const fresh = told.filter(({ report }) => report.rseq > this.#rseq(account));
    if (fresh.length > 0) this.#import(account, epoch, fresh);
    const known = this.#rseq(account);
    if (known < rseq) {
      if (!this.#ports.state().restoring)
        return { outcome: "conflict", detail: `conflict: report ${known + 1} is not known, and the market is open` };
      return { outcome: "behind", rseq: known, last: this.#mark(account, known) };
    }
    this.#meet(account, epoch, cseq);
    this.#ports.acknowledge(account, rseq);
    const missing = this.#ports.store.reportsAfter(account, rseq, REPORTS_PER_CALL_MAX);
    const { cseq: done, rseq: upTo } = peerOf(this.#ports.state(), account);
    const gap = goneConflict(rseq, upTo, missing[0]?.report.rseq);
    if (gap !== null) return { outcome: "conflict", detail: gap };
    return { outcome: "known", cseq: done, rseq: upTo, told: missing.map(toldOf) };
  }

  #rseq(account: string): number {
    return this.#ports.state().peers.get(account)?.rseq ?? 0;
  }

  #mark(account: string, rseq: number): Mark | null {
    if (rseq === 0 || rseq > this.#rseq(account)) return null;
    const [event] = this.#ports.store.reportsAfter(account, rseq - 1, 1);
    return event === undefined ? null : markOf(event.report);
  }

  #import(account: string, epoch: number, told: HandshakeCall["told"]): void {
    if (!this.#ports.state().restoring)
      throw new ConflictError(`conflict: ${told.length} reports are not known, and the market is open`);
    this.#ports.commit((turn) => {
      orConflict(() => reimport(turn, account, told));
      const record = this.#ports.records().get(account);
      // The account has what it tells: it must not be told back.
      const acknowledged = peerOf(turn.state, account).rseq;
      this.#ports.records().set(account, { epoch: record?.epoch ?? epoch, acknowledged });
    });
  }

  #meet(account: string, epoch: number, cseq: number): void {
    const { handshakes, records, state, commit } = this.#ports;
    const record = records().get(account);
    const met = !handshakes().has(account) && record?.epoch === epoch;
    if (met && (state().peers.get(account)?.cseq ?? 0) >= cseq) return;
    commit((turn) => {
      meetAccount(turn, account, epoch, cseq);
      records().set(account, { epoch, acknowledged: record?.acknowledged ?? 0 });
      handshakes().remove(account);
      if (turn.state.restoring && handshakes().unmet.size === 0) openMarket(turn, null, "every account has been met");
    });
  }

  /**
   * Begins the next life: writes the snapshot's journal, raises the epoch, and waits for the hand of every account that
   * has traded, by the snapshot or by what was known until now, or is expected. A second time with the same epoch changes
   * nothing. `replace`: what is stored, readable or not, is thrown away. Refuses `validation_failed` for an epoch that cannot
   * follow, for a journal that is none, and for one where there is one already.
   */
  restore(snapshot: Snapshot, expected: readonly string[], act: OperatorAct): Result<null> {
    const { epoch, journal, after = 0, replace = false } = snapshot;
    const stored = replace ? this.#ports.readable() : this.#ports.state();
    const known = stored?.epoch ?? this.#ports.store.epoch();
    if (epoch === known && stored?.restoring === true) return ok(null);
    const wrong = wrongEpoch(epoch, known);
    if (wrong !== null) return wrong;
    const isEmpty = after + journal.length === 0;
    if (!replace && !isEmpty && this.#ports.state().peers.size > 0)
      return invalid("/journal", "this object has a journal");
    const pages = this.parts.pages({ epoch, after, journal });
    if (!pages.ok) return pages;
    // Whoever has traded since the snapshot may be as new to the read model: nobody else would say that they are expected.
    const met = [...(stored?.peers.keys() ?? [])];
    return orInvalid(() => {
      this.#ports.begin((turn, write) => {
        // Whoever looked at the book of a wiped market has made it quote.
        if (!isEmpty && !replace) Object.assign(turn.state, this.#ports.store.forgetQuotes(turn.state));
        this.#replay(turn, write, epoch, pages.value);
        this.#record(turn.state, turn.state.peers.keys());
        emit(turn, { kind: "restored", epoch, ...act });
        const awaited = new Set([...turn.state.peers.keys(), ...met, ...expected]);
        for (const account of awaited) this.#ports.handshakes().add(account);
        this.#ports.timers().arm(GREET_TIMER, "", this.#ports.now());
        this.#ports.journal.restart();
        this.parts.forget();
      }, replace);
    });
  }

  #replay(turn: MarketTurn, write: () => void, epoch: number, pages: Iterable<readonly string[]>): void {
    const { state } = turn;
    const { sha256 } = this.#ports;
    const keep = (events: readonly MarketEvent[]) => {
      this.#record(state, new Set(events.flatMap(accountsOf)));
      const records = this.#ports.records();
      for (const { account, epoch: known } of events.flatMap(epochsOf)) {
        const record = records.get(account);
        if (record !== undefined) record.epoch = known;
      }
      turn.events.push(...events);
      write();
    };
    const whole = (events: readonly MarketEvent[]) => wholeBase(wholeTrades(events));
    replaySnapshot(pages, { state, apply: applyMarketEvent, keep, epoch, whole, sha256 });
  }

  /** Accounts have what the journal has told them: a market's whole history would be held in memory for them, and told again. */
  #record(state: MarketState, accounts: Iterable<string>): void {
    const records = this.#ports.records();
    for (const account of accounts) {
      const peer = peerOf(state, account);
      records.set(account, { epoch: records.get(account)?.epoch ?? 1, acknowledged: peer.rseq });
      peer.unacknowledged = [];
    }
  }

  /** Tells accounts that it waits for their hand, some at a time and for as long as it does. Never throws. */
  greet(): void {
    const { handshakes, state, timers, now, tx, report } = this.#ports;
    const unmet = [...handshakes().unmet];
    tx(() => {
      if (unmet.length === 0) timers().clear(GREET_TIMER, "");
      else timers().arm(GREET_TIMER, "", now() + SAFETY_NET_MS);
    });
    const { symbol, epoch } = state();
    const turn = Math.floor(now() / SAFETY_NET_MS);
    const first = unmet.length === 0 ? 0 : (turn * DESTINATIONS_PER_TURN_MAX) % unmet.length;
    for (const account of [...unmet.slice(first), ...unmet.slice(0, first)].slice(0, DESTINATIONS_PER_TURN_MAX)) {
      // Its answer says nothing: the account's own call does.
      report(account, { v: 1, symbol, epoch, reports: [], hello: true }).catch(() => undefined);
    }
  }

  /** How far it has come; of an object whose rows cannot be read, that it needs to be restored. */
  view(): RestoreView {
    const { readable, handshakes, stopped, store } = this.#ports;
    const { epoch, restoring } = readable() ?? { epoch: store.epoch(), restoring: false };
    const breaks = readable() === null ? [stopped() ?? ""] : [];
    return { epoch, restoring, unmet: [...handshakes().unmet], breaks };
  }

  /** Opens though accounts are unmet: what they know and this market does not stays a conflict with them. */
  reopen(act: OperatorAct): Result<null> {
    if (!this.#ports.state().restoring) return refuse({ code: "not_found", detail: "This is not restoring." });
    this.#ports.commit((turn) => openMarket(turn, act.by, act.reason));
    return ok(null);
  }
}

/** The epochs of accounts that an event says. */
function epochsOf(event: MarketEvent): { account: string; epoch: number }[] {
  if (event.kind === "met") return [event];
  return event.kind === "base" ? event.items.flatMap((one) => (one.item === "peer" ? [one] : [])) : [];
}
