// The requests of the bench: fresh accounts with paper money, and small orders that rest or fill.

import { formatDecimal } from "../src/core/decimal.ts";
import { typeId } from "../src/core/ids.ts";
import { findMarket } from "../src/core/listings.ts";
import { signAccessToken } from "../src/http/tokens.ts";
import { once, request } from "./load.mjs";

const SYMBOL = "BTC-USD";

/** Orders in one request of the kind `batch`. */
export const BATCH_ORDERS = 20;

/**
 * Fresh accounts with money, and a turn-by-turn list of their orders: no account meets its limit of open orders. `batch`: as
 * many of the resting ones in one request as {@link BATCH_ORDERS} says.
 */
export async function orders(port, config, kind, accounts) {
  const tokens = await Promise.all(Array.from({ length: accounts }, () => newToken(config)));
  for (const token of tokens) {
    for (const [asset, amount] of [
      ["USD", "5000000"],
      ["BTC", "100"],
    ]) {
      await once(port, request("POST", "/v1/account/deposits", { token, body: { asset, amount } }));
    }
  }
  const bodies = kind === "filling" ? fillingBodies() : await restingBodies(port);
  const path = kind === "batch" ? "/v1/orders/batch" : "/v1/orders";
  const count = tokens.length * bodies.length;
  // Every account sends every body in turn.
  const requests = Array.from({ length: count }, (_, index) => {
    const body = bodies[Math.floor(index / tokens.length)];
    const many = () => ({ orders: Array.from({ length: BATCH_ORDERS }, () => body), atomic: false });
    return request("POST", path, { token: tokens[index % tokens.length], body: kind === "batch" ? many() : body });
  });
  let sent = 0;
  return () => requests[sent++ % count];
}

/** An access token of nobody in particular: good, and of an account that has nothing. */
export async function newToken(config) {
  const now = Date.now();
  const id = (prefix) => typeId(prefix, now, crypto.getRandomValues(new Uint8Array(10)));
  const subject = {
    userId: id("usr"),
    accountId: id("acc"),
    sessionId: id("ses"),
    roles: ["customer"],
    emailVerified: true,
  };
  return signAccessToken(config, subject, now);
}

/** Limit buys about five percent under the market, one price after the other: inside the band, never met. */
async function restingBodies(port) {
  const { tickSize, quoteScale, basePrice } = findMarket(SYMBOL);
  const book = await once(port, request("GET", `/v1/markets/${SYMBOL}/book?depth=1`));
  const best = BigInt(Math.round(Number(book.bids[0]?.[0] ?? book.bids[0]?.price) * 10 ** quoteScale)) || basePrice;
  const top = (best * 95n) / 100n / tickSize;
  return Array.from({ length: 50 }, (_, index) => ({
    symbol: SYMBOL,
    side: "buy",
    type: "limit",
    time_in_force: "gtc",
    qty: "0.0002",
    limit_price: formatDecimal((top - BigInt(index)) * tickSize, quoteScale),
  }));
}

/** Small market orders, a buy and a sell in turn: each meets the house's best quote. */
function fillingBodies() {
  const order = { symbol: SYMBOL, type: "market" };
  return [
    { ...order, side: "buy", notional: "5" },
    { ...order, side: "sell", qty: "0.0001" },
  ];
}
