// An account: the one place that spends its owner's money. Its verbs; how an act becomes durable is in engine.ts.
import type { OrderRequest } from "../../core/account/admission.ts";
import { emit } from "../../core/account/decide.ts";
import type { GroupRequest } from "../../core/account/grouping.ts";
import type { ReplaceWish } from "../../core/account/replace.ts";
import { understands } from "../../core/account/reports.ts";
import type { AccountState, Transfer } from "../../core/account/state.ts";
import type { TransferWish } from "../../core/account/transfers.ts";
import type { KeyOwner } from "../../core/api-keys.ts";
import { isRestored, strangeEpoch } from "../../core/epochs.ts";
import type { Order, Side } from "../../core/order.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import type { ReportAnswer, ReportCall } from "../calls.ts";
import type { Outbox } from "../outbox.ts";
import type { AccountView, Answered, Batch, BatchOutcome, Caller, Idempotency, UnreadOrder } from "../protocol.ts";
import type { Absence } from "./absence.ts";
import { ApiKeys } from "./api-keys.ts";
import { AtBase, orderGone } from "./archived.ts";
import { Batches, type PlacedBatch } from "./batches.ts";
import { Changes } from "./changes.ts";
import { AccountEngine, type AccountPorts, HALTED } from "./engine.ts";
import { AccountHistory } from "./history.ts";
import { KnownRules } from "./known-rules.ts";
import { AccountOperations } from "./operations.ts";
import { type Asked, type Placed, Placing } from "./placing.ts";
import { Previews } from "./previews.ts";
import { AccountReads } from "./reads.ts";
import { AccountSettings } from "./settings.ts";
import { Transfers } from "./transfers.ts";
import { viewOf } from "./view.ts";

export type { AccountPorts } from "./engine.ts";

/** Everything that may be asked of an account. Who asks is judged first, then what its keys have got before, then the act. */
export class AccountLogic {
  readonly #ports: AccountPorts;
  readonly #engine: AccountEngine;
  readonly #placing: Placing;
  readonly #batches: Batches;
  readonly #changes: Changes;
  readonly #previews: Previews;
  readonly reads: AccountReads;
  readonly history: AccountHistory;
  readonly operations: AccountOperations;
  readonly keys: ApiKeys;
  readonly absence: Absence;
  readonly transfers: Transfers;
  /** What its markets go by: to be asked before orders are placed. */
  readonly rules: KnownRules;
  readonly settings: AccountSettings;

  constructor(ports: AccountPorts) {
    this.#ports = ports;
    this.#engine = new AccountEngine(ports);
    this.#placing = new Placing(ports, this.#engine);
    this.#changes = new Changes(this.#engine, this.#placing);
    this.#previews = new Previews(ports, this.#engine, this.#placing);
    this.#batches = new Batches(ports, this.#engine, this.#placing);
    this.reads = new AccountReads(ports);
    this.transfers = new Transfers(ports, this.#engine);
    this.absence = this.#engine.absence;
    const atBase = new AtBase(ports.sql);
    this.history = new AccountHistory(ports, () => this.state, atBase);
    this.operations = new AccountOperations(this.#engine, ports, atBase);
    this.keys = new ApiKeys(ports);
    this.rules = new KnownRules(ports, this.#engine);
    this.settings = new AccountSettings(ports, this.#engine, () => this.view());
  }

  /** The state, for reads and checks; nobody outside may change it. */
  get state(): Readonly<AccountState> {
    return this.#engine.state;
  }

  /**
   * Whether a caller's session or key still counts here: this object hears of an end before anyone else. Refuses
   * `session_revoked`, as {@link ApiKeys.judge}, and `unavailable` while what is stored cannot be read: nobody is
   * shown a figure of it.
   */
  admitCaller(caller: Caller): Result<null> {
    if (this.#engine.readable === null) return HALTED;
    if (caller.key !== undefined) return this.keys.judge(caller.sessionId, caller.key);
    const revoked = this.state.revokedSessions.has(caller.sessionId) || caller.issuedAtMs < this.state.tokensValidFrom;
    return revoked ? refuse({ code: "session_revoked" }) : ok(null);
  }

  /** As {@link admitCaller}, once a call: a signed one cannot be made again. Answers whose key it is by. */
  enter(caller: Caller): Result<KeyOwner> {
    if (caller.key === undefined || this.#engine.readable === null) return this.admitCaller(caller);
    return this.keys.enter(caller.sessionId, caller.key);
  }

  /** Ends a key, or with null all: from the next call on it can do nothing, and its sockets close. False: it was not there. */
  revokeKey(id: string | null): boolean {
    const revoked = this.keys.revoke(id);
    for (const one of revoked) this.#ports.sockets.closeSession(one);
    return revoked.length > 0;
  }

  /** An act of a caller's. A stopped object would go on from a state that is known to be wrong: it takes none. */
  #command<T>(caller: Caller, work: () => Result<T>): Result<T> {
    if (this.#engine.stopped !== null) return HALTED;
    const admitted = this.admitCaller(caller);
    return admitted.ok ? this.#engine.act(work) : admitted;
  }

  /**
   * Places an order, or a group, once: the same client_order_id, or the same idempotency key, and body get the same order or refusal
   * again. Refuses as core's admission does, and client_order_id_reused, idempotency_key_reused, idempotency_in_flight;
   * `unavailable` while the market is parked or this object halted, which is not recorded.
   * A final answer comes at once; a {@link Placed} order is answered by {@link answer} when its market has spoken.
   */
  place(
    caller: Caller,
    request: OrderRequest | GroupRequest,
    idempotency: Idempotency | null,
  ): Answered<Order> | Placed {
    const done = this.#command(caller, () => ok(this.#placing.place(request, idempotency)));
    return done.ok ? done.value : { result: done, replay: null };
  }

  /** Refuses an order that could not be read, once: its keys are used by that as by any other order. */
  refuse(caller: Caller, unread: UnreadOrder, idempotency: Idempotency | null): Answered<Order> | Placed {
    const done = this.#command(caller, () => ok(this.#placing.refuse(unread, idempotency)));
    return done.ok ? done.value : { result: done, replay: null };
  }

  /** Sells a position: see {@link Placing.close}. */
  close(caller: Caller, symbol: string): Answered<Order> | Placed {
    const done = this.#command(caller, () => ok(this.#placing.close(symbol)));
    return done.ok ? done.value : { result: done, replay: null };
  }

  /** What placing an order now would do: see {@link Previews.preview}. */
  async preview(caller: Caller, request: OrderRequest | GroupRequest) {
    const begun = this.#command(caller, () => ok(this.#previews.preview(request)));
    return begun.ok ? begun.value : begun;
  }

  /** Places orders together: see {@link Batches.place}. What is placed is answered by {@link answerBatch}. */
  placeBatch(caller: Caller, batch: Batch, idempotency: Idempotency | null): Answered<BatchOutcome[]> | PlacedBatch {
    const done = this.#command(caller, () => ok(this.#batches.place(batch, idempotency)));
    return done.ok ? done.value : { result: done, replay: null };
  }

  /** The orders of a batch as they are now; kept as the first answer to its idempotency key where one was given. */
  answerBatch(placed: PlacedBatch, idempotency: Idempotency | null): Answered<BatchOutcome[]> {
    return this.#batches.answer(placed, idempotency);
  }

  /** The order as it is now; kept as the first answer to its idempotency key where one was given. */
  answer(placed: Placed, idempotency: Idempotency | null): Answered<Order> {
    return this.#placing.answer(placed, idempotency);
  }

  /**
   * Asks the market to cancel. Resolves when the market has answered, at once when it is parked; until it has answered the
   * order is as it was. Refuses `not_found`, and `order_not_open` unless it is canceled already.
   */
  cancel(caller: Caller, orderId: string): Result<Asked> {
    return this.#command(caller, () => this.#changes.cancel(orderId));
  }

  /**
   * Asks the market for other terms of an order. Resolves as {@link cancel} does. Refuses `not_found`, as core's
   * requestReplace, and `unavailable` while the market is parked.
   */
  replace(caller: Caller, orderId: string, wish: ReplaceWish): Result<Asked> {
    return this.#command(caller, () => this.#changes.replace(orderId, wish));
  }

  /** The order once it has been asked to be replaced; the refusal when the market has made no change. */
  replaced(orderId: string): Result<Order> {
    return this.#changes.replaced(orderId);
  }

  /** Asks to cancel every open order that fits the filter; one flight per market carries them together. */
  cancelAll(caller: Caller, filter: { symbol: string | null; side: Side | null }): Result<Asked[]> {
    return this.#command(caller, () => ok(this.#changes.cancelAll(filter)));
  }

  /** Has all open orders canceled unless this is asked for again in time: see {@link Absence.cancelAfter}. */
  cancelAllAfter(caller: Caller, timeoutMs: number): Result<{ cancelAt: number | null }> {
    return this.#command(caller, () => ok({ cancelAt: this.absence.cancelAfter(timeoutMs) }));
  }

  /** Moves money in or out: see {@link Transfers.move}. */
  transfer(caller: Caller, wish: TransferWish, idempotency: Idempotency | null): Answered<Transfer> {
    const done = this.#command(caller, () => ok(this.transfers.move(wish, idempotency)));
    return done.ok ? done.value : { result: done, replay: null };
  }

  /** Takes a withdrawal back: see {@link Transfers.cancel}. */
  cancelTransfer(caller: Caller, id: string): Result<Transfer> {
    return this.#command(caller, () => this.transfers.cancel(id));
  }

  /** Ends one session here: from the next call on it can do nothing, and its sockets close. */
  revokeSession(sessionId: string, untilMs: number): Result<null> {
    return this.#engine.act(() => {
      if (!this.state.revokedSessions.has(sessionId)) {
        this.#engine.commit((turn) => emit(turn, { kind: "session_revoked", sessionId, until: untilMs }));
      }
      this.#ports.sockets.closeSession(sessionId);
      return ok(null);
    });
  }

  /** Ends every token issued before a moment, in ms. */
  revokeAllBefore(fromMs: number): Result<null> {
    return this.#engine.act(() => {
      if (fromMs > this.state.tokensValidFrom)
        this.#engine.commit((turn) => emit(turn, { kind: "tokens_valid_from", from: fromMs }));
      this.#ports.sockets.closeSession(null);
      return ok(null);
    });
  }

  /**
   * Takes a market's push. `later` while this object is stopped or too old for it: the market keeps what it has for it.
   * `bug` when the market speaks from a life that has ended; from a new one, hands are shaken first.
   */
  report(call: ReportCall): ReportAnswer {
    const epoch = this.#engine.readable?.epoch;
    const done = this.#engine.act(() => ok(this.#report(call)));
    const answer: ReportAnswer = done.ok ? done.value : { outcome: "later" };
    return epoch === undefined ? answer : { ...answer, epoch };
  }

  #report(call: ReportCall): ReportAnswer {
    const { v, symbol, epoch, reports, hello } = call;
    if (v !== 1 || this.#engine.stopped !== null || !understands(reports)) return { outcome: "later" };
    const known = this.state.peers.get(symbol)?.epoch ?? null;
    const stranger = strangeEpoch("market", known, epoch);
    if (stranger !== null) return { outcome: "bug", detail: stranger };
    if (isRestored(known, epoch) || (hello === true && known === null)) this.#engine.restoring.begin(symbol);
    if (this.#engine.handshakes.has(symbol)) {
      this.#engine.tell(symbol);
      return { outcome: "later" };
    }
    return { outcome: "applied", rseq: this.#engine.apply(symbol, { epoch, acknowledged: 0, reports }) };
  }

  /** The order as it is now, open or closed; a parent with its legs. */
  order(id: string): Order | undefined {
    return this.#engine.shown(id);
  }

  /** The order that a client_order_id made, or the refusal it got; undefined for one never used. */
  byClientOrderId(clientOrderId: string): Result<Order> | undefined {
    const known = this.#engine.store.once.find("client_order_id", clientOrderId, "");
    if (known === undefined) return undefined;
    return known.refusal === null ? this.#found(known.ref ?? "") : refuse(known.refusal);
  }

  /** An order by its id or by the client_order_id that made it. Refuses `not_found`, `order_archived`, and as that was refused. */
  find(by: { id: string } | { clientOrderId: string }): Result<Order> {
    if ("id" in by) return this.#found(by.id);
    return this.byClientOrderId(by.clientOrderId) ?? refuse({ code: "not_found" });
  }

  /** The executions, or the prevented matches, of an order or of all. Refuses `order_archived`. */
  ofOrder<T>(orderId: string | null, read: () => T): Result<T> {
    const found = orderId === null ? null : this.#found(orderId);
    // Of an order that there is not there are none.
    return found?.ok === false && found.refusal.code === "order_archived" ? found : ok(read());
  }

  #found(id: string): Result<Order> {
    const order = this.order(id);
    return order === undefined ? refuse(orderGone(this.state, id)) : ok(order);
  }

  /** What the account has: positions, and the balances beside them. */
  holdings() {
    const { balances, seq, asOf } = this.view();
    return { positions: [...this.state.positions.values()], balances, seq, asOf };
  }

  /** See {@link viewOf}. */
  view(): AccountView {
    return viewOf(this.state, this.#ports.now());
  }

  /** The journal as the read model gets it. */
  get journal(): Outbox {
    return this.#engine.journal;
  }

  /** Has the sockets looked at when a token runs out, at `at` in ms, or before. */
  awaitExpiry(at: number): void {
    this.#engine.awaitExpiry(at);
  }

  /** Rings what is due. Never throws: the platform drops an alarm after six failures. */
  alarm(): Promise<void> {
    return this.#engine.alarm();
  }
}
