// The market object's class: wires the logic to the platform and decides nothing.
import { DurableObject } from "cloudflare:workers";
import { findMarket } from "../../core/listings.ts";
import type { Result } from "../../core/result.ts";
import type { ExchangeAnswer, ExchangeCall, HandshakeAnswer, HandshakeCall } from "../calls.ts";
import { platformPorts, withTimeout } from "../platform.ts";
import type {
  BookView,
  JournalHead,
  JournalSlice,
  MarketRpc,
  OperatorAct,
  Page,
  PageRequest,
  ParkedView,
  RestoreView,
  Snapshot,
} from "../protocol.ts";
import { accountStub, journalQueue } from "../stubs.ts";
import { MarketLogic } from "./logic.ts";

/** The market object `<venue>/<symbol>`. Throws when no such market is listed. */
export class MarketObject extends DurableObject<Env> implements MarketRpc {
  readonly #logic: MarketLogic;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const name = ctx.id.name ?? "";
    const listed = findMarket(name.slice(name.indexOf("/") + 1));
    if (listed === undefined) throw new Error(`no market is listed as ${name}`);
    this.#logic = new MarketLogic({
      ...platformPorts(ctx, name, journalQueue(env), () => this.#logic.journal.flush()),
      priceSeed: Number(env.PRICE_SEED),
      listed,
      send: { report: (account, call) => withTimeout(Promise.resolve(accountStub(env, account).report(call))) },
    });
  }

  async exchange(call: ExchangeCall): Promise<ExchangeAnswer> {
    return this.#logic.exchange(call);
  }

  async shake(call: HandshakeCall): Promise<HandshakeAnswer> {
    return this.#logic.shake(call);
  }

  async restore(snapshot: Snapshot, expected: string[], act: OperatorAct): Promise<Result<null>> {
    return this.#logic.restore(snapshot, expected, act);
  }

  async restoration(): Promise<RestoreView> {
    return this.#logic.restoration();
  }

  async reopen(act: OperatorAct): Promise<Result<null>> {
    return this.#logic.reopen(act);
  }

  async book(depth: number): Promise<BookView | null> {
    return this.#logic.book(depth);
  }

  async parked(query: PageRequest): Promise<ParkedView> {
    return this.#logic.parked(query);
  }

  async unpark(account: string, act: OperatorAct): Promise<Result<null>> {
    return this.#logic.unpark(account, act);
  }

  async head(): Promise<JournalHead> {
    return this.#logic.journal.head();
  }

  async journal(query: PageRequest): Promise<Page<string>> {
    return this.#logic.journal.page(query);
  }

  async journalFrom(fromSeq: number, bytesMax: number): Promise<JournalSlice | null> {
    return this.#logic.journal.sliceFrom(fromSeq, bytesMax);
  }

  override async alarm(): Promise<void> {
    await this.#logic.alarm();
  }
}
