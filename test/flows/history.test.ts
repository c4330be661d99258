// What a trader asks of the past: the account as it was, and what makes each figure.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { checkStatement } from "../../scripts/ledger-check.ts";
import { type BookedEntry, readStatement, type Statement } from "../../scripts/ledger-file.ts";
import { STATEMENT_PAGE_ROWS } from "../../src/core/limits.ts";
import type { wireBalanceExplained, wirePositionExplained, wirePositionLots } from "../../src/core/wire-history.ts";
import { AccountObject } from "../../src/worker.ts";
import { newKey, signed } from "../support/keys.ts";
import {
  call,
  expectProblem,
  priceAt,
  qtyWorth,
  stopClock,
  type Trader,
  trader,
  unitsOf,
  usd,
  type WireAccount,
  type WireFill,
  type WireOrder,
  type WirePage,
  type WirePosition,
} from "../support/session.ts";

interface Paged {
  next_cursor: string | null;
}
type BalanceExplained = ReturnType<typeof wireBalanceExplained> & Paged;
type PositionExplained = ReturnType<typeof wirePositionExplained> & Paged & { value: WirePosition };

let pass: (ms: number) => void;

beforeAll(() => {
  pass = stopClock();
});

async function trade(who: Trader, symbol: string, side: "buy" | "sell", amount: object): Promise<WireOrder> {
  const placed = await who.place({ symbol, side, type: "market", ...amount });
  expect(placed.body.status, placed.text).toBe("filled");
  return placed.body;
}

async function rest(who: Trader, symbol: string, side: "buy" | "sell"): Promise<WireOrder> {
  const price = await priceAt(symbol, side === "buy" ? -500 : 500);
  const placed = await who.place({ symbol, side, type: "limit", limit_price: price, qty: qtyWorth(symbol, 50, price) });
  expect(placed.status, placed.text).toBe(201);
  return placed.body;
}

/** Everything that can be asked as of a moment. */
async function look(who: Trader, query = "") {
  const paths = ["/v1/account", "/v1/positions", "/v1/positions/SOL-USD", "/v1/portfolio"];
  const answers = await Promise.all(paths.map((path) => who.get<Record<string, unknown>>(`${path}${query}`)));
  for (const answer of answers) expect(answer.status, answer.text).toBe(200);
  // What is chosen for orders to come is told of now alone, and since when there are answers.
  return answers.map(({ body: { self_trade_prevention: _, archived_before: __, ...then } }) => then);
}

/** Some days of a trader's: each act, and what could be seen right after it. */
async function someDays() {
  const ada = await trader({});
  const seen: { at: string; seq: number; all: unknown[] }[] = [];
  const act = async (work: () => Promise<unknown>) => {
    await work();
    const all = await look(ada);
    const { seq, as_of: at } = all[0] as unknown as WireAccount;
    seen.push({ at, seq, all });
    pass(50_000);
  };
  let bid: WireOrder | undefined;
  await act(() => ada.deposit("10000"));
  await act(() => trade(ada, "SOL-USD", "buy", { notional: "2000" }));
  await act(async () => {
    bid = await rest(ada, "ETH-USD", "buy");
  });
  await act(() => ada.deposit("3", "SOL"));
  await act(() => rest(ada, "SOL-USD", "sell"));
  await act(() => trade(ada, "SOL-USD", "sell", { qty: "1" }));
  await act(() => ada.cancel(bid?.id ?? ""));
  await act(() => trade(ada, "DOGE-USD", "buy", { notional: "300" }));
  await act(() => trade(ada, "SOL-USD", "sell", { qty: "2" }));
  return { ada, seen };
}

describe("as of a moment", () => {
  it("account, positions and portfolio are what they were, at the prices of then, by time and by number", async () => {
    const { ada, seen } = await someDays();
    for (const { at, seq, all } of seen) {
      expect(await look(ada, `?as_of=${at}`)).toEqual(all);
      expect(await look(ada, `?as_of=seq:${seq}`)).toEqual(all);
    }
    // Between two acts the state is that after the first, and equity goes with the prices.
    const [first, second] = seen;
    const between = new Date(Date.parse(first?.at ?? "") + 25_000).toISOString();
    const [account] = await look(ada, `?as_of=${between}`);
    const before = first?.all[0] as WireAccount;
    expect(account).toMatchObject({
      balances: before.balances,
      seq: before.seq,
      ledger: before.ledger,
      as_of: between,
    });
    const justBefore = new Date(Date.parse(second?.at ?? "") - 1).toISOString();
    expect((await look(ada, `?as_of=${justBefore}`))[0]).toMatchObject({ seq: before.seq });
  });

  it("every number of an act's messages is that act", async () => {
    const ada = await trader({ usd: "1000" });
    await trade(ada, "SOL-USD", "buy", { notional: "100" });
    const now = await ada.account();
    const entry = (await ada.all<{ seq: number }>("/v1/account/ledger", 50)).rows.at(-1);
    expect(entry?.seq).toBeLessThan(now.seq);
    for (let seq = entry?.seq ?? 0; seq <= now.seq; seq += 1) {
      expect((await look(ada, `?as_of=seq:${seq}`))[0]).toMatchObject({ seq: now.seq, balances: now.balances });
    }
    expect((await look(ada, `?as_of=seq:${(entry?.seq ?? 0) - 1}`))[0]).not.toMatchObject({ seq: now.seq });
  });

  it("before the first event there is nothing", async () => {
    const ada = await trader({ usd: "1000" });
    for (const moment of ["seq:0", "2001-01-01T00:00:00Z"]) {
      const [account, positions, position, portfolio] = await look(ada, `?as_of=${moment}`);
      const ledger = { seq: 0, hash: "0".repeat(64) };
      expect(account).toMatchObject({ balances: [], equity: "0", buying_power: "0", seq: 0, ledger });
      expect(positions).toEqual({ data: [], next_cursor: null });
      expect(position).toMatchObject({ qty: "0", cost_basis: "0", realized_pnl: "0" });
      expect(portfolio).toMatchObject({ equity: "0", cash: "0", allocation: [] });
    }
  });

  it("is refused when it has not come, and when it is no moment", async () => {
    const ada = await trader({ usd: "1000" });
    const { seq, as_of: now } = await ada.account();
    const ahead = new Date(Date.parse(now) + 1).toISOString();
    for (const path of ["/v1/account", "/v1/positions", "/v1/positions/SOL-USD", "/v1/portfolio"]) {
      expect((await ada.get(`${path}?as_of=${now}`)).status).toBe(200);
      for (const moment of [ahead, `seq:${seq + 1}`]) {
        const got = await ada.get(`${path}?as_of=${moment}`);
        expectProblem(got, 422, "validation_failed");
        expect(got.body.errors).toMatchObject([{ pointer: "/as_of", code: "in_the_future" }]);
      }
      for (const moment of [
        "",
        "yesterday",
        "seq:",
        "seq:-1",
        "seq:01",
        "seq:1e3",
        "12",
        "2026-13-01T00:00:00Z",
        "2026-01-01",
      ]) {
        const got = await ada.get(`${path}?as_of=${moment}`);
        expectProblem(got, 422, "validation_failed");
        expect(got.body.errors).toMatchObject([{ pointer: "/as_of", code: "invalid_format" }]);
      }
    }
    expectProblem(await ada.get("/v1/positions/NONE-USD?as_of=seq:0"), 404, "not_found");
  });

  it("says whether the account was frozen then", async () => {
    const ada = await trader({ usd: "1000" });
    const { seq } = await ada.account();
    await env.ACCOUNT.getByName(ada.accountId).setStatus("frozen", "a test");
    expect((await look(ada))[0]).toMatchObject({ status: "frozen" });
    expect((await look(ada, `?as_of=seq:${seq}`))[0]).toMatchObject({ status: "active" });
    expect((await look(ada, `?as_of=seq:${seq + 1}`))[0]).toMatchObject({ status: "frozen" });
  });
});

/** Every entry of an explanation, page by page. */
async function pagesOf<T extends Paged & { entries: unknown[] }>(who: Trader, path: string, limit: number) {
  const pages: T[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const got: { body: T; status: number; text: string } = await who.get<T>(
      `${path}?limit=${limit}${cursor === "" ? "" : `&cursor=${cursor}`}`,
    );
    expect(got.status, got.text).toBe(200);
    expect(got.body.entries.length).toBeLessThanOrEqual(limit);
    pages.push(got.body);
    cursor = got.body.next_cursor;
  }
  return pages;
}

describe("what makes a balance", () => {
  it("is every entry that moved it, each with the balance after it, the last with the balance itself", async () => {
    const { ada } = await someDays();
    for (const { asset, ...rest } of (await ada.account()).balances) {
      const path = `/v1/account/balances/${asset}/explain`;
      const pages = await pagesOf<BalanceExplained>(ada, path, 3);
      const entries = pages.flatMap((page) => page.entries);
      const ledger = (await ada.all<{ postings: { asset: string }[] }>("/v1/account/ledger", 200)).rows;
      const moving = ledger.filter(({ postings }) => postings.some((posting) => posting.asset === asset));
      expect(entries.map(({ balance: _, ...entry }) => entry)).toEqual(moving);
      for (const page of pages) expect(page.value).toEqual({ asset, ...rest });
      expect(entries.at(-1)?.balance).toEqual({ asset, ...rest });
      const running = { available: 0n, held: 0n };
      for (const { postings, balance } of entries) {
        for (const one of postings) {
          if (one.asset !== asset || (one.account !== "available" && one.account !== "held")) continue;
          running[one.account] += unitsOf(asset, one.amount);
        }
        expect(unitsOf(asset, balance.available)).toBe(running.available);
        expect(unitsOf(asset, balance.held)).toBe(running.held);
      }
    }
  });

  it("names the orders that hold it: together they are what is held", async () => {
    const ada = await trader({ usd: "1000" });
    await ada.deposit("5", "SOL");
    const [bid, ask, other] = [
      await rest(ada, "SOL-USD", "buy"),
      await rest(ada, "SOL-USD", "sell"),
      await rest(ada, "ETH-USD", "buy"),
    ];
    const dollars = (await ada.get<BalanceExplained>("/v1/account/balances/USD/explain")).body;
    expect(dollars.holds.map((hold) => [hold.order_id, hold.symbol, hold.side])).toEqual([
      [bid.id, "SOL-USD", "buy"],
      [other.id, "ETH-USD", "buy"],
    ]);
    expect(dollars.holds.reduce((sum, { amount }) => sum + usd(amount), 0n)).toBe(usd(dollars.value.held));
    expect(dollars.other_holds).toEqual({ count: 0, amount: "0" });
    const sol = (await ada.get<BalanceExplained>("/v1/account/balances/SOL/explain")).body;
    expect(sol.holds).toEqual([{ order_id: ask.id, symbol: "SOL-USD", side: "sell", amount: sol.value.held }]);
  });

  it("is nothing for an asset never had, and not found for none at all", async () => {
    const ada = await trader({});
    expect((await ada.get("/v1/account/balances/BTC/explain")).body).toEqual({
      value: { asset: "BTC", available: "0", held: "0", total: "0" },
      entries: [],
      next_cursor: null,
      holds: [],
      other_holds: { count: 0, amount: "0" },
      withdrawals: [],
    });
    for (const asset of ["NONE", "usd", "BTC-USD", "x".repeat(50), "%00"]) {
      expectProblem(await ada.get(`/v1/account/balances/${asset}/explain`), 404, "not_found");
    }
    expectProblem(await ada.get("/v1/account/balances/BTC/explain?limit=201"), 422, "validation_failed");
    expectProblem(await ada.get("/v1/account/balances/BTC/explain?cursor=c"), 422, "validation_failed");
  });
});

describe("what makes a position", () => {
  it("is every fill and transfer, each with the position after it, the last with the position itself", async () => {
    const { ada } = await someDays();
    for (const position of (await ada.get<WirePage<WirePosition>>("/v1/positions")).body.data) {
      const { symbol, asset, qty, avg_entry_price, cost_basis, realized_pnl } = position;
      const pages = await pagesOf<PositionExplained>(ada, `/v1/positions/${symbol}/explain`, 2);
      const entries = pages.flatMap((page) => page.entries);
      for (const page of pages) expect(page.value).toEqual(position);
      expect(entries.at(-1)?.position).toEqual({ qty, avg_entry_price, cost_basis, realized_pnl });
      const running = { qty: 0n, cost: 0n, realized: 0n };
      for (const entry of entries) {
        running.qty += unitsOf(asset, entry.qty);
        running.cost += usd(entry.cost);
        running.realized += usd(entry.realized_pnl);
        expect(unitsOf(asset, entry.position.qty)).toBe(running.qty);
        expect(usd(entry.position.cost_basis)).toBe(running.cost);
        expect(usd(entry.position.realized_pnl)).toBe(running.realized);
      }
      const fills = (await ada.all<WireFill>(`/v1/fills?symbol=${symbol}`, 200)).rows.reverse();
      const filled = entries.filter((entry) => entry.kind === "fill");
      expect(filled.map(({ ref, order_id, price, fee }) => ({ ref, order_id, price, fee }))).toEqual(
        fills.map(({ id, order_id, price, fee }) => ({ ref: id, order_id, price, fee })),
      );
      expect(entries.length - filled.length).toBe(symbol === "SOL-USD" ? 1 : 0);
    }
  });

  it("has lots: what is left when the oldest units leave first", async () => {
    const ada = await trader({ usd: "10000" });
    const explain = async () => (await ada.get<PositionExplained>("/v1/positions/SOL-USD/explain")).body;
    const one = await trade(ada, "SOL-USD", "buy", { qty: "2" });
    pass(60_000);
    const two = await trade(ada, "SOL-USD", "buy", { qty: "3" });
    const paid = (order: WireOrder) => usd(order.filled_notional) + usd(order.fee);
    const both = await explain();
    expect(both.lots.map(({ qty }) => qty)).toEqual(["2", "3"]);
    expect(both.lots.map(({ cost }) => usd(cost))).toEqual([paid(one), paid(two)]);
    await trade(ada, "SOL-USD", "sell", { qty: "2.5" });
    const left = await explain();
    expect(left.lots).toMatchObject([{ ref: both.lots[1]?.ref, seq: both.lots[1]?.seq, qty: "2.5" }]);
    expect(usd(left.lots[0]?.cost ?? "0")).toBe(paid(two) - (paid(two) * 5n) / 30n);
    expect(left.older_lots_qty).toBe("0");
    const byLots = await ada.get<ReturnType<typeof wirePositionLots>>("/v1/positions/SOL-USD/lots");
    expect(byLots.body).toMatchObject({ lots: left.lots, fifo: { cost_basis: left.lots[0]?.cost } });
    await trade(ada, "SOL-USD", "sell", { qty: "2.5" });
    expect(await explain()).toMatchObject({ lots: [], value: { qty: "0" }, older_lots_qty: "0" });
  });

  it("is nothing for a market never traded in, and not found for none at all", async () => {
    const ada = await trader({});
    const flat = (await ada.get<PositionExplained>("/v1/positions/BTC-USD/explain")).body;
    expect(flat).toMatchObject({ value: { qty: "0" }, entries: [], next_cursor: null, lots: [], older_lots_qty: "0" });
    for (const symbol of ["NONE-USD", "BTC", "btc-usd"]) {
      expectProblem(await ada.get(`/v1/positions/${symbol}/explain`), 404, "not_found");
    }
  });
});

/** A statement as it was sent. */
async function statementOf(who: Trader, query = ""): Promise<Statement> {
  const got = await who.get(`/v1/account/statements${query}`);
  expect(got.status, got.text).toBe(200);
  return readStatement(got.text);
}

describe("a statement", () => {
  it("of everything holds by itself, in both formats, and ends where the account says", async () => {
    const { ada } = await someDays();
    const account = await ada.account();
    const json = await statementOf(ada);
    expect(checkStatement(json, account.ledger.hash)).toMatchObject({ wrong: null });
    expect(json).toMatchObject({ account: ada.accountId, from: null, to: null, head: account.ledger, opening: [] });
    expect(await statementOf(ada, "?format=csv")).toEqual(json);
    const ledger = (await ada.all<BookedEntry>("/v1/account/ledger", 200)).rows;
    const shown = json.entries.map((entry) => ({
      ...entry,
      postings: entry.postings.map(({ account, asset, amount }) => ({ account, asset, amount })),
    }));
    expect(shown).toEqual(ledger);
    for (const { asset, available, held } of account.balances) {
      const closing = (name: string) =>
        json.closing.find((own) => own.account === name && own.asset === asset)?.balance;
      expect([closing("available"), closing("held")]).toEqual([available, held]);
    }
  });

  it("of each period begins where the one before ended, and has what was had then", async () => {
    const { ada, seen } = await someDays();
    const bounds = [null, ...seen.slice(1).map(({ at }) => at), null];
    let before: Statement | undefined;
    for (const [index, to] of bounds.slice(1).entries()) {
      const from = bounds[index] ?? null;
      const query = Object.entries({ from, to }).flatMap(([name, at]) => (at === null ? [] : `${name}=${at}`));
      const statement = await statementOf(ada, `?${query.join("&")}`);
      expect(checkStatement(statement, null).wrong).toBeNull();
      expect(statement).toMatchObject({ from, to });
      if (before !== undefined) expect(statement).toMatchObject({ before: before.head, opening: before.closing });
      // An act of the very moment that a period ends with is the next one's.
      const [then] = seen[index]?.all ?? [];
      const { balances, ledger } = then as WireAccount;
      expect(statement.head).toEqual(ledger);
      const own = balances.flatMap(({ asset, available, held }) => [
        { account: "available", asset, balance: available },
        { account: "held", asset, balance: held },
      ]);
      expect(statement.closing).toEqual(own);
      before = statement;
    }
  });

  it("of more entries than one page is whole, and costs one call", async () => {
    const ada = await trader({ usd: "1000" });
    const account = env.ACCOUNT.getByName(ada.accountId);
    const caller = { accountId: ada.accountId, sessionId: ada.sessionId, issuedAtMs: Date.now() };
    const wish = { kind: "deposit", asset: "USD", amount: 1n } as const;
    for (let n = 0; n < STATEMENT_PAGE_ROWS + 10; n += 1) await account.transfer(caller, wish, null);
    const left = async () =>
      Number(/"calls";r=(\d+)/.exec((await ada.get("/v1/account")).headers.get("RateLimit") ?? "")?.[1]);
    const before = await left();
    for (const format of ["json", "csv"]) {
      const statement = await statementOf(ada, `?format=${format}`);
      expect(statement.entries).toHaveLength(STATEMENT_PAGE_ROWS + 11);
      expect(checkStatement(statement, (await ada.account()).ledger.hash).wrong).toBeNull();
    }
    expect(before - (await left())).toBe(5);
  });

  it("is a file with a name of its own, and nobody keeps it", async () => {
    const ada = await trader({ usd: "10" });
    const { ledger } = await ada.account();
    for (const [format, type] of [
      ["json", "application/json"],
      ["csv", "text/csv; charset=utf-8; header=present"],
    ] as const) {
      const { headers } = await ada.get(`/v1/account/statements?format=${format}`);
      expect(headers.get("Content-Type")).toBe(type);
      expect(headers.get("Cache-Control")).toBe("no-store");
      const name = `statement-${ada.accountId}-${ledger.seq}.${format}`;
      expect(headers.get("Content-Disposition")).toBe(`attachment; filename="${name}"`);
    }
  });

  it("by a signed key is whole, too: the signature is used once", async () => {
    const ada = await trader({ usd: "10" });
    const key = await newKey(ada, { signing: true });
    const got = await call("GET", "/v1/account/statements", { headers: signed(key, "GET", "/v1/account/statements") });
    expect(got.status, got.text).toBe(200);
    expect(checkStatement(readStatement(got.text), (await ada.account()).ledger.hash).wrong).toBeNull();
  });

  it("of no period, or of one that has not begun, is refused", async () => {
    const ada = await trader({ usd: "10" });
    const now = Date.parse((await ada.account()).as_of);
    const [past, soon, later] = [-60_000, 1, 60_000].map((ms) => new Date(now + ms).toISOString());
    const refused = async (query: string, pointer: string, code: string) => {
      const got = await ada.get(`/v1/account/statements?${query}`);
      expectProblem(got, 422, "validation_failed");
      expect(got.body.errors).toMatchObject([{ pointer, code }]);
    };
    await refused(`from=${past}&to=${past}`, "/to", "not_after_from");
    await refused(`from=${soon}&to=${past}`, "/to", "not_after_from");
    await refused(`from=${soon}`, "/from", "in_the_future");
    await refused("format=pdf", "/format", "not_allowed");
    await refused("from=yesterday", "/from", "invalid_format");
    await refused("until=2026-01-01T00:00:00Z", "/until", "unknown_field");
    // A period may go on beyond now: what it has so far is told.
    const open = await statementOf(ada, `?from=${past}&to=${later}`);
    expect(open).toMatchObject({ to: later, head: (await ada.account()).ledger });
  });

  it("of an account in which nothing has happened is empty", async () => {
    const ada = await trader({});
    const statement = await statementOf(ada);
    const nothing = { seq: 0, hash: "0".repeat(64) };
    expect(statement).toMatchObject({ opening: [], entries: [], closing: [], before: nothing, head: nothing });
    expect(checkStatement(statement, nothing.hash).wrong).toBeNull();
  });

  it("breaks off without an end when the account cannot be asked any more", async () => {
    const ada = await trader({ usd: "10" });
    await ada.deposit("1");
    const ledger = vi.spyOn(AccountObject.prototype, "ledger");
    ledger.mockResolvedValue({ ok: false, refusal: { code: "session_revoked" } });
    const logged = vi.spyOn(console, "error").mockReturnValue();
    await expect(ada.get("/v1/account/statements")).rejects.toThrow();
    ledger.mockRestore();
    logged.mockRestore();
    expect((await statementOf(ada)).entries).toHaveLength(2);
  });
});
