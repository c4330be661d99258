// Traders in tests: people with a token, who speak to the whole Worker over HTTP. Nobody hashes a password for one.
import { env, exports } from "cloudflare:workers";
import { expect, vi } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { findAsset, findMarket, type MarketRules } from "../../src/core/listings.ts";
import type {
  wireBalance,
  wireFill,
  wireOrder,
  wirePosition,
  wirePrevented,
  wireTransfer,
} from "../../src/core/wire.ts";
import type { Problem } from "../../src/http/problem.ts";
import { signAccessToken } from "../../src/http/tokens.ts";
import { makeId } from "../../src/objects/platform.ts";

export type WireOrder = ReturnType<typeof wireOrder>;
export type WireFill = ReturnType<typeof wireFill>;
export type WirePrevented = ReturnType<typeof wirePrevented>;
export type WireBalance = ReturnType<typeof wireBalance>;
export type WireTransfer = ReturnType<typeof wireTransfer>;
export type WirePosition = ReturnType<typeof wirePosition>;
export interface WirePage<T> {
  data: T[];
  next_cursor: string | null;
}
export interface WireAccount {
  id: string;
  balances: WireBalance[];
  equity: string;
  buying_power: string;
  ledger: { seq: number; hash: string };
  seq: number;
  as_of: string;
}

/** An answer: its bytes as text, and the same parsed; a problem's fields are there when it is one. */
export interface Answer<T> {
  status: number;
  headers: Headers;
  text: string;
  body: T & Partial<Omit<Problem, keyof T>>;
}

export interface CallOptions {
  json?: unknown;
  raw?: BodyInit;
  token?: string;
  headers?: Record<string, string>;
}

export const ORIGIN = "https://tradepost.example";

/** Sends one request to the whole Worker. `json` is sent as a JSON body, `raw` as it is. */
export async function call<T = Record<string, unknown>>(
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer<T>> {
  const headers = new Headers(options.headers);
  if (options.token !== undefined) headers.set("Authorization", `Bearer ${options.token}`);
  if (options.json !== undefined && !headers.has("Content-Type")) headers.set("Content-Type", "application/json");
  const body = options.raw ?? (options.json === undefined ? null : JSON.stringify(options.json));
  const response = await exports.default.fetch(
    new Request(ORIGIN + path, { method, headers, body, redirect: "manual" }),
  );
  const text = await response.text();
  const isJson = response.headers.get("Content-Type")?.includes("json") === true;
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson && text !== "" ? JSON.parse(text) : {},
  };
}

/** Checks that an answer is a problem document of this code, whole and dressed as every answer is. */
export function expectProblem(got: Answer<unknown>, status: number, code: string): void {
  expect(got.body, got.text).toMatchObject({ status, code });
  expect(got.status).toBe(status);
  expect(got.headers.get("Content-Type")).toBe("application/problem+json");
  expect(got.headers.get("Cache-Control")).toBe("no-store");
  expect(got.headers.get("X-Content-Type-Options")).toBe("nosniff");
  expect(got.headers.get("WWW-Authenticate")).toBe(status === 401 ? "Bearer" : null);
  const { type, title, detail, instance, request_id, errors } = got.body;
  expect(type).toBe(`/docs/errors/${code}`);
  expect(title).toMatch(/^[A-Z]/);
  expect(detail).toMatch(/^[A-Z].*[.]$/);
  expect(instance).toMatch(/^\/[^?]*$/);
  // A replay has the first answer's bytes, and so its id.
  if (got.headers.get("Idempotency-Replayed") === null) expect(request_id).toBe(got.headers.get("X-Request-Id"));
  expect(Array.isArray(errors)).toBe(code === "validation_failed");
}

/** What a trader asks for; the rest of the contract's order fields may stand beside it. */
export type OrderWish = Record<string, unknown> & { symbol: string; side: "buy" | "sell" };

/** A signed-in person with an account of their own. */
export class Trader {
  readonly userId: string;
  readonly accountId: string;
  readonly sessionId: string;
  readonly token: string;

  constructor(ids: { userId: string; accountId: string; sessionId: string }, token: string) {
    this.userId = ids.userId;
    this.accountId = ids.accountId;
    this.sessionId = ids.sessionId;
    this.token = token;
  }

  /** Any call with this trader's token. */
  call<T>(method: string, path: string, options: CallOptions = {}): Promise<Answer<T>> {
    return call<T>(method, path, { token: this.token, ...options });
  }

  get<T>(path: string): Promise<Answer<T>> {
    return this.call<T>("GET", path);
  }

  place(order: OrderWish, headers: Record<string, string> = {}): Promise<Answer<WireOrder>> {
    return this.call<WireOrder>("POST", "/v1/orders", { json: order, headers });
  }

  cancel(orderId: string): Promise<Answer<WireOrder>> {
    return this.call<WireOrder>("DELETE", `/v1/orders/${orderId}`);
  }

  async order(orderId: string): Promise<WireOrder> {
    return (await this.get<WireOrder>(`/v1/orders/${orderId}`)).body;
  }

  async account(): Promise<WireAccount> {
    return (await this.get<WireAccount>("/v1/account")).body;
  }

  /** One asset's balance; zeros for an asset never had. */
  async balance(asset: string): Promise<WireBalance> {
    const { balances } = await this.account();
    return balances.find((one) => one.asset === asset) ?? { asset, available: "0", held: "0", total: "0" };
  }

  async deposit(amount: string, asset = "USD"): Promise<WireTransfer> {
    const made = await this.call<WireTransfer>("POST", "/v1/account/deposits", { json: { asset, amount } });
    if (made.status !== 201) throw new Error(`deposit: ${made.text}`);
    return made.body;
  }

  /** Every row of a list, page by page. `between` runs after each page. */
  async all<T>(path: string, limit: number, between?: () => Promise<unknown>): Promise<{ rows: T[]; pages: number }> {
    const rows: T[] = [];
    let cursor: string | null = null;
    let pages = 0;
    do {
      const query: string = `${path.includes("?") ? "&" : "?"}limit=${limit}${cursor === null ? "" : `&cursor=${cursor}`}`;
      const page: Answer<WirePage<T>> = await this.get<WirePage<T>>(path + query);
      if (page.status !== 200) throw new Error(`${path}: ${page.text}`);
      rows.push(...page.body.data);
      cursor = page.body.next_cursor;
      pages += 1;
      await between?.();
    } while (cursor !== null);
    return { rows, pages };
  }
}

/** Signs a newcomer in, with some paper money. `tokenAgeMs`: how long ago the token was signed; they last ten minutes. */
export async function trader(
  options: { usd?: string; roles?: string[]; emailVerified?: boolean; tokenAgeMs?: number } = {},
): Promise<Trader> {
  const at = Date.now();
  const ids = { userId: makeId("usr", at), accountId: makeId("acc", at), sessionId: makeId("ses", at) };
  const { roles = ["customer"], emailVerified = true, tokenAgeMs = 0 } = options;
  const token = await signAccessToken(
    loadConfig(env),
    { ...ids, roles, emailVerified, authAtMs: at - tokenAgeMs },
    at - tokenAgeMs,
  );
  const one = new Trader(ids, token);
  if (options.usd !== undefined) await one.deposit(options.usd);
  return one;
}

/** Another session of the same person. */
export async function secondSession(of: Trader): Promise<Trader> {
  const ids = { userId: of.userId, accountId: of.accountId, sessionId: makeId("ses", Date.now()) };
  return new Trader(
    ids,
    await signAccessToken(
      loadConfig(env),
      { ...ids, roles: ["customer"], emailVerified: true, authAtMs: Date.now() },
      Date.now(),
    ),
  );
}

/** Another access token of the same session, as a refresh gives one. `ageMs`: how long ago it was signed. */
export function anotherToken(of: Trader, ageMs = 0): Promise<string> {
  const { userId, accountId, sessionId } = of;
  const subject = { userId, accountId, sessionId, roles: ["customer"], emailVerified: true };
  return signAccessToken(loadConfig(env), subject, Date.now() - ageMs);
}

/**
 * Stops the clock an hour ahead of the real one, for the Worker and its objects too: prices stand still, and no alarm rings
 * by itself. Answers a function that lets time pass. An expectation that is polled lets a little pass at each try.
 */
export function stopClock(): (ms: number) => void {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
  return (ms) => void vi.setSystemTime(Date.now() + ms);
}

/** A decimal string in units of 10^-scale; written apart from the product's own parser, so that it can check it. */
export function units(text: string, scale: number): bigint {
  const [whole = "0", fraction = ""] = text.replace("-", "").split(".");
  const magnitude = BigInt(whole + fraction.padEnd(scale, "0"));
  return text.startsWith("-") ? -magnitude : magnitude;
}

/** USD in millionths. */
export function usd(text: string): bigint {
  return units(text, 6);
}

/** An amount of any asset in its smallest unit. */
export function unitsOf(asset: string, text: string): bigint {
  return units(text, findAsset(asset)?.scale ?? 0);
}

/** Units as a decimal string with all its digits. */
export function decimal(amount: bigint, scale: number): string {
  const digits = amount.toString().padStart(scale + 1, "0");
  return scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

export function rulesOf(symbol: string): MarketRules {
  const rules = findMarket(symbol);
  if (rules === undefined) throw new Error(`${symbol} is not listed`);
  return rules;
}

/** A price on tick, `bps` above the reference that the market shows (below it when negative). */
export async function priceAt(symbol: string, bps: number): Promise<string> {
  const rules = rulesOf(symbol);
  const { body } = await call<{ reference_price: string }>("GET", `/v1/markets/${symbol}`);
  const wanted = (units(body.reference_price, rules.quoteScale) * BigInt(10_000 + bps)) / 10_000n;
  return decimal(wanted - (wanted % rules.tickSize), rules.quoteScale);
}

/** A quantity in whole lots that is worth about this many USD at a price. */
export function qtyWorth(symbol: string, usdWorth: number, price: string): string {
  const rules = rulesOf(symbol);
  const exact = (BigInt(usdWorth) * 10n ** BigInt(rules.quoteScale + rules.baseScale)) / units(price, rules.quoteScale);
  return decimal(exact - (exact % rules.lotSize), rules.baseScale);
}

/** What `qty` costs at a price, in USD units, without fees. */
export function notional(symbol: string, price: string, qty: string): bigint {
  const rules = rulesOf(symbol);
  return (units(price, rules.quoteScale) * units(qty, rules.baseScale)) / 10n ** BigInt(rules.baseScale);
}

/** A fee in USD units: so many basis points, rounded up. */
export function feeOn(worth: bigint, bps: number): bigint {
  return (worth * BigInt(bps) + 9_999n) / 10_000n;
}
