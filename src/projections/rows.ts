// What a journalled event means for the read model: the rows it makes or changes. Decides no order and touches no table.

import type { BaseItem, KeptItem } from "../core/account/base.ts";
import type { AccountEvent, Balance, FillRecord, Transfer } from "../core/account/state.ts";
import type { Cut } from "../core/base.ts";
import { decode, type Encoded, type EncodedBigint, readInteger } from "../core/codec.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import type { MarketEvent } from "../core/market/state.ts";
import { readColumn } from "../core/money.ts";
import { isReplacing, type Order, type Trigger } from "../core/order.ts";
import type { Source } from "../db/heads.ts";
import type { balances, executions, ledgerEntries, orders, PostingRow, trades, transfers } from "../db/read-model.ts";

/** What an object has cut: the read model forgets what it has of that, too. */
export interface CutRow extends Source, Omit<Cut, "kind"> {}

/** An account's journal begins with a base: what it does not say is open has ended in events that are gone. */
export interface BaseRow extends Source {
  seq: number;
}

/** Rows by table. Of an order or a balance the last row counts. */
export interface Rows {
  orders: (typeof orders.$inferInsert)[];
  executions: (typeof executions.$inferInsert)[];
  entries: (typeof ledgerEntries.$inferInsert)[];
  balances: (typeof balances.$inferInsert)[];
  transfers: (typeof transfers.$inferInsert)[];
  trades: (typeof trades.$inferInsert)[];
  cuts: CutRow[];
  bases: BaseRow[];
}

/** No rows: what a refusal, a repeated order, a logout or a new quote makes. */
export function noRows(): Rows {
  return { orders: [], executions: [], entries: [], balances: [], transfers: [], trades: [], cuts: [], bases: [] };
}

/**
 * The rows of one account event; null for a kind that this version does not know. Throws RangeError for an amount that no
 * money column may hold, and SyntaxError for what is no amount.
 */
export function accountRows(source: Source, event: Encoded<AccountEvent>): Rows | null {
  const rows = noRows();
  switch (event.kind) {
    case "refused":
    case "repeated":
    case "batched":
    case "session_revoked":
    case "status_changed":
    case "rules_learned":
    case "settings_changed":
    case "tokens_valid_from":
    case "restored":
    case "met":
    case "opened":
      break;
    case "reimported":
      rows.orders.push(orderRow(source, event.seq, event.order));
      if (event.entry !== null) rows.entries.push(entryRow(source, event.entry));
      break;
    case "suspense":
      rows.entries.push(entryRow(source, event.entry));
      break;
    case "transfer":
    case "transfer_requested":
    case "transfer_changed":
      rows.transfers.push(transferRow(source, event.seq, event.transfer));
      if (event.entry !== null) rows.entries.push(entryRow(source, event.entry));
      break;
    case "order_accepted":
      rows.orders.push(orderRow(source, event.seq, event.order));
      rows.entries.push(entryRow(source, event.entry));
      break;
    case "group_accepted":
      for (const order of [event.order, ...event.legs]) rows.orders.push(orderRow(source, event.seq, order));
      if (event.entry !== null) rows.entries.push(entryRow(source, event.entry));
      break;
    case "followed":
      rows.orders.push(orderRow(source, event.seq, event.order));
      break;
    case "replace_requested":
      rows.orders.push(orderRow(source, event.seq, event.order));
      if (event.entry !== null) rows.entries.push(entryRow(source, event.entry));
      break;
    case "cancel_requested":
    case "reissued":
      rows.orders.push(orderRow(source, event.seq, event.order));
      break;
    case "report":
      rows.orders.push(orderRow(source, event.seq, event.order));
      if (event.fill !== null) rows.executions.push(executionRow(source, event.seq, event.fill));
      if (event.entry !== null) rows.entries.push(entryRow(source, event.entry));
      break;
    case "cut":
      rows.cuts.push({ ...source, through: event.through, before: event.before });
      break;
    case "kept":
    case "base":
      for (const one of event.items) keep(rows, source, one, event.seq);
      return rows;
    default:
      return unknownKind(event);
  }
  rows.balances = event.balances.map((balance) => balanceRow(source, event.seq, balance));
  return rows;
}

/** What a base or what is kept for ever says of the read model, as of the event that had said it. */
function keep(rows: Rows, source: Source, one: Encoded<BaseItem | KeptItem>, seq: number): void {
  if (!("item" in one)) return;
  // A base begins with them.
  if (one.item === "facts") rows.bases.push({ ...source, seq });
  if (one.item === "order") rows.orders.push(orderRow(source, one.seq, one.order));
  if (one.item === "transfer") rows.transfers.push(transferRow(source, one.seq, one.transfer));
  if (one.item === "balance") rows.balances.push(balanceRow(source, one.seq, one.balance));
}

/** The rows of one market event; null and throws as {@link accountRows}. Orders are projected from their accounts. */
export function marketRows(source: Source, event: Encoded<MarketEvent>): Rows | null {
  const rows = noRows();
  switch (event.kind) {
    case "rules":
    case "requote":
    case "restored":
    case "met":
    case "opened":
    case "base":
      return rows;
    case "cut":
      rows.cuts.push({ ...source, through: event.through, before: event.before });
      return rows;
    case "report": {
      const { trade, entry, seq } = event;
      if (entry !== null) rows.entries.push(entryRow(source, entry));
      if (trade === null) return rows;
      const { id, side, at } = trade;
      const { epoch, name: market } = source;
      rows.trades.push({
        id,
        market,
        price: readColumn(trade.price),
        qty: readColumn(trade.qty),
        side,
        at,
        epoch,
        seq,
      });
      return rows;
    }
    default:
      return unknownKind(event);
  }
}

/** A kind that the types do not have comes from a newer version: it is left for that one (protocol rule 16). */
function unknownKind(_event: never): null {
  return null;
}

function column(units: EncodedBigint | null): number | null {
  return units === null ? null : readColumn(units);
}

/** As the codec writes it. Throws SyntaxError for what nobody could read again. */
function checked(trigger: Encoded<Trigger>): string {
  const text = JSON.stringify(trigger);
  decode(text);
  return text;
}

// Field by field: to spread an order without what has no column was two per cent of a rebuild.
function orderRow({ name, epoch }: Source, eventSeq: number, order: Encoded<Order>): Rows["orders"][number] {
  const { group, trigger } = order;
  return {
    id: order.id,
    accountId: name,
    clientOrderId: order.clientOrderId,
    symbol: order.symbol,
    side: order.side,
    type: order.type,
    timeInForce: order.timeInForce,
    postOnly: order.postOnly,
    qty: column(order.qty),
    notional: column(order.notional),
    limitPrice: column(order.limitPrice),
    displayQty: column(order.displayQty ?? null),
    trigger: trigger === undefined ? null : checked(trigger),
    groupId: group?.id ?? null,
    orderClass: group?.kind ?? null,
    expiresAt: order.expiresAt,
    selfTradePrevention: order.selfTradePrevention,
    makerFeeBps: order.makerFeeBps,
    takerFeeBps: order.takerFeeBps,
    status: order.status,
    reason: order.reason,
    cancelRequested: order.cancelRequested,
    replaceRequested: isReplacing(order),
    filledQty: readColumn(order.filledQty),
    filledNotional: readColumn(order.filledNotional),
    fee: readColumn(order.fee),
    hold: readColumn(order.hold),
    createdAt: order.createdAt,
    updatedAt: order.updatedAt,
    seq: order.seq,
    epoch,
    eventSeq,
  };
}

function executionRow({ name, epoch }: Source, seq: number, fill: Encoded<FillRecord>): Rows["executions"][number] {
  const { id, tradeId, orderId, symbol, side, liquidity, at } = fill;
  const amounts = { qty: readColumn(fill.qty), price: readColumn(fill.price), fee: readColumn(fill.fee) };
  return { id, tradeId, orderId, accountId: name, symbol, side, ...amounts, liquidity, at, epoch, seq };
}

function entryRow(source: Source, entry: Encoded<LedgerEntry>): Rows["entries"][number] {
  const { seq, id, at, kind, ref, hash } = entry;
  const postings = entry.postings.map(
    (p): PostingRow => [p.account, p.asset, readColumn(p.amount), String(readInteger(p.balance))],
  );
  return { ...source, seq, id, at, kind, ref, hash, postings };
}

function balanceRow({ name, epoch }: Source, seq: number, balance: Encoded<Balance>): Rows["balances"][number] {
  const { asset, available, held } = balance;
  return { accountId: name, asset, available: readColumn(available), held: readColumn(held), epoch, seq };
}

function transferRow({ name, epoch }: Source, seq: number, transfer: Encoded<Transfer>): Rows["transfers"][number] {
  const { id, kind, asset, amount, status, createdAt, worth = null, updatedAt = null, decisions = [] } = transfer;
  const { provider = null, providerRef = null, failure = null } = transfer;
  const amounts = { amount: readColumn(amount), worth: column(worth) };
  const said = { provider, providerRef, failure, decisions: JSON.stringify(decisions) };
  return { id, accountId: name, kind, asset, ...amounts, status, createdAt, updatedAt, ...said, epoch, seq };
}
