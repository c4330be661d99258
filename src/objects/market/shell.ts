// The market object's class: wires the logic to the platform and decides nothing.
import type { Owed, ToldTo } from "../../core/exam.ts";
import { findMarket, type MarketStatus } from "../../core/listings.ts";
import type { RulesChange } from "../../core/market/rules.ts";
import type { Result } from "../../core/result.ts";
import type {
  ExchangeAnswer,
  ExchangeCall,
  HandshakeAnswer,
  HandshakeCall,
  PreviewAnswer,
  PreviewCall,
} from "../calls.ts";
import type { MarketView } from "../governing.ts";
import { bytesMaxOf, platformPorts, toPeer } from "../platform.ts";
import type { BookView, OperatorAct, Snapshot } from "../protocol.ts";
import type { MarketRpc } from "../rpc.ts";
import { ObjectShell } from "../shell.ts";
import { accountStub, journalQueue } from "../stubs.ts";
import { MarketLogic } from "./logic.ts";

/** The market object `<venue>/<symbol>`. Throws when no such market is listed. */
export class MarketObject extends ObjectShell implements MarketRpc {
  readonly #logic: MarketLogic;
  protected readonly operated: MarketLogic;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const name = ctx.id.name ?? "";
    const listed = findMarket(name.slice(name.indexOf("/") + 1));
    if (listed === undefined) throw new Error(`no market is listed as ${name}`);
    this.#logic = new MarketLogic({
      ...platformPorts(ctx, { name, bytesMax: bytesMaxOf(env) }, journalQueue(env), () => this.#logic.journal.flush()),
      priceSeed: Number(env.PRICE_SEED),
      listed,
      send: { report: (account, call) => toPeer(env, async () => accountStub(env, account).report(call)) },
    });
    this.operated = this.#logic;
  }

  async exchange(call: ExchangeCall): Promise<ExchangeAnswer> {
    return this.#logic.exchange(call);
  }

  async preview(call: PreviewCall): Promise<PreviewAnswer> {
    return this.#logic.looks.preview(call);
  }

  async toldBy(seq: number, accounts: string[]): Promise<ToldTo[]> {
    return this.#logic.exam.toldBy(seq, accounts);
  }

  async owed(account: string, from: number, to: number): Promise<Owed> {
    return this.#logic.exam.owed(account, from, to);
  }

  async shake(call: HandshakeCall): Promise<HandshakeAnswer> {
    return this.#logic.shake(call);
  }

  async restore(snapshot: Snapshot, expected: string[], act: OperatorAct): Promise<Result<null>> {
    return this.#logic.restore(snapshot, expected, act);
  }

  async book(depth: number): Promise<BookView | null> {
    return this.#logic.looks.book(depth);
  }

  async rules(): Promise<MarketView | null> {
    return this.#logic.governance.view();
  }

  async setStatus(status: MarketStatus, act: OperatorAct): Promise<Result<MarketView>> {
    return this.#logic.governance.setStatus(status, act);
  }

  async changeRules(change: RulesChange, act: OperatorAct): Promise<Result<MarketView>> {
    return this.#logic.governance.changeRules(change, act);
  }

  async kill(cancelOrders: boolean, act: OperatorAct): Promise<Result<MarketView>> {
    return this.#logic.governance.kill(cancelOrders, act);
  }

  async release(act: OperatorAct): Promise<Result<MarketView>> {
    return this.#logic.governance.release(act);
  }

  override async alarm(): Promise<void> {
    await this.#logic.alarm();
  }
}
