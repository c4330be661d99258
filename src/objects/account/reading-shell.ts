// What an account object answers to its owner's questions: it is counted, and changes nothing.
import type { AsOf, Period } from "../../core/account/history.ts";
import type { Transfer } from "../../core/account/state.ts";
import { volumeAt } from "../../core/fees.ts";
import type { PerformanceWish } from "../../core/performance.ts";
import { ok } from "../../core/result.ts";
import type { Caller, Counted, ExecutionQuery, LedgerQuery, OrderQuery, PageRequest } from "../protocol.ts";
import type { AccountLogic } from "./logic.ts";
import type { Meter } from "./meter.ts";
import { OperatedShell } from "./operated-shell.ts";

/** The reads of the account object's class. */
export abstract class ReadingShell extends OperatedShell {
  protected abstract readonly reading: { logic: AccountLogic; meter: Meter };

  async account(caller: Caller) {
    return this.read(caller, () => this.reading.logic.view());
  }

  async volume(caller: Caller) {
    return this.read(caller, () => volumeAt(this.reading.logic.state.volumes, Date.now()));
  }

  async order(caller: Caller, by: { id: string } | { clientOrderId: string }) {
    return this.reading.meter.counted(caller, () => this.reading.logic.find(by));
  }

  async orders(caller: Caller, query: OrderQuery) {
    return this.read(caller, () => this.reading.logic.reads.orders(query));
  }

  async fills(caller: Caller, query: ExecutionQuery) {
    const { logic, meter } = this.reading;
    return meter.counted(caller, () => logic.ofOrder(query.orderId, () => logic.reads.fills(query)));
  }

  async prevented(caller: Caller, query: ExecutionQuery) {
    const { logic, meter } = this.reading;
    return meter.counted(caller, () => logic.ofOrder(query.orderId, () => logic.reads.prevented(query)));
  }

  async ledger(caller: Caller, query: LedgerQuery) {
    return this.reading.meter.counted(caller, () => this.reading.logic.history.ledger(query));
  }

  async transfers(caller: Caller, query: PageRequest & { kind: Transfer["kind"] }) {
    return this.read(caller, () => this.reading.logic.transfers.page(query));
  }

  async transferOf(caller: Caller, query: { id: string; kind: Transfer["kind"] }) {
    return this.reading.meter.counted(caller, () => this.reading.logic.transfers.transferOf(query));
  }

  async transferLimits(caller: Caller) {
    return this.read(caller, () => this.reading.logic.transfers.limits());
  }

  async positions(caller: Caller) {
    return this.read(caller, () => this.reading.logic.holdings());
  }

  async stateAt(caller: Caller, asOf: AsOf) {
    return this.reading.meter.counted(caller, () => this.reading.logic.history.stateAt(asOf));
  }

  async explainBalance(caller: Caller, query: PageRequest & { asset: string }) {
    return this.reading.meter.counted(caller, () => this.reading.logic.history.explainBalance(query));
  }

  async explainPosition(caller: Caller, query: PageRequest & { symbol: string }) {
    return this.reading.meter.counted(caller, () => this.reading.logic.history.explainPosition(query));
  }

  async positionLots(caller: Caller, query: { symbol: string }) {
    return this.reading.meter.counted(caller, () => this.reading.logic.history.positionLots(query));
  }

  async statement(caller: Caller, period: Period) {
    return this.reading.meter.counted(caller, () => this.reading.logic.history.statement(period));
  }

  async performance(caller: Caller, wish: PerformanceWish) {
    return this.reading.meter.counted(caller, () => this.reading.logic.history.performance(wish));
  }

  async recordedPerformance(wish: PerformanceWish) {
    return this.reading.logic.history.performance(wish);
  }

  protected read<T>(caller: Caller, read: () => T): Promise<Counted<T>> {
    return this.reading.meter.counted(caller, () => ok(read()));
  }
}
