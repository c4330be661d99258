// Whether the books balance, judged from the API's answers alone: nothing of the server's own code is used here.

import { createHash } from "node:crypto";
import { must } from "./demo-client.mjs";

const GENESIS_HASH = "0".repeat(64);
/** Digits that every decimal is brought to, so that sums are exact. More than any asset or price has. */
const DIGITS = 18;
const BPS = 10_000n;
/** Units of 10^-18 in one unit of USD, which has six digits. */
const USD_UNIT = 10n ** BigInt(DIGITS - 6);

/** A decimal string in units of 10^-18. */
export function units(text) {
  const match = /^(-?)(\d+)(?:\.(\d{1,18}))?$/.exec(text);
  must(match !== null, `"${text}" is no decimal.`);
  const [, sign, whole, fraction = ""] = match;
  const value = BigInt(whole + fraction.padEnd(DIGITS, "0"));
  return sign === "-" ? -value : value;
}

/** Units of 10^-18 as a decimal string in shortest form. */
export function decimal(value) {
  const digits = (value < 0n ? -value : value).toString().padStart(DIGITS + 1, "0");
  const fraction = digits.slice(-DIGITS).replace(/0+$/, "");
  return `${value < 0n ? "-" : ""}${digits.slice(0, -DIGITS)}${fraction === "" ? "" : `.${fraction}`}`;
}

/** Everything about one customer that has to agree, read in one go. */
export async function readBooks(customer) {
  const [account, entries, orders, positions, portfolio] = await Promise.all([
    customer.get("/v1/account"),
    customer.all("/v1/account/ledger"),
    customer.all("/v1/orders?status=open"),
    customer.get("/v1/positions"),
    customer.get("/v1/portfolio"),
  ]);
  return { customer, account, entries, orders, positions: positions.data, portfolio };
}

/** Every entry sums to zero per asset. Answers a sentence; fails naming the entry that does not. */
export function entriesBalance({ customer, entries }) {
  for (const entry of entries) {
    for (const [asset, sum] of sumBy(
      entry.postings,
      (posting) => posting.asset,
      (posting) => units(posting.amount),
    )) {
      must(sum === 0n, `Ledger entry ${entry.seq} of ${customer.name} leaves ${decimal(sum)} ${asset} over.`);
    }
  }
  return `${entries.length} ledger entries sum to zero per asset`;
}

/** Every entry's hash follows from its contents and the hash before it. */
export function chainHolds({ customer, entries }) {
  let previous = GENESIS_HASH;
  for (const { seq, id, at, kind, ref, postings, hash } of entries) {
    const movements = postings.map(({ account, asset, amount }) => [account, asset, amount]);
    const text = JSON.stringify([previous, seq, id, at, kind, ref, movements]);
    const computed = createHash("sha256").update(text).digest("hex");
    must(computed === hash, `The hash of ledger entry ${seq} of ${customer.name} is not that of its contents.`);
    previous = hash;
  }
  return `the hash chain recomputes to ${previous.slice(0, 16)}…`;
}

/** The postings, added up from nothing, are the balances shown. */
export function foldIsBalances({ customer, account, entries }) {
  const postings = entries.flatMap((entry) => entry.postings);
  const folded = sumBy(
    postings,
    (posting) => `${posting.account} ${posting.asset}`,
    (posting) => units(posting.amount),
  );
  for (const { asset, available, held, total } of account.balances) {
    for (const [name, shown] of Object.entries({ available, held })) {
      const sum = folded.get(`${name} ${asset}`) ?? 0n;
      must(
        sum === units(shown),
        `The ledger of ${customer.name} says ${name} ${decimal(sum)} ${asset}, shown is ${shown}.`,
      );
      folded.delete(`${name} ${asset}`);
    }
    must(
      units(available) + units(held) === units(total),
      `${asset} of ${customer.name}: total is not available plus held.`,
    );
  }
  for (const [key, sum] of folded) {
    const mine = /^(available|held) /.test(key);
    must(!mine || sum === 0n, `The ledger of ${customer.name} has ${decimal(sum)} in ${key}, which no balance shows.`);
  }
  return "the postings add up to the balances shown";
}

/** What is held is what the open orders may still cost, to the unit. Orders of the demo are open only while unfilled. */
export function heldIsOpenOrders({ customer, account, orders }, market) {
  const due = sumBy(
    orders,
    (order) => (order.side === "buy" ? market.quote : market.base),
    (order) => holdOf(order, market),
  );
  for (const { asset, held } of account.balances) {
    const sum = due.get(asset) ?? 0n;
    must(units(held) === sum, `${customer.name} has ${held} ${asset} held; its open orders need ${decimal(sum)}.`);
  }
  return `held money is that of ${orders.length} open order${orders.length === 1 ? "" : "s"}`;
}

/** A sell holds what is left of it; a buy that at its limit and the dearer fee, rounded up to the unit. */
function holdOf(order, market) {
  const leaves = units(order.leaves_qty);
  if (order.side === "sell") return leaves;
  const cost = (leaves * units(order.limit_price)) / 10n ** BigInt(DIGITS);
  const fee = cost * BigInt(Math.max(market.maker_fee_bps, market.taker_fee_bps));
  const whole = BPS * USD_UNIT;
  return cost + ((fee + whole - 1n) / whole) * USD_UNIT;
}

/** Equity is cash plus positions; positions are the assets in the balances, valued and costed consistently. */
export function portfolioAdds({ customer, account, positions, portfolio }) {
  const name = customer.name;
  const parts = units(portfolio.cash) + units(portfolio.positions_value);
  must(units(portfolio.equity) === parts, `The equity of ${name} is not cash plus positions.`);
  for (const { asset, total } of account.balances) {
    if (asset === "USD") {
      must(units(total) === units(portfolio.cash), `The cash of ${name} is not its USD balance.`);
      continue;
    }
    const position = positions.find((one) => one.asset === asset);
    must(units(position?.qty ?? "0") === units(total), `The ${asset} position of ${name} is not its balance.`);
  }
  for (const { symbol, market_value, cost_basis, unrealized_pnl } of positions) {
    const gain = units(market_value) - units(cost_basis);
    must(gain === units(unrealized_pnl), `Unrealized profit in ${symbol} of ${name} is not value less cost.`);
  }
  return "equity is cash plus positions, and positions are the balances";
}

/** With nothing but USD paid in, equity is what was paid in plus all profit and loss, fees included. */
export function profitExplains({ customer, portfolio }, paidIn) {
  const gains = units(portfolio.realized_pnl) + units(portfolio.unrealized_pnl);
  const explained = units(portfolio.equity) === units(paidIn) + gains;
  must(explained, `The equity of ${customer.name} is not ${paidIn} paid in plus ${decimal(gains)} profit.`);
  return "equity is money paid in plus realized and unrealized profit";
}

/** What the stream said last of each balance is the balance; no message was missed on the way. */
export async function streamAgrees({ customer, account }) {
  const { stream } = customer;
  await stream.reach(account.seq);
  const last = new Map(
    stream.events.filter((event) => event.channel === "balances").map((event) => [event.data.asset, event.data]),
  );
  for (const balance of account.balances) {
    const heard = last.get(balance.asset);
    if (heard === undefined) continue;
    const same = heard.available === balance.available && heard.held === balance.held;
    must(same, `The stream of ${customer.name} ended with another ${balance.asset} balance than is shown.`);
  }
  return `${stream.events.length} stream messages came without a gap, and end in the same balances`;
}

function sumBy(rows, keyOf, amountOf) {
  const sums = new Map();
  for (const row of rows) sums.set(keyOf(row), (sums.get(keyOf(row)) ?? 0n) + amountOf(row));
  return sums;
}
