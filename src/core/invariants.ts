// What must hold after every event, as sentences about what does not. Reads states, changes nothing; O(n) in orders.
import { accountGroupBreaks } from "./account/groups.ts";
import { budgetOf, heldParts, holdOf } from "./account/holds.ts";
import { type AccountPeer, type AccountState, assetsOf, balanceOf, creditOf, rulesOf } from "./account/state.ts";
import { creditOfTransfer, transferBreaks } from "./account/transfer-events.ts";
import { type BookOrder, HOUSE, type RestingOrder } from "./book.ts";
import { bookBreaks } from "./book-breaks.ts";
import { isContainer, isExit } from "./groups.ts";
import { type Balances, balanceKey, isCustomerMoney, keyParts } from "./ledger.ts";
import { isTrading } from "./market/breaker.ts";
import { groupBreaks, isAsleep } from "./market/groups.ts";
import type { MarketPeer, MarketState } from "./market/state.ts";
import { isWaiting } from "./market/triggers.ts";
import { UNITS_MAX } from "./money.ts";
import { feeOf, isOpen, leavesOf, limitBuyReserve, type Order } from "./order.ts";

/**
 * Every invariant that an account breaks by itself, one sentence each; none when all is well. Money sums to zero per
 * asset and is never negative, what is held is what open orders and pending withdrawals hold, each hold covers its order's
 * worst cost, and positions, credits and counters agree with what they are made of. Amounts in units.
 */
export function accountBreaks(state: AccountState): string[] {
  const breaks = [...ledgerBreaks(state.balances)];
  for (const [key, units] of state.balances) {
    if (isCustomerMoney(keyParts(key).account) && units < 0n) breaks.push(`${key} is negative: ${units}`);
  }
  for (const [id, order] of state.orders) {
    if (order.id !== id) breaks.push(`order ${order.id} is kept as ${id}`);
    breaks.push(...orderBreaks(order, rulesOf(state, order.symbol).baseScale));
  }
  breaks.push(...holdBreaks(state), ...transferBreaks(state), ...positionBreaks(state), ...accountGroupBreaks(state));
  for (const [symbol, peer] of state.peers) breaks.push(...pendingBreaks(symbol, peer));
  return breaks;
}

/**
 * Every invariant that a market at rest (between commands) breaks by itself, one sentence each. The book is not crossed,
 * its levels are sorted, full and first come first served, every open order rests in one place within its budget, and
 * the ledger sums to zero per asset. Amounts in units.
 */
export function marketBreaks(state: MarketState): string[] {
  const breaks = [...ledgerBreaks(state.balances), ...bookBreaks(state.book, isTrading(state))];
  const inBook = new Map<string, RestingOrder>();
  for (const side of [state.book.buy, state.book.sell]) {
    for (const level of side.levels.values()) {
      for (const order of level.orders.values()) {
        if (order.account === HOUSE) continue;
        if (inBook.has(order.id)) breaks.push(`order ${order.id} rests in two places`);
        inBook.set(order.id, order);
      }
    }
  }
  for (const id of state.resting) if (!inBook.has(id)) breaks.push(`order ${id} should rest and is not in the book`);
  for (const [id, order] of inBook) {
    if (!state.resting.has(id)) breaks.push(`order ${id} is in the book and does not count as resting`);
    if (state.orders.get(id) !== order) breaks.push(`order ${id} in the book is not the order that the market keeps`);
    breaks.push(...budgetBreaks(order, state.rules.baseScale));
  }
  for (const [id, order] of state.orders) {
    if (!inBook.has(id) && !isWaiting(order) && !isAsleep(order))
      breaks.push(`order ${id} is open and not in the book`);
    if (isWaiting(order) !== state.waiting.has(id))
      breaks.push(`order ${id} waits and is not kept so, or is and does not`);
    if (isWaiting(order) && inBook.has(id)) breaks.push(`order ${id} waits in the book`);
    if (order.expiresAt !== (state.expiring.get(id) ?? null))
      breaks.push(`order ${id} expires at another time than kept`);
  }
  for (const id of state.expiring.keys())
    if (!state.orders.has(id)) breaks.push(`order ${id} will expire and is not open`);
  const waiting = [...state.orders.values()].filter(isWaiting).length;
  if (state.waiting.size !== waiting) breaks.push(`${waiting} orders wait, ${state.waiting.size} are kept so`);
  for (const [account, peer] of state.peers) breaks.push(...unacknowledgedBreaks(account, peer));
  // A restored market learns of one exit before the other, and settles them as it opens.
  if (!state.restoring) breaks.push(...groupBreaks(state.groups, state.orders));
  return breaks;
}

/**
 * What a market and its accounts disagree on, one sentence each, when no message is under way: clearing sums to zero over
 * them per asset, fees charged are fees earned, counters and open orders are the same on both sides. `accounts` must be
 * all that ever traded here.
 */
export function crossBreaks(accounts: Iterable<AccountState>, market: MarketState): string[] {
  const breaks: string[] = [];
  const { symbol, base, quote } = market.rules;
  const sums = new Map([base, quote].map((asset) => [asset, { clearing: 0n, fees: 0n }]));
  let open = 0;
  for (const account of accounts) {
    for (const [asset, sum] of sums) {
      sum.clearing += balanceOf(account, `clearing:${symbol}`, asset);
      sum.fees += balanceOf(account, `fees:${symbol}`, asset);
    }
    for (const order of account.orders.values()) {
      if (order.symbol !== symbol || isContainer(order)) continue;
      open += 1;
      breaks.push(...sameOrderBreaks(account.id, order, market.orders.get(order.id), market.rules.baseScale));
    }
    breaks.push(...counterBreaks(account, market));
  }
  if (open !== market.orders.size) breaks.push(`${symbol} has ${market.orders.size} open orders, its accounts ${open}`);
  for (const [asset, sum] of sums) {
    const rest = sum.clearing + sum.fees + (market.balances.get(balanceKey("clearing", asset)) ?? 0n);
    if (rest !== 0n) breaks.push(`clearing of ${symbol} leaves ${rest} of ${asset}`);
    const earned = market.balances.get(balanceKey("fees", asset)) ?? 0n;
    if (sum.fees > earned)
      breaks.push(`${symbol}: accounts paid ${sum.fees} of ${asset} in fees, the market has ${earned}`);
    if (sum.fees < earned)
      breaks.push(`${symbol}: the market has ${earned} of ${asset} in fees, accounts paid ${sum.fees}`);
  }
  return breaks;
}

/** M1: an object's ledger sums to zero per asset, customers' money within what a money column can store. */
function ledgerBreaks(balances: Balances): string[] {
  const breaks: string[] = [];
  const sums: Balances = new Map();
  for (const [key, units] of balances) {
    const { account, asset } = keyParts(key);
    sums.set(asset, (sums.get(asset) ?? 0n) + units);
    if (isCustomerMoney(account) && units > UNITS_MAX) breaks.push(`${key} is out of range: ${units}`);
  }
  for (const [asset, sum] of sums) if (sum !== 0n) breaks.push(`the ledger leaves ${sum} of ${asset}`);
  return breaks;
}

/** O1 and M8: what has happened to an open order fits its terms, and its hold covers all that it can still cost. */
function orderBreaks(order: Order, baseScale: number): string[] {
  const breaks: string[] = [];
  const wrong = (what: string) => breaks.push(`order ${order.id} ${what}`);
  const { qty, notional, filledQty, status } = order;
  if (!isOpen(status)) wrong(`is ${status} and still kept as open, holding ${order.hold}`);
  const leaves = qty === null ? null : qty - filledQty;
  if (filledQty < 0n || (leaves !== null && leaves < 0n)) wrong(`has ${filledQty} of ${qty} filled`);
  const shares = isExit(order) || isContainer(order);
  if (leaves === 0n && !shares) wrong("is filled and still open");
  if ((status === "partially_filled") !== filledQty > 0n) wrong(`is ${status} with ${filledQty} filled`);
  if (order.fee !== feeOf(order.feeNumerator)) wrong(`has a fee of ${order.fee} for ${order.feeNumerator}`);
  if (order.side === "buy" && notional !== null && order.filledNotional + order.fee > notional)
    wrong(`cost more than ${notional}`);
  if (order.hold <= 0n && !shares) wrong(`is open and holds ${order.hold}`);
  if (order.credit < 0n) wrong(`may bring in ${order.credit}`);
  if (leaves === null) return breaks;
  const worst = holdOf(order, baseScale);
  if (worst !== null && order.hold < worst) wrong(`holds ${order.hold} and may cost ${worst}`);
  if (worst !== null && order.hold > worst) wrong(`holds ${order.hold} and can cost no more than ${worst}`);
  return breaks;
}

/** M4: per asset, held money is the sum of what holds it; and the credits kept are the sum of what may come in. */
function holdBreaks(state: AccountState): string[] {
  const breaks: string[] = [];
  const holds: Balances = new Map();
  const credits: Balances = new Map();
  const add = (sums: Balances, asset: string, units: bigint) => sums.set(asset, (sums.get(asset) ?? 0n) + units);
  for (const { asset, units } of heldParts(state)) add(holds, asset, units);
  for (const order of state.orders.values())
    add(credits, assetsOf(rulesOf(state, order.symbol), order.side).credited, order.credit);
  for (const transfer of state.transfers.values()) add(credits, transfer.asset, creditOfTransfer(transfer));
  const assets = new Set([...state.balances.keys()].map((key) => keyParts(key).asset));
  for (const asset of new Set([...assets, ...holds.keys()])) {
    const held = balanceOf(state, "held", asset);
    const sum = holds.get(asset) ?? 0n;
    if (held !== sum) breaks.push(`${held} of ${asset} is held, what it is held for comes to ${sum}`);
  }
  for (const asset of new Set([...state.credits.keys(), ...credits.keys()])) {
    const kept = creditOf(state, asset);
    const sum = credits.get(asset) ?? 0n;
    if (kept !== sum) breaks.push(`${sum} of ${asset} may come in, kept is ${kept}`);
  }
  return breaks;
}

/** A base asset's positions are what the account has of it, and what they cost is never negative. */
function positionBreaks(state: AccountState): string[] {
  const breaks: string[] = [];
  const owned: Balances = new Map();
  for (const [symbol, position] of state.positions) {
    const { base } = rulesOf(state, symbol);
    owned.set(base, (owned.get(base) ?? 0n) + position.qty);
    if (position.costBasis < 0n) breaks.push(`position ${symbol} cost ${position.costBasis}`);
    if (position.qty === 0n && position.costBasis !== 0n)
      breaks.push(`position ${symbol} is flat and cost ${position.costBasis}`);
  }
  for (const [asset, qty] of owned) {
    const money = balanceOf(state, "available", asset) + balanceOf(state, "held", asset);
    if (money !== qty) breaks.push(`${money} of ${asset} is there, positions have ${qty}`);
  }
  return breaks;
}

/** Commands that wait for their market's answer are the last ones numbered, without a gap. */
function pendingBreaks(symbol: string, peer: AccountPeer): string[] {
  const first = peer.cseq - peer.pending.length + 1;
  const broken = peer.pending.findIndex((command, index) => command.cseq !== first + index);
  return broken === -1 ? [] : [`pending command ${broken} for ${symbol} is not number ${first + broken}`];
}

/** Reports that wait to be acknowledged are the last ones numbered, without a gap. */
function unacknowledgedBreaks(account: string, peer: MarketPeer): string[] {
  const first = peer.rseq - peer.unacknowledged.length + 1;
  const broken = peer.unacknowledged.findIndex((report, index) => report.rseq !== first + index);
  return broken === -1 ? [] : [`unacknowledged report ${broken} for ${account} is not number ${first + broken}`];
}

/** M8 on the market's side: what is held for a resting order is all that it can still cost, and its fee is exact. */
function budgetBreaks(order: RestingOrder, baseScale: number): string[] {
  const breaks: string[] = [];
  const worst = order.side === "sell" ? order.leaves : limitBuyReserve(order, order.price, order.leaves, baseScale);
  if (order.budget < worst) breaks.push(`order ${order.id} has a budget of ${order.budget} and may cost ${worst}`);
  if (order.budget > worst)
    breaks.push(`order ${order.id} has a budget of ${order.budget}, beyond its cost of ${worst}`);
  if (order.fee !== feeOf(order.feeNumerator))
    breaks.push(`order ${order.id} has a fee of ${order.fee} for ${order.feeNumerator}`);
  return breaks;
}

function sameOrderBreaks(account: string, mine: Order, theirs: BookOrder | undefined, baseScale: number): string[] {
  if (theirs === undefined) return [`order ${mine.id} is ${mine.status} at ${account} and not open at its market`];
  const same =
    theirs.account === account &&
    theirs.side === mine.side &&
    theirs.price === mine.limitPrice &&
    (isWaiting(theirs) || isAsleep(theirs)) === (mine.status === "held") &&
    (theirs.leaves ?? 0n) === leavesOf(mine) &&
    theirs.feeNumerator === mine.feeNumerator &&
    theirs.fee === mine.fee &&
    theirs.budget === (isExit(mine) ? budgetOf(mine, baseScale) : mine.hold);
  return same ? [] : [`order ${mine.id} is not the same at ${account} and at its market`];
}

function counterBreaks(account: AccountState, market: MarketState): string[] {
  const mine = account.peers.get(market.symbol);
  const theirs = market.peers.get(account.id);
  const same = (mine?.cseq ?? 0) === (theirs?.cseq ?? 0) && (mine?.rseq ?? 0) === (theirs?.rseq ?? 0);
  return same ? [] : [`${account.id} and ${market.symbol} count commands or reports differently`];
}
