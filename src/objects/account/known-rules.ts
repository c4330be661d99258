// When an account asks a market for its rules: now and then, and before it refuses an order for one of them, which may have been
// loosened since.
import type { OrderRequest } from "../../core/account/admission.ts";
import type { AccountTurn } from "../../core/account/decide.ts";
import { type GroupRequest, symbolOf } from "../../core/account/grouping.ts";
import type { ReplaceWish } from "../../core/account/replace.ts";
import { breaksRule, learnRules, replacementBreaksRule } from "../../core/account/rules.ts";
import { RULES_ASK_MS, RULES_FRESH_MS } from "../../core/limits.ts";
import { ok } from "../../core/result.ts";
import type { AccountEngine, AccountPorts } from "./engine.ts";

/** When markets were last asked for their rules, and what was learned. */
export class KnownRules {
  readonly #ports: AccountPorts;
  readonly #engine: AccountEngine;
  /** When a market was last asked, in ms: what is known since then is new enough. */
  readonly #askedAt = new Map<string, number>();

  constructor(ports: AccountPorts, engine: AccountEngine) {
    this.#ports = ports;
    this.#engine = engine;
  }

  /**
   * To be awaited before orders are placed: their markets are asked when they have not been for {@link RULES_FRESH_MS}, and where
   * one would be refused for a rule, or all are `atomic`, when they have not been for {@link RULES_ASK_MS}: a market refuses what
   * is atomic and comes under older rules, and the account does not send it again. A market that does not answer leaves what is
   * known; what storage throws is thrown.
   */
  async before(requests: readonly (OrderRequest | GroupRequest)[], atomic = false): Promise<void> {
    const freshMs = atomic ? RULES_ASK_MS : RULES_FRESH_MS;
    const doubted = requests.filter((one) => {
      const age = this.#ageOf(symbolOf(one));
      return age >= freshMs || (age >= RULES_ASK_MS && this.#would((turn) => breaksRule(turn, one)));
    });
    if (doubted.length > 0) await this.#ask(doubted.map(symbolOf));
  }

  /** Has a market say its rules of now, however lately it has been asked: a preview must not go by others. */
  async refresh(symbol: string): Promise<void> {
    if (!this.#would(() => true)) return;
    this.#askedAt.set(symbol, this.#ports.now());
    const answer = await this.#ports.send.rules(symbol).catch(() => null);
    if (answer === null || this.#engine.stopped !== null) return;
    this.#engine.act(() => ok(this.#engine.commit((turn) => learnRules(turn, answer.rules))));
  }

  /** As {@link before}, of other terms for an open order. */
  async beforeReplace(orderId: string, wish: ReplaceWish): Promise<void> {
    const order = this.#would(() => true) ? this.#engine.state.orders.get(orderId) : undefined;
    if (order === undefined || this.#ageOf(order.symbol) < RULES_ASK_MS) return;
    if (this.#would((turn) => replacementBreaksRule(turn, order, wish))) await this.refresh(order.symbol);
  }

  /** Looks at the state as it is; false while there is none to look at. */
  #would(look: (turn: AccountTurn) => boolean): boolean {
    const { now, makeId, sha256, priceSeed } = this.#ports;
    const state = this.#engine.readable;
    if (state === null || this.#engine.stopped !== null) return false;
    return look({ state, ctx: { now: now(), makeId, sha256, priceSeed }, events: [] });
  }

  /** How long ago a market was asked, in ms; a clock that has gone back must not keep it unasked. */
  #ageOf(symbol: string): number {
    return Math.abs(this.#ports.now() - (this.#askedAt.get(symbol) ?? Number.NEGATIVE_INFINITY));
  }

  async #ask(symbols: readonly string[]): Promise<void> {
    await Promise.all([...new Set(symbols)].map((symbol) => this.refresh(symbol)));
  }
}
