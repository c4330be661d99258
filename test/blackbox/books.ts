// What an account and all of them together must add up to: ledger, fills, the read model, the stream, and all money.
import { createHash } from "node:crypto";
import { GENESIS_HASH } from "../../src/core/ledger.ts";
import { findAsset } from "../../src/core/listings.ts";
import type { FinalAccount, Holding, StreamLine } from "./history.ts";

/** The ledger is contiguous in time and number, chained, balanced, and adds up to the balances shown. */
export function ledgerBreaks({ id, ledger, balances, seq }: FinalAccount): string[] {
  const breaks: string[] = [];
  const sums = new Map<string, bigint>();
  let previous = { hash: GENESIS_HASH, seq: 0 };
  for (const entry of ledger) {
    const movements = entry.postings.map(({ account, asset, amount }) => [account, asset, amount]);
    const text = JSON.stringify([previous.hash, entry.seq, entry.id, entry.at, entry.kind, entry.ref, movements]);
    if (createHash("sha256").update(text).digest("hex") !== entry.hash)
      breaks.push(`${id}: the hash of entry ${entry.seq} is not that of its contents and the entry before`);
    if (entry.seq <= previous.seq || entry.seq > seq) breaks.push(`${id}: entry ${entry.seq} after ${previous.seq}`);
    previous = entry;
    const own = new Map<string, bigint>();
    for (const { account, asset, amount } of entry.postings) {
      const moved = unitsOf(asset, amount);
      own.set(asset, (own.get(asset) ?? 0n) + moved);
      sums.set(`${account} ${asset}`, (sums.get(`${account} ${asset}`) ?? 0n) + moved);
    }
    for (const [asset, left] of own) if (left !== 0n) breaks.push(`${id}: entry ${entry.seq} leaves ${left} ${asset}`);
  }
  for (const { asset, available, held } of balances) {
    for (const [name, shown] of Object.entries({ available, held })) {
      const sum = sums.get(`${name} ${asset}`) ?? 0n;
      if (sum !== unitsOf(asset, shown)) breaks.push(`${id}: ${name} ${asset} is ${shown}, its entries sum to ${sum}`);
      sums.delete(`${name} ${asset}`);
    }
  }
  for (const [key, sum] of sums)
    if (/^(available|held) /.test(key) && sum !== 0n) breaks.push(`${id}: ${sum} in ${key} is not shown`);
  return breaks;
}

/** Fills are there once each, and an order's sum to what is filled of it. */
export function fillBreaks({ orders, fills }: FinalAccount): string[] {
  const breaks: string[] = [];
  const filled = new Map<string, bigint>();
  if (new Set(fills.map(({ id }) => id)).size !== fills.length) breaks.push("doubled: a fill is listed twice");
  for (const { order_id, symbol, qty } of fills)
    filled.set(order_id, (filled.get(order_id) ?? 0n) + unitsOf(baseOf(symbol), qty));
  for (const { id, symbol, filled_qty } of orders) {
    const sum = filled.get(id) ?? 0n;
    filled.delete(id);
    if (sum !== unitsOf(baseOf(symbol), filled_qty))
      breaks.push(`order ${id} has ${filled_qty} filled, its fills sum to ${sum}`);
  }
  for (const id of filled.keys()) breaks.push(`out of nothing: fills of order ${id}`);
  return breaks;
}

/** After the drain D1 shows the account's orders, every field, and no others. */
export function projectionBreaks({ id, orders, projected }: FinalAccount): string[] {
  const shown = new Map(projected.map((order) => [order.id, JSON.stringify(order)]));
  const breaks: string[] = [];
  for (const order of orders) {
    const found = shown.get(order.id);
    shown.delete(order.id);
    if (found !== JSON.stringify(order)) breaks.push(`D1 ${found === undefined ? "lacks" : "differs on"} ${order.id}`);
  }
  for (const extra of shown.keys()) breaks.push(`D1 has order ${extra}, which ${id} does not`);
  return breaks;
}

/** Messages follow each other by prev_seq, over all subscriptions, and end in what the account shows. */
export function streamBreaks(lines: readonly StreamLine[], { id, orders, fills, balances }: FinalAccount): string[] {
  const breaks: string[] = [];
  const last = { orders: new Map<string, string>(), balances: new Map<string, string>() };
  const heard = new Set<string>();
  let seq = 0;
  let mayJump = true;
  let whole = true;
  for (const line of lines) {
    if (line.type === "subscribed") {
      mayJump = line.resumeFrom === null;
    } else if (line.type === "gap") {
      mayJump = true;
      whole = false;
    } else if (line.type === "snapshot") {
      if (!mayJump) breaks.push(`stream of ${id}: a snapshot at ${line.seq} that was not announced`);
      if (line.seq < seq) breaks.push(`stream of ${id}: went back from ${seq} to ${line.seq}`);
      seq = line.seq;
    } else {
      mayJump = false;
      if (line.prevSeq !== seq || line.seq <= seq)
        breaks.push(`stream of ${id}: ${line.seq} after ${line.prevSeq}, heard last was ${seq}`);
      seq = line.seq;
      if (line.type === "order") last.orders.set(line.id, line.status);
      if (line.type === "balance") last.balances.set(line.asset, `${line.available} ${line.held}`);
      if (line.type === "fill") {
        if (heard.has(line.id)) breaks.push(`stream of ${id}: fill ${line.id} twice`);
        heard.add(line.id);
      }
    }
  }
  if (lines.length === 0 || !whole) return breaks;
  for (const order of orders)
    if (last.orders.get(order.id) !== order.status)
      breaks.push(`stream of ${id}: order ${order.id} ended ${last.orders.get(order.id)}, it is ${order.status}`);
  for (const { asset, available, held } of balances)
    if (last.balances.get(asset) !== `${available} ${held}`)
      breaks.push(`stream of ${id}: ${asset} ended at ${last.balances.get(asset)}, it is ${available} ${held}`);
  if (heard.size !== fills.length || fills.some((fill) => !heard.has(fill.id)))
    breaks.push(`stream of ${id}: ${heard.size} fills heard, ${fills.length} are there`);
  return breaks;
}

/** By asset: what customers, the house and fees have, less what came in from outside. Money only moves, so each is zero. */
export function moneySums(holdings: readonly Holding[]): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const { owner, account, asset, units } of holdings) {
    // An account's clearing and fees are the other side of its market's own; both count once, at the market.
    const counts = owner === "accounts" ? !/^(clearing|fees):/.test(account) : account !== "clearing";
    if (counts) sums.set(asset, (sums.get(asset) ?? 0n) + units);
  }
  return sums;
}

/** See {@link moneySums}. */
export function sumBreaks(holdings: readonly Holding[]): string[] {
  const wrong = [...moneySums(holdings)].filter(([, sum]) => sum !== 0n);
  return wrong.map(([asset, sum]) => `money out of nothing: ${sum} ${asset}`);
}

function baseOf(symbol: string): string {
  return symbol.slice(0, symbol.indexOf("-"));
}

/** A signed decimal of an asset in its smallest unit; written apart from the product's parser, so that it can check it. */
function unitsOf(asset: string, text: string): bigint {
  const [whole = "", fraction = ""] = text.replace("-", "").split(".");
  const magnitude = BigInt(whole + fraction.padEnd(findAsset(asset)?.scale ?? 0, "0"));
  return text.startsWith("-") ? -magnitude : magnitude;
}
