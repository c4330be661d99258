// What may be seen of a market: its book, and what an order would meet in it. Looking brings it to now, and changes nothing else.
import { depthOf } from "../../core/book.ts";
import { previewSubmit } from "../../core/market/decide.ts";
import type { MarketState } from "../../core/market/state.ts";
import type { MarketContext } from "../../core/market/turn.ts";
import type { PreviewAnswer, PreviewCall } from "../calls.ts";
import type { ObjectPorts } from "../ports.ts";
import type { BookView } from "../protocol.ts";

/** What a turn at a market is given of the world. */
interface ContextPorts extends Pick<ObjectPorts, "now" | "makeId" | "sha256" | "isFull"> {
  priceSeed: number;
}

/** The context of a turn that happens now. */
export function contextOf({ now, makeId, sha256, priceSeed, isFull }: ContextPorts): MarketContext {
  return { now: now(), makeId, sha256, priceSeed, isFull: isFull() };
}

/** What looking needs of the market. */
export interface LookPorts extends ContextPorts {
  comeToNow: () => void;
  /** Does an act; one that breaks an invariant stops the market, and answers as halted. */
  act: <T>(work: () => T, halted: () => T) => T;
  stopped: () => string | null;
  readable: () => MarketState | null;
}

/** Looks at a market. */
export class MarketLooks {
  readonly #ports: LookPorts;

  constructor(ports: LookPorts) {
    this.#ports = ports;
  }

  /**
   * The book as it stands now, best first; as it stood when this object was stopped, also by this very look. Null while what
   * is stored cannot be read.
   */
  book(depth: number): BookView | null {
    const halted = () => undefined;
    if (this.#ports.stopped() === null) this.#ports.act(() => this.#ports.comeToNow(), halted);
    const state = this.#ports.readable();
    if (state === null) return null;
    const { symbol, seq, book } = state;
    const { bids, asks } = depthOf(book, depth);
    const levels = (side: [bigint, bigint][]) => side.map(([price, qty]) => ({ price, qty }));
    return { symbol, seq, bids: levels(bids), asks: levels(asks) };
  }

  /** What an order would be told if it came in now. */
  preview(call: PreviewCall): PreviewAnswer {
    const later = (): PreviewAnswer => ({ outcome: "later" });
    if (call.v !== 1 || this.#ports.stopped() !== null) return later();
    return this.#ports.act(() => {
      this.#ports.comeToNow();
      const state = this.#ports.readable();
      if (state === null) return later();
      const turn = { state, ctx: contextOf(this.#ports), events: [] };
      return { outcome: "previewed", seq: state.seq, reports: previewSubmit(turn, call.account, call.submission) };
    }, later);
  }
}
