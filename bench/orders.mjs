// The requests of the bench: fresh accounts with paper money, and small orders that rest or fill.

import { formatDecimal } from "../src/core/decimal.ts";
import { typeId } from "../src/core/ids.ts";
import { findMarket } from "../src/core/listings.ts";
import { signAccessToken } from "../src/http/tokens.ts";
import { once, request } from "./load.mjs";

const SYMBOL = "BTC-USD";
/** Orders placed beforehand: to be canceled, each once, and to be replaced, again and again. */
const CANCELED = 8_000;
const REPLACED = 400;
const PLACED_AT_ONCE = 100;

/** Orders in one request of the kind `batch`. */
export const BATCH_ORDERS = 20;

/**
 * Fresh accounts with money, and a turn-by-turn list of their orders: no account meets its limit of open orders. `batch`: as
 * many of the resting ones in one request as {@link BATCH_ORDERS} says. `cancel` and `replace` are about orders that rest already.
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
  if (kind === "cancel") return onceEach(await cancels(port, tokens, bodies));
  if (kind === "replace") return inTurn(await replaces(port, tokens, bodies));
  const path = kind === "batch" ? "/v1/orders/batch" : "/v1/orders";
  const count = tokens.length * bodies.length;
  // Every account sends every body in turn.
  const requests = Array.from({ length: count }, (_, index) => {
    const body = bodies[Math.floor(index / tokens.length)];
    const many = () => ({ orders: Array.from({ length: BATCH_ORDERS }, () => body), atomic: false });
    return request("POST", path, { token: tokens[index % tokens.length], body: kind === "batch" ? many() : body });
  });
  return inTurn(requests);
}

/** The requests one after the other, and again from the first. */
export function inTurn(requests) {
  let sent = 0;
  return () => requests[sent++ % requests.length];
}

function onceEach(requests) {
  let sent = 0;
  return () => {
    if (sent === requests.length) throw new Error(`more than ${CANCELED} cancels: measure for fewer seconds`);
    return requests[sent++];
  };
}

/** Places resting orders, so many over all accounts; each with its account's token, one account after the other. */
async function placed(port, tokens, bodies, count) {
  const made = [];
  for (let at = 0; at < count; at += PLACED_AT_ONCE) {
    const token = tokens[(at / PLACED_AT_ONCE) % tokens.length];
    const some = Array.from({ length: PLACED_AT_ONCE }, (_, index) => bodies[index % bodies.length]);
    const body = { orders: some, atomic: false };
    const { data } = await once(port, request("POST", "/v1/orders/batch", { token, body }));
    for (const { order } of data) made.push({ token, id: order.id });
  }
  return made;
}

async function cancels(port, tokens, bodies) {
  const made = await placed(port, tokens, bodies, CANCELED);
  return made.map(({ token, id }) => request("DELETE", `/v1/orders/${id}`, { token }));
}

/** Every order gets the next price, then the one after that; so many others come in between that none is asked for twice at once. */
async function replaces(port, tokens, bodies) {
  const made = await placed(port, tokens, bodies, REPLACED);
  return bodies
    .slice(0, 10)
    .flatMap(({ limit_price }) =>
      made.map(({ token, id }) => request("PATCH", `/v1/orders/${id}`, { token, body: { limit_price } })),
    );
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
export function fillingBodies() {
  const order = { symbol: SYMBOL, type: "market" };
  return [
    { ...order, side: "buy", notional: "5" },
    { ...order, side: "sell", qty: "0.0001" },
  ];
}
