// An account's state and how each journalled event changes it. Replaying the journal gives the same state, bit for bit.
import { type Base, baseAfter, UNCUT } from "../base.ts";
import { countVolume } from "../fees.ts";
import type { Group } from "../groups.ts";
import { applyEntry, type Balances, balanceKey, GENESIS_HASH, type LedgerEntry } from "../ledger.ts";
import { listedMarket, type MarketRules } from "../listings.ts";
import type { Command, Report } from "../messages.ts";
import { canTransition, isOpen, type Order, type SelfTradePrevention, type Side } from "../order.ts";
import type { Position } from "../positions.ts";
import { invariant } from "../result.ts";
import { applyBaseItems } from "./base.ts";
import type { AccountEvent, AccountStatus, CutEvent, ReportApplied, RestoreEvent } from "./events.ts";
import { applyTransfer, type DayUse, type Transfer } from "./transfer-events.ts";

export type {
  AccountEvent,
  AccountStatus,
  Balance,
  FillRecord,
  OnceKey,
  PreventedRecord,
  ReportApplied,
} from "./events.ts";
export type { Transfer } from "./transfer-events.ts";

/** What an account knows of a market: its epoch, null until met; commands sent, answered and not; reports applied. */
export interface AccountPeer {
  epoch: number | null;
  cseq: number;
  acknowledged: number;
  rseq: number;
  pending: Command[];
}

/** What an account goes by. `orders`, `transfers`: those not ended; `credits`: the most they may bring, per asset; times in ms. */
export interface AccountState {
  id: string;
  status: AccountStatus;
  epoch: number;
  /** Restored and not yet opened again: it takes no new orders and no withdrawals. */
  restoring: boolean;
  seq: number;
  at: number;
  /** Where the journal begins. It is none of what a replay must give again: a cut changes nothing else. */
  base: Base;
  balances: Balances;
  ledgerHead: string;
  /** The number of the ledger's last entry; 0 when there is none. */
  ledgerSeq: number;
  orders: Map<string, Order>;
  /** Those that have an exit open. */
  groups: Map<string, Group>;
  transfers: Map<string, Transfer>;
  movedToday: DayUse;
  credits: Map<string, bigint>;
  positions: Map<string, Position>;
  peers: Map<string, AccountPeer>;
  rules: Map<string, MarketRules>;
  /** What has been traded by UTC day: see {@link countVolume}. */
  volumes: Map<string, bigint>;
  revokedSessions: Map<string, number>;
  tokensValidFrom: number;
  /** What orders have that do not say. */
  selfTradePrevention: SelfTradePrevention;
}

/** An account in which nothing has happened. */
export function emptyAccount(id: string, epoch: number): AccountState {
  return {
    id,
    status: "active",
    epoch,
    restoring: false,
    seq: 0,
    at: 0,
    base: UNCUT,
    balances: new Map(),
    ledgerHead: GENESIS_HASH,
    ledgerSeq: 0,
    orders: new Map(),
    groups: new Map(),
    transfers: new Map(),
    movedToday: { day: 0, deposit: 0n, withdrawal: 0n },
    credits: new Map(),
    positions: new Map(),
    peers: new Map(),
    rules: new Map(),
    volumes: new Map(),
    revokedSessions: new Map(),
    tokensValidFrom: 0,
    selfTradePrevention: "cancel_newest",
  };
}

/** The account's record of one market, made on first use. */
export function accountPeer(state: AccountState, symbol: string): AccountPeer {
  let peer = state.peers.get(symbol);
  if (peer === undefined) {
    peer = { epoch: null, cseq: 0, acknowledged: 0, rseq: 0, pending: [] };
    state.peers.set(symbol, peer);
  }
  return peer;
}

/** Units of one of the account's ledger accounts. */
export function balanceOf(state: AccountState, account: string, asset: string): bigint {
  return state.balances.get(balanceKey(account, asset)) ?? 0n;
}

/** The most that open orders and pending deposits may still bring in of an asset, in units. */
export function creditOf(state: AccountState, asset: string): bigint {
  return state.credits.get(asset) ?? 0n;
}

/** The rules that the account admits under: the last that the market told it, else those of the listing. */
export function rulesOf(state: AccountState, symbol: string): MarketRules {
  return state.rules.get(symbol) ?? listedMarket(symbol);
}

/** The asset that an order's hold is in, and the one that it brings in. */
export function assetsOf(rules: MarketRules, side: Side): { held: string; credited: string } {
  return side === "buy" ? { held: rules.quote, credited: rules.base } : { held: rules.base, credited: rules.quote };
}

/** Changes the state by one event. Throws InvariantError when the event does not follow the state. */
export function applyAccountEvent(state: AccountState, event: AccountEvent): void {
  invariant(
    event.first === state.seq + 1 && event.seq >= event.first,
    `account event ${event.first} after ${state.seq}`,
  );
  invariant(event.at >= state.at, "account time went back");
  state.seq = event.seq;
  state.at = event.at;
  if ("group" in event && event.group !== undefined) keepGroup(state, event.group);
  switch (event.kind) {
    case "transfer":
    case "transfer_requested":
    case "transfer_changed":
      applyTransfer(state, event);
      if ("position" in event && event.position !== null) state.positions.set(event.position.symbol, event.position);
      if (event.entry !== null) applyLedger(state, event.entry);
      break;
    case "order_accepted":
      invariant(!state.orders.has(event.order.id), `order ${event.order.id} exists`);
      replaceOrder(state, event.order);
      if (event.command !== null) sendCommand(state, event.order.symbol, event.command);
      applyLedger(state, event.entry);
      break;
    case "group_accepted":
      for (const order of [event.order, ...event.legs]) replaceOrder(state, order);
      sendCommand(state, event.order.symbol, event.command);
      applyLedger(state, event.entry);
      break;
    case "followed":
      replaceOrder(state, event.order);
      break;
    case "cancel_requested":
      replaceOrder(state, event.order);
      sendCommand(state, event.order.symbol, event.command);
      break;
    case "replace_requested":
      replaceOrder(state, event.order);
      sendCommand(state, event.order.symbol, event.command);
      if (event.entry !== null) applyLedger(state, event.entry);
      break;
    case "status_changed":
      state.status = event.status;
      break;
    case "settings_changed":
      state.selfTradePrevention = event.selfTradePrevention;
      break;
    case "rules_learned":
      state.rules.set(event.symbol, event.rules);
      break;
    case "session_revoked":
      // A session whose tokens have all run out needs no memory: forgetting it keeps the list short.
      for (const [id, until] of state.revokedSessions) if (until < event.at) state.revokedSessions.delete(id);
      state.revokedSessions.set(event.sessionId, event.until);
      break;
    case "tokens_valid_from":
      state.tokensValidFrom = event.from;
      break;
    case "report":
      applyReport(state, event);
      break;
    case "refused":
    case "repeated":
    case "batched":
      break;
    default:
      applyRestore(state, event);
  }
}

function applyCut(state: AccountState, event: CutEvent): void {
  if (event.kind === "cut") state.base = baseAfter(state.base, event);
  if (event.kind !== "base") return;
  applyBaseItems(state, event.items);
  if (event.more !== true) state.base = { seq: event.seq, at: event.at, by: 0 };
}

function applyRestore(state: AccountState, event: RestoreEvent | CutEvent): void {
  switch (event.kind) {
    case "restored":
      invariant(event.epoch > state.epoch, `epoch ${event.epoch} after ${state.epoch}`);
      state.epoch = event.epoch;
      state.restoring = true;
      for (const peer of state.peers.values()) settlePeer(peer, peer.cseq);
      break;
    case "reimported":
      invariant(!state.orders.has(event.order.id), `order ${event.order.id} exists`);
      replaceOrder(state, event.order);
      if (event.entry !== null) applyLedger(state, event.entry);
      break;
    case "suspense":
      if (event.position !== null) state.positions.set(event.position.symbol, event.position);
      applyLedger(state, event.entry);
      break;
    case "met": {
      const peer = accountPeer(state, event.symbol);
      invariant(event.cseq >= peer.cseq, `${event.symbol} has met ${event.cseq} of ${peer.cseq} commands`);
      peer.epoch = event.epoch;
      settlePeer(peer, event.cseq);
      break;
    }
    case "reissued":
      sendCommand(state, event.order.symbol, event.command);
      break;
    case "opened":
      state.restoring = false;
      break;
    default:
      applyCut(state, event);
  }
}

/** Nothing waits for an answer any more: who it was for is gone, or has said all that it knows. */
function settlePeer(peer: AccountPeer, cseq: number): void {
  peer.cseq = cseq;
  peer.acknowledged = cseq;
  peer.pending = [];
}

/** What a market may say of an order that has closed before. */
const CLOSED_TOO: ReadonlySet<string> = new Set<Report["execType"]>(["cancel_rejected", "replace_rejected"]);

function applyReport(state: AccountState, event: ReportApplied): void {
  const peer = accountPeer(state, event.symbol);
  invariant(event.rseq === peer.rseq + 1, `report ${event.rseq} after ${peer.rseq} of ${event.symbol}`);
  peer.rseq = event.rseq;
  const before = state.orders.get(event.order.id);
  if (before !== undefined) {
    const moved = before.status !== event.order.status || event.fill !== null;
    invariant(!moved || canTransition(before.status, event.order.status), `${before.status} to ${event.order.status}`);
    replaceOrder(state, event.order);
  } else invariant(CLOSED_TOO.has(event.execType), `a report for ${event.order.id}, which is not open`);
  if (event.rules !== null) state.rules.set(event.symbol, event.rules);
  if (event.command !== null) sendCommand(state, event.symbol, event.command);
  if (event.position !== null) state.positions.set(event.symbol, event.position);
  if (event.entry !== null) applyLedger(state, event.entry);
  if (event.entry !== null && event.fill !== null) countVolume(state.volumes, event.at, event.entry);
}

function keepGroup(state: AccountState, group: Group): void {
  if (group.exits.length > 0) state.groups.set(group.id, group);
  else state.groups.delete(group.id);
}

function replaceOrder(state: AccountState, order: Order): void {
  const before = state.orders.get(order.id);
  const open = isOpen(order.status);
  const change = (open ? order.credit : 0n) - (before?.credit ?? 0n);
  if (change !== 0n) {
    const { credited } = assetsOf(rulesOf(state, order.symbol), order.side);
    state.credits.set(credited, creditOf(state, credited) + change);
  }
  if (open) state.orders.set(order.id, order);
  else state.orders.delete(order.id);
}

function sendCommand(state: AccountState, symbol: string, command: Command): void {
  const peer = accountPeer(state, symbol);
  invariant(command.cseq === peer.cseq + 1, `command ${command.cseq} after ${peer.cseq} for ${symbol}`);
  peer.cseq = command.cseq;
  peer.pending.push(command);
}

function applyLedger(state: AccountState, entry: LedgerEntry): void {
  applyEntry(state.balances, entry);
  state.ledgerHead = entry.hash;
  state.ledgerSeq = entry.seq;
}
