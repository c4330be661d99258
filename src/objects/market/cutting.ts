// A market's journal is cut once its oldest events are archived: what they led to stays.
import { FIRST_EPOCH } from "../../core/epochs.ts";
import type { MarketRules } from "../../core/listings.ts";
import { marketRemains } from "../../core/market/cut.ts";
import type { MarketEvent, MarketState } from "../../core/market/state.ts";
import { emit, type MarketTurn } from "../../core/market/turn.ts";
import type { Result } from "../../core/result.ts";
import { cutOnce, cuttable, eventsBetween } from "../cutting.ts";
import type { Handshakes } from "../handshakes.ts";
import type { Outbox } from "../outbox.ts";
import type { ObjectPorts } from "../ports.ts";
import type { Cuttable } from "../protocol.ts";
import type { MarketStore, PeerRecord } from "./store.ts";

/** What this needs of the market. */
export interface MarketCuttingPorts extends Pick<ObjectPorts, "sql" | "sha256" | "alert" | "name"> {
  listed: MarketRules;
  store: MarketStore;
  journal: Outbox;
  handshakes: () => Handshakes;
  readable: () => Readonly<MarketState> | null;
  stopped: () => string | null;
  records: () => ReadonlyMap<string, PeerRecord>;
  commit: (work: (turn: MarketTurn) => void) => void;
}

/** Cuts a market's journal. */
export class MarketCutting {
  readonly #ports: MarketCuttingPorts;

  constructor(ports: MarketCuttingPorts) {
    this.#ports = ports;
  }

  /** As an account's. */
  cuttable(beforeMs: number): Cuttable | null {
    const { sql, readable, stopped, handshakes } = this.#ports;
    const state = readable();
    if (state === null || stopped() !== null || state.restoring || handshakes().unmet.size > 0) return null;
    return cuttable(sql, state, beforeMs, this.#neededFrom(state));
  }

  /** As an account's. */
  cut(wanted: Cuttable): Result<null> {
    const replace = ({ through, before }: Cuttable) => this.#cut(through, before);
    const cutter = { state: this.#ports.readable, cuttable: (ms: number) => this.cuttable(ms), replace };
    return cutOnce(this.#ports, cutter, wanted);
  }

  #cut(through: number, before: number): boolean {
    const { sql, listed, records, sha256 } = this.#ports;
    const epochOf = (account: string) => records().get(account)?.epoch ?? FIRST_EPOCH;
    const events = marketRemains(listed, eventsBetween<MarketEvent>(sql, 0, through), epochOf, sha256);
    if (events === null) return false;
    this.#ports.commit((turn) => {
      sql("DELETE FROM journal WHERE seq <= ?", through);
      for (const event of events) this.#ports.store.journal(event);
      emit(turn, { kind: "cut", through, before });
    });
    return true;
  }

  /** The first event that something is read from: reports that are owed, the last quotes, what the queue has not taken. */
  #neededFrom({ peers }: Readonly<MarketState>): number {
    const { sql, journal, store } = this.#ports;
    const owed = [...peers].flatMap(([account, { unacknowledged }]) => {
      const [report] = unacknowledged;
      return report === undefined ? [] : store.reportsAfter(account, report.rseq - 1, 1).map(({ seq }) => seq);
    });
    const [quotes] = sql<{ seq: number }>("SELECT seq FROM journal WHERE kind = 'requote' ORDER BY seq DESC LIMIT 1");
    return Math.min(...owed, quotes?.seq ?? 0, journal.sent + 1);
  }
}
