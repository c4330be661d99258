// The account object's class: wires the logic and the sockets to the platform and decides nothing.

import type { OrderRequest } from "../../core/account/admission.ts";
import { requestsOf } from "../../core/account/batch.ts";
import { type GroupRequest, symbolOf } from "../../core/account/grouping.ts";
import type { ReplaceWish } from "../../core/account/replace.ts";
import type { Settings } from "../../core/account/settings.ts";
import type { Transfer } from "../../core/account/state.ts";
import type { TransferWish } from "../../core/account/transfers.ts";
import type { KeyOwner } from "../../core/api-keys.ts";
import { SETTLE_WAIT_MS } from "../../core/limits.ts";
import type { Side } from "../../core/order.ts";
import type { PaymentDesk } from "../../core/payments.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import type { TransferPolicy } from "../../core/transfer-policy.ts";
import type { ReportAnswer, ReportCall } from "../calls.ts";
import { bytesMaxOf, newSecret, platformPorts, platformSockets, waitAtMost } from "../platform.ts";
import type {
  Batch,
  Caller,
  Idempotency,
  NewApiKey,
  PageRequest,
  ProviderFact,
  StreamCaller,
  TransferReview,
  UnreadOrder,
} from "../protocol.ts";
import type { AccountRpc } from "../rpc.ts";
import { journalQueue } from "../stubs.ts";
import { AccountLogic } from "./logic.ts";
import { marketCalls } from "./market-calls.ts";
import { type AccountRates, Meter } from "./meter.ts";
import { OpenSockets, type ReadToken } from "./open-sockets.ts";
import { ReadingShell } from "./reading-shell.ts";
import { Tickets } from "./tickets.ts";

/** What objects know nothing of and are handed: how tokens are verified, what configuration says, who moves money outside. */
export interface AccountOutside {
  readToken: ReadToken;
  settings: () => { rates: AccountRates; transfers: TransferPolicy };
  desk: PaymentDesk;
}

/** The account object, but for what worker.ts hands in. */
export class AccountShell extends ReadingShell implements AccountRpc {
  readonly #logic: AccountLogic;
  protected readonly operated: AccountLogic["operations"];
  protected readonly ending: AccountLogic;
  readonly #tickets: Tickets;
  readonly #sockets: OpenSockets;
  readonly #meter: Meter;

  constructor(ctx: DurableObjectState, env: Env, { readToken, settings, desk }: AccountOutside) {
    super(ctx, env);
    const own = { name: ctx.id.name ?? "", bytesMax: bytesMaxOf(env) };
    const ports = platformPorts(ctx, own, journalQueue(env), () => this.#logic.journal.flush());
    this.#logic = new AccountLogic({
      ...ports,
      priceSeed: Number(env.PRICE_SEED),
      transferPolicy: () => settings().transfers,
      desk,
      send: marketCalls(env),
      sockets: {
        publish: (events) => this.#sockets.publish(events),
        closeSession: (sessionId) => this.#sockets.closeSession(sessionId),
        closeExpired: () => this.#sockets.closeExpired(),
        watch: (guard) => this.#sockets.watch(guard),
      },
    });
    this.operated = this.#logic.operations;
    this.ending = this.#logic;
    this.#sockets = new OpenSockets({ ...ports, ...platformSockets(ctx), readToken }, this.#logic);
    this.#tickets = new Tickets(ports);
    this.#meter = new Meter({
      rates: () => settings().rates,
      now: ports.now,
      admit: (caller) => this.#logic.enter(caller),
    });
    this.#logic.absence.lookForLost();
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('{"op":"ping"}', '{"type":"pong"}'));
  }

  protected get reading() {
    return { logic: this.#logic, meter: this.#meter };
  }

  async admit(caller: Caller) {
    return this.#meter.counted(caller, ok<KeyOwner>);
  }

  async placeOrder(caller: Caller, request: OrderRequest, idempotency: Idempotency | null) {
    const place = () => this.#logic.place(caller, request, idempotency);
    return this.#placed(caller, idempotency, place, request);
  }

  async placeGroup(caller: Caller, request: GroupRequest, idempotency: Idempotency | null) {
    const place = () => this.#logic.place(caller, request, idempotency);
    return this.#placed(caller, idempotency, place, request);
  }

  async refuseOrder(caller: Caller, unread: UnreadOrder, idempotency: Idempotency | null) {
    return this.#placed(caller, idempotency, () => this.#logic.refuse(caller, unread, idempotency));
  }

  async closePosition(caller: Caller, symbol: string) {
    return this.#placed(caller, null, async () => {
      await this.#logic.rules.refresh(symbol);
      return this.#logic.close(caller, symbol);
    });
  }

  async placeBatch(caller: Caller, batch: Batch, idempotency: Idempotency | null) {
    return this.#meter.countedOnce(caller, async () => {
      await this.#logic.rules.before(requestsOf(batch), batch.atomic);
      const placed = this.#logic.placeBatch(caller, batch, idempotency);
      if ("result" in placed) return placed;
      await waitAtMost(placed.settled, SETTLE_WAIT_MS);
      return this.#logic.answerBatch(placed, idempotency);
    });
  }

  #placed(
    caller: Caller,
    idempotency: Idempotency | null,
    place: () => ReturnType<AccountLogic["place"]> | Promise<ReturnType<AccountLogic["place"]>>,
    request?: OrderRequest | GroupRequest,
  ) {
    return this.#meter.countedOnce(caller, async () => {
      if (request !== undefined) await this.#logic.rules.before([request]);
      const placed = await place();
      if ("result" in placed) return placed;
      await waitAtMost(placed.settled, SETTLE_WAIT_MS);
      return this.#logic.answer(placed, idempotency);
    });
  }

  async cancelOrder(caller: Caller, orderId: string) {
    return this.#meter.counted(caller, async () => {
      const placed = this.#logic.cancel(caller, orderId);
      if (!placed.ok) return placed;
      await waitAtMost(placed.value.settled, SETTLE_WAIT_MS);
      return ok(this.#logic.order(orderId) ?? placed.value.order);
    });
  }

  async previewOrder(caller: Caller, request: OrderRequest) {
    return this.#previewed(caller, request);
  }

  async previewGroup(caller: Caller, request: GroupRequest) {
    return this.#previewed(caller, request);
  }

  #previewed(caller: Caller, request: OrderRequest | GroupRequest) {
    return this.#meter.counted(caller, async () => {
      await this.#logic.rules.refresh(symbolOf(request));
      return this.#logic.preview(caller, request);
    });
  }

  async replaceOrder(caller: Caller, orderId: string, wish: ReplaceWish) {
    return this.#meter.counted(caller, async () => {
      await this.#logic.rules.beforeReplace(orderId, wish);
      const asked = this.#logic.replace(caller, orderId, wish);
      if (!asked.ok) return asked;
      await waitAtMost(asked.value.settled, SETTLE_WAIT_MS);
      return this.#logic.replaced(orderId);
    });
  }

  async cancelAll(caller: Caller, filter: { symbol: string | null; side: Side | null }) {
    return this.#meter.counted(caller, async () => {
      const placed = this.#logic.cancelAll(caller, filter);
      if (!placed.ok) return placed;
      await waitAtMost(Promise.all(placed.value.map((one) => one.settled)), SETTLE_WAIT_MS);
      return ok(placed.value.map((one) => this.#logic.order(one.order.id) ?? one.order));
    });
  }

  async cancelAllAfter(caller: Caller, timeoutMs: number) {
    return this.#meter.counted(caller, () => this.#logic.cancelAllAfter(caller, timeoutMs));
  }

  async transfer(caller: Caller, wish: TransferWish, idempotency: Idempotency | null) {
    return this.#meter.countedOnce(caller, async () => this.#logic.transfer(caller, wish, idempotency));
  }

  async cancelWithdrawal(caller: Caller, { id }: { id: string }) {
    return this.#meter.counted(caller, () => this.#logic.cancelTransfer(caller, id));
  }

  async decideTransfer(id: string, word: TransferReview | ProviderFact): Promise<Result<Transfer>> {
    return this.#logic.transfers.decide(id, word);
  }

  async choose(caller: Caller, settings: Settings) {
    return this.#meter.counted(caller, () => this.#logic.settings.choose(settings));
  }

  async streamTicket(caller: StreamCaller) {
    return this.#meter.counted(caller, () => this.#tickets.issue(this.#logic.keys.lasting(caller), newSecret()));
  }

  async redeemTicket(ticket: string): Promise<Result<StreamCaller>> {
    return this.#logic.keys.ticketed(this.#tickets.redeem(ticket));
  }

  async createKey(caller: Caller, key: NewApiKey) {
    return this.#meter.counted(caller, () => this.#logic.keys.create(key));
  }

  async apiKeys(caller: Caller, query: PageRequest) {
    return this.read(caller, () => this.#logic.keys.page(query));
  }

  async revokeKey(caller: Caller, id: string) {
    return this.#meter.counted(caller, () => (this.#logic.revokeKey(id) ? ok(null) : refuse({ code: "not_found" })));
  }

  async report(call: ReportCall): Promise<ReportAnswer> {
    return this.#logic.report(call);
  }

  override async alarm(): Promise<void> {
    await this.#logic.alarm();
  }

  /** Opens a socket for the caller that the Worker names in `x-caller`; a refusal comes back as JSON. */
  override async fetch(request: Request): Promise<Response> {
    const caller = JSON.parse(request.headers.get("x-caller") ?? "null") as StreamCaller;
    return this.#sockets.accept(this.#logic.keys.lasting(caller));
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    await this.#sockets.receive(socket, message);
  }

  /** Answers a client's close. The platform does not: the client would wait, see 1006, and count as open all that while. */
  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    this.#sockets.answerClose(socket, code);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    this.#sockets.closed(socket);
  }
}
