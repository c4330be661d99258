// Money in and out of an account: asked for once, decided by others, and told by the provider that moves it outside.
import type { AccountTurn } from "../../core/account/decide.ts";
import {
  cancelTransfer,
  type ProviderFact,
  providerSays,
  reviewTransfer,
  type TransferReview,
} from "../../core/account/reviews.ts";
import type { OnceKey, Transfer } from "../../core/account/state.ts";
import { dayEnds, type TransferWish, transfer, usedOn } from "../../core/account/transfers.ts";
import { canonical } from "../../core/codec.ts";
import { invariant, ok, type Result, refuse } from "../../core/result.ts";
import type { TransferPolicy } from "../../core/transfer-policy.ts";
import type { ObjectPorts } from "../ports.ts";
import type { Answered, Idempotency, Page, PageRequest, TransferLimits } from "../protocol.ts";
import { type AccountEngine, HALTED } from "./engine.ts";
import { FULL, RESTORING } from "./placing.ts";
import { findTransfer, firstTransfer, pageOfTransfers } from "./transfer-rows.ts";

/** What this needs of the world. */
export interface TransferPorts extends Pick<ObjectPorts, "sql" | "sha256" | "now" | "isFull"> {
  transferPolicy: () => TransferPolicy;
}

/** An account's transfers. Who asks has been judged before. */
export class Transfers {
  readonly #ports: TransferPorts;
  readonly #engine: AccountEngine;

  constructor(ports: TransferPorts, engine: AccountEngine) {
    this.#ports = ports;
    this.#engine = engine;
  }

  /**
   * Moves money in or out, once per idempotency key, which gets its first answer for ever. Refuses as core's transfer does,
   * `idempotency_key_reused`, `unavailable` for a withdrawal of an account that is being restored, and
   * `storage_full`; neither is recorded.
   */
  move(wish: TransferWish, idempotency: Idempotency | null): Answered<Transfer> {
    const { sha256, sql, transferPolicy } = this.#ports;
    const bodyHash = sha256(canonical(wish));
    const scope = wish.kind === "deposit" ? "deposits" : "withdrawals";
    const known = idempotency === null ? undefined : this.#engine.store.once.find(scope, idempotency.key, bodyHash);
    if (known === undefined) {
      const once = idempotency === null ? [] : [{ scope, bodyHash, ...idempotency } satisfies OnceKey];
      if (this.#engine.state.restoring && wish.kind === "withdrawal") return { result: RESTORING, replay: null };
      if (this.#ports.isFull()) return { result: FULL, replay: null };
      const moved = this.#engine.commit((turn) => {
        const result = transfer(turn, wish, once, transferPolicy());
        this.#engine.restoring.settle(turn);
        return result;
      });
      return { result: moved, replay: null };
    }
    if (known.bodyHash !== bodyHash) return { result: refuse({ code: "idempotency_key_reused" }), replay: null };
    const replay = { by: "idempotency_key" as const, requestId: known.requestId ?? "" };
    if (known.refusal !== null) return { result: refuse(known.refusal), replay };
    const value = firstTransfer(sql, known.ref ?? "");
    invariant(value !== undefined, `the once record of a ${wish.kind} has lost it`);
    return { result: ok(value), replay };
  }

  /** Takes a withdrawal back. Refuses as core's cancelTransfer does, and `not_found` for one that there is not. */
  cancel(id: string): Result<Transfer> {
    return this.#change(id, cancelTransfer);
  }

  /** Does what an operator has decided, or hears what the provider says. Refuses as {@link review} and {@link hear} do. */
  decide(id: string, word: TransferReview | ProviderFact): Result<Transfer> {
    return "verdict" in word ? this.review(id, word) : this.hear(id, word);
  }

  /** Does what an operator has decided. Refuses as core's reviewTransfer does, and `unavailable` while nothing may be decided. */
  review(id: string, review: TransferReview): Result<Transfer> {
    return this.#engine.act(() => {
      if (this.#engine.stopped !== null) return HALTED;
      if (this.#engine.state.restoring) return RESTORING;
      return this.#change(id, (turn, known) => reviewTransfer(turn, known, review));
    });
  }

  /** Hears what the provider says. Refuses as core's providerSays does, `not_found`, and `unavailable`. */
  hear(id: string, fact: ProviderFact): Result<Transfer> {
    return this.#engine.act(() => {
      if (this.#engine.stopped !== null) return HALTED;
      return this.#change(id, (turn, known) => {
        const heard = providerSays(turn, known, fact);
        this.#engine.restoring.settle(turn);
        return heard;
      });
    });
  }

  #change(id: string, work: (turn: AccountTurn, known: Transfer) => Result<Transfer>): Result<Transfer> {
    const known = this.one(id);
    return known === undefined ? refuse({ code: "not_found" }) : this.#engine.commit((turn) => work(turn, known));
  }

  /** One transfer as it is now. */
  one(id: string): Transfer | undefined {
    return findTransfer(this.#ports.sql, id);
  }

  /** A deposit or a withdrawal as it is now. Refuses `not_found`. */
  transferOf({ id, kind }: { id: string; kind: Transfer["kind"] }): Result<Transfer> {
    const found = this.one(id);
    return found?.kind === kind ? ok(found) : refuse({ code: "not_found" });
  }

  /** Deposits or withdrawals, newest first. */
  page(query: PageRequest & { kind: Transfer["kind"] }): Page<Transfer> {
    return pageOfTransfers(this.#ports.sql, query);
  }

  /** What a day allows, what of today's is used, and when that begins anew. */
  limits(): TransferLimits {
    const { now, transferPolicy } = this.#ports;
    const { perDay, reviewOver } = transferPolicy();
    const at = Math.max(now(), this.#engine.state.at);
    const { deposit, withdrawal } = usedOn(at, this.#engine.state.movedToday);
    return { perDay, reviewOver, used: { deposit, withdrawal }, resetsAt: dayEnds(at) };
  }
}
