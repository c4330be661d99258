// What an order would do: asked of the account, then of its market, and kept by neither.
import type { OrderRequest } from "../../core/account/admission.ts";
import type { AccountTurn } from "../../core/account/decide.ts";
import { type GroupRequest, symbolOf } from "../../core/account/grouping.ts";
import { type Preview, previewOutcome, previewSubmission } from "../../core/account/preview.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import type { PreviewAnswer } from "../calls.ts";
import type { AccountEngine, AccountPorts } from "./engine.ts";
import type { Placing } from "./placing.ts";

const AWAY: Refusal = { code: "unavailable", detail: "This market does not answer." };

/** Previews of orders by the functions that place them. */
export class Previews {
  readonly #ports: AccountPorts;
  readonly #engine: AccountEngine;
  readonly #placing: Pick<Placing, "away">;

  constructor(ports: AccountPorts, engine: AccountEngine, placing: Pick<Placing, "away">) {
    this.#ports = ports;
    this.#engine = engine;
    this.#placing = placing;
  }

  /** What placing this order now would do. Refuses as placing it would, and `unavailable` while its market is away. */
  async preview(request: OrderRequest | GroupRequest): Promise<Result<Preview & { bookSeq: number }>> {
    const symbol = symbolOf(request);
    const away = this.#placing.away(symbol);
    if (away !== null) return refuse(away);
    const submission = previewSubmission(this.#turn(), request);
    if (!submission.ok) return submission;
    const call = { v: 1, account: this.#ports.name, submission: submission.value } as const;
    const answer = await this.#ports.send.preview(symbol, call).catch((): PreviewAnswer => ({ outcome: "later" }));
    if (answer.outcome !== "previewed") return refuse(AWAY);
    // Other acts may have come in between: their balances are those that count.
    const outcome = previewOutcome(this.#turn(), request, answer.reports);
    return outcome.ok ? ok({ ...outcome.value, bookSeq: answer.seq }) : outcome;
  }

  #turn(): AccountTurn {
    const { now, makeId, sha256, priceSeed } = this.#ports;
    return { state: this.#engine.state, ctx: { now: now(), makeId, sha256, priceSeed }, events: [] };
  }
}
