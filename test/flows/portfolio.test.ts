// What a trader reads back: lists page by page, cancels, other people's orders, and books that add up to the unit.
import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import type { wireEntry } from "../../src/core/wire.ts";
import {
  expectProblem,
  feeOn,
  notional,
  priceAt,
  qtyWorth,
  rulesOf,
  stopClock,
  type Trader,
  trader,
  unitsOf,
  usd,
  type WireFill,
  type WireOrder,
  type WirePage,
  type WirePosition,
  type WireTransfer,
} from "../support/session.ts";

type Entry = ReturnType<typeof wireEntry>;
interface Portfolio {
  equity: string;
  cash: string;
  positions_value: string;
  unrealized_pnl: string;
  realized_pnl: string;
  allocation: { asset: string; value: string; weight_bps: number }[];
}

let pass: (ms: number) => void;

beforeAll(() => {
  pass = stopClock();
});

/** Places a limit order far from the market, so that it rests. */
async function rest(who: Trader, symbol: string, side: "buy" | "sell" = "buy"): Promise<WireOrder> {
  const price = await priceAt(symbol, side === "buy" ? -500 : 500);
  const placed = await who.place({ symbol, side, type: "limit", limit_price: price, qty: qtyWorth(symbol, 50, price) });
  expect(placed.status, placed.text).toBe(201);
  return placed.body;
}

async function trade(
  who: Trader,
  symbol: string,
  side: "buy" | "sell",
  amount: { qty: string } | { notional: string },
) {
  const placed = await who.place({ symbol, side, type: "market", ...amount });
  expect(placed.body.status, placed.text).toBe("filled");
  return placed.body;
}

describe("a list", () => {
  it("shows each order once, newest first, also while new ones come", async () => {
    const ada = await trader({ usd: "10000" });
    const placed: string[] = [];
    for (const symbol of ["BTC-USD", "ETH-USD", "BTC-USD", "SOL-USD", "BTC-USD", "ETH-USD", "BTC-USD"]) {
      placed.unshift((await rest(ada, symbol)).id);
    }
    const { rows, pages } = await ada.all<WireOrder>("/v1/orders", 3, () => rest(ada, "BTC-USD"));
    expect(rows.map((order) => order.id)).toEqual(placed);
    expect(pages).toBe(3);
    const whole = await ada.get<WirePage<WireOrder>>("/v1/orders?limit=10");
    expect(whole.body.data.slice(3)).toEqual(rows);
    expect(whole.body.next_cursor).toBeNull();
  });

  it("of orders goes by status, market and side", async () => {
    const ada = await trader({ usd: "10000" });
    await ada.deposit("1", "ETH");
    const [bid, ask, other] = [
      await rest(ada, "ETH-USD"),
      await rest(ada, "ETH-USD", "sell"),
      await rest(ada, "SOL-USD"),
    ];
    await ada.cancel(bid.id);
    const ids = async (query: string) =>
      (await ada.get<WirePage<WireOrder>>(`/v1/orders?${query}`)).body.data.map((order) => order.id);
    expect(await ids("")).toEqual([other.id, ask.id, bid.id]);
    expect(await ids("status=all")).toEqual([other.id, ask.id, bid.id]);
    expect(await ids("status=open")).toEqual([other.id, ask.id]);
    expect(await ids("status=closed")).toEqual([bid.id]);
    expect(await ids("status=open&symbol=ETH-USD")).toEqual([ask.id]);
    expect(await ids("symbol=ETH-USD&side=buy")).toEqual([bid.id]);
  });

  it("of fills, deposits and ledger entries shows each row once", async () => {
    const ada = await trader({ usd: "10000" });
    for (const amount of ["1", "2", "3", "4"]) await ada.deposit(amount);
    for (let time = 0; time < 3; time += 1) await trade(ada, "XRP-USD", "buy", { notional: "20" });
    await trade(ada, "ADA-USD", "buy", { notional: "20" });
    const deposits = await ada.all<WireTransfer>("/v1/account/deposits", 2);
    expect(deposits.rows.map((one) => one.amount)).toEqual(["4", "3", "2", "1", "10000"]);
    expect((await ada.all("/v1/account/withdrawals", 2)).rows).toEqual([]);
    const fills = await ada.all<WireFill>("/v1/fills", 1);
    expect(fills.rows.map((fill) => fill.symbol)).toEqual(["ADA-USD", "XRP-USD", "XRP-USD", "XRP-USD"]);
    expect(new Set(fills.rows.map((fill) => fill.id)).size).toBe(4);
    expect((await ada.all<WireFill>("/v1/fills?symbol=XRP-USD", 2)).rows).toEqual(fills.rows.slice(1));
    const ledger = await ada.all<Entry>("/v1/account/ledger", 4);
    expect(ledger.rows).toEqual((await ada.get<WirePage<Entry>>("/v1/account/ledger?limit=200")).body.data);
    expect(ledger.rows.map((entry) => entry.seq)).toEqual(
      [...ledger.rows.map((entry) => entry.seq)].sort((a, b) => a - b),
    );
    const kinds = ledger.rows.map((entry) => entry.kind);
    expect(kinds.filter((kind) => kind === "deposit")).toHaveLength(5);
    expect((await ada.all<Entry>("/v1/account/ledger?kind=fill", 3)).rows).toHaveLength(4);
    const backwards = "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z";
    expectProblem(await ada.get(`/v1/account/ledger?${backwards}`), 422, "validation_failed");
    const ofXrp = (await ada.all<Entry>("/v1/account/ledger?asset=XRP", 2)).rows;
    expect(ofXrp).toEqual(ledger.rows.filter((entry) => entry.postings.some((posting) => posting.asset === "XRP")));
  });
});

describe("another user's order", () => {
  it("is not there: to read, to cancel, or among one's own", async () => {
    const [ada, bob] = [await trader({ usd: "1000" }), await trader({ usd: "1000" })];
    const order = await rest(ada, "BTC-USD");
    expectProblem(await bob.get(`/v1/orders/${order.id}`), 404, "not_found");
    expectProblem(await bob.cancel(order.id), 404, "not_found");
    const unknown = await bob.get(`/v1/orders/${order.id.slice(0, -4)}0000`);
    expectProblem(unknown, 404, "not_found");
    expect((await bob.get<WirePage<WireOrder>>("/v1/orders")).body.data).toEqual([]);
    expect((await bob.get<WirePage<WireFill>>(`/v1/fills?order_id=${order.id}`)).body.data).toEqual([]);
    expect((await bob.call<{ data: unknown[] }>("DELETE", "/v1/orders")).body.data).toEqual([]);
    expect((await ada.order(order.id)).status).toBe("new");
  });
});

describe("a cancel", () => {
  it("answers 200 with the order once canceled, and 200 again", async () => {
    const ada = await trader({ usd: "1000" });
    const order = await rest(ada, "BTC-USD");
    const first = await ada.cancel(order.id);
    expect(first).toMatchObject({ status: 200, body: { id: order.id, status: "canceled", cancel_requested: false } });
    expect(await ada.cancel(order.id)).toMatchObject({ status: 200, body: first.body });
    expect(await ada.balance("USD")).toMatchObject({ available: "1000", held: "0" });
  });

  it("comes too late for a filled and for a rejected order", async () => {
    const ada = await trader({ usd: "1000" });
    const filled = await trade(ada, "BTC-USD", "buy", { notional: "50" });
    expectProblem(await ada.cancel(filled.id), 409, "order_not_open");
    const price = await priceAt("BTC-USD", 100);
    const crosser = { symbol: "BTC-USD", side: "buy" as const, type: "limit", limit_price: price, post_only: true };
    const rejected = await ada.place({ ...crosser, qty: qtyWorth("BTC-USD", 50, price) });
    expectProblem(await ada.cancel(String(rejected.body.order_id)), 409, "order_not_open");
  });

  it("of all orders says of each what became of it, and takes market and side", async () => {
    const ada = await trader({ usd: "10000" });
    await ada.deposit("1", "ETH");
    const [eth, ask, sol, btc] = [
      await rest(ada, "ETH-USD"),
      await rest(ada, "ETH-USD", "sell"),
      await rest(ada, "SOL-USD"),
      await rest(ada, "BTC-USD"),
    ];
    const cancelAll = async (query: string) => {
      const got = await ada.call<{ data: { id: string; status_code: number; order: WireOrder }[] }>(
        "DELETE",
        `/v1/orders${query}`,
      );
      expect(got.status).toBe(207);
      for (const one of got.body.data)
        expect(one).toMatchObject({ status_code: 200, order: { id: one.id, status: "canceled" } });
      return got.body.data.map((one) => one.id);
    };
    expect(await cancelAll("?symbol=ETH-USD&side=sell")).toEqual([ask.id]);
    expect(await cancelAll("?symbol=ETH-USD")).toEqual([eth.id]);
    expect(new Set(await cancelAll(""))).toEqual(new Set([sol.id, btc.id]));
    expect(await cancelAll("")).toEqual([]);
    expect(await ada.balance("USD")).toMatchObject({ available: "10000", held: "0" });
    expect((await ada.balance("ETH")).held).toBe("0");
  });
});

describe("the books", () => {
  it("an account says where its ledger ends, also before the first entry", async () => {
    const ada = await trader({});
    expect((await ada.account()).ledger).toEqual({ seq: 0, hash: "0".repeat(64) });
    await ada.deposit("1");
    const [entry] = (await ada.all<Entry>("/v1/account/ledger", 5)).rows;
    expect((await ada.account()).ledger).toEqual({ seq: entry?.seq, hash: entry?.hash });
  });

  it("positions are at average cost, fees included, and a sale realizes its part", async () => {
    const ada = await trader({ usd: "10000" });
    const one = await trade(ada, "LINK-USD", "buy", { notional: "1000" });
    pass(60_000);
    const two = await trade(ada, "LINK-USD", "buy", { notional: "500" });
    const cost = [one, two].reduce((sum, order) => sum + usd(order.filled_notional) + usd(order.fee), 0n);
    const bought = (await ada.get<WirePosition>("/v1/positions/LINK-USD")).body;
    expect(bought).toMatchObject({ symbol: "LINK-USD", asset: "LINK", realized_pnl: "0" });
    expect(usd(bought.cost_basis)).toBe(cost);
    expect(unitsOf("LINK", bought.qty)).toBe(unitsOf("LINK", one.filled_qty) + unitsOf("LINK", two.filled_qty));
    expect(usd(bought.unrealized_pnl)).toBe(usd(bought.market_value) - cost);
    const sold = await trade(ada, "LINK-USD", "sell", { qty: one.filled_qty });
    const after = (await ada.get<WirePosition>("/v1/positions/LINK-USD")).body;
    const part = (cost * unitsOf("LINK", one.filled_qty)) / unitsOf("LINK", bought.qty);
    expect(usd(after.realized_pnl)).toBe(usd(sold.filled_notional) - usd(sold.fee) - part);
    expect(usd(after.cost_basis)).toBe(cost - part);
    expect(unitsOf("LINK", after.qty)).toBe(unitsOf("LINK", two.filled_qty));
    await trade(ada, "LINK-USD", "sell", { qty: after.qty });
    const flat = (await ada.get<WirePosition>("/v1/positions/LINK-USD")).body;
    expect(flat).toMatchObject({ qty: "0", cost_basis: "0", market_value: "0", avg_entry_price: null });
  });

  it("equity is cash and positions, and deposits and profit, to the unit", async () => {
    const ada = await trader({ usd: "10000" });
    await ada.deposit("2500.5");
    const mixed = ["BTC-USD", "AAPL-USD", "DOGE-USD"];
    for (const symbol of mixed) await trade(ada, symbol, "buy", { notional: "777.77" });
    pass(500_000);
    await trade(ada, "DOGE-USD", "sell", { notional: "300" });
    await rest(ada, "ETH-USD");
    await rest(ada, "AAPL-USD", "sell");
    const portfolio = (await ada.get<Portfolio>("/v1/portfolio")).body;
    const positions = (await ada.get<WirePage<WirePosition>>("/v1/positions")).body.data;
    const account = await ada.account();
    const sum = (field: "market_value" | "unrealized_pnl" | "realized_pnl") =>
      positions.reduce((total, position) => total + usd(position[field]), 0n);
    expect(positions.map((position) => position.symbol).sort()).toEqual([...mixed].sort());
    expect(usd(portfolio.cash)).toBe(usd((await ada.balance("USD")).total));
    expect(usd(portfolio.positions_value)).toBe(sum("market_value"));
    expect(usd(portfolio.equity)).toBe(usd(portfolio.cash) + usd(portfolio.positions_value));
    expect(usd(portfolio.equity)).toBe(usd("12500.5") + usd(portfolio.realized_pnl) + usd(portfolio.unrealized_pnl));
    expect(usd(portfolio.unrealized_pnl)).toBe(sum("unrealized_pnl"));
    expect(usd(portfolio.realized_pnl)).toBe(sum("realized_pnl"));
    expect(account.equity).toBe(portfolio.equity);
    expect(portfolio.allocation.reduce((total, slice) => total + usd(slice.value), 0n)).toBe(usd(portfolio.equity));
    expect(portfolio.allocation.map((slice) => slice.asset).sort()).toEqual(["AAPL", "BTC", "DOGE", "USD"]);
    expect(portfolio.allocation.reduce((total, slice) => total + slice.weight_bps, 0)).toBe(10_000);
    for (const position of positions) {
      expect(position.qty).toBe((await ada.balance(position.asset)).total);
      expect(usd(position.market_value)).toBe(notional(position.symbol, position.market_price, position.qty));
    }
  });

  it("the ledger balances entry by entry, adds up to the balances, and its chain recomputes from what is shown", async () => {
    const ada = await trader({ usd: "5000" });
    const bought = await trade(ada, "MSFT-USD", "buy", { notional: "1000" });
    await trade(ada, "MSFT-USD", "sell", { qty: bought.filled_qty });
    await ada.cancel((await rest(ada, "TSLA-USD")).id);
    await rest(ada, "TSLA-USD");
    const { rows } = await ada.all<Entry>("/v1/account/ledger", 5);
    const totals = new Map<string, bigint>();
    let head = "0".repeat(64);
    for (const { seq, id, at, kind, ref, postings, hash } of rows) {
      const sums = new Map<string, bigint>();
      for (const { account, asset, amount } of postings) {
        const moved = unitsOf(asset, amount);
        sums.set(asset, (sums.get(asset) ?? 0n) + moved);
        totals.set(`${account} ${asset}`, (totals.get(`${account} ${asset}`) ?? 0n) + moved);
      }
      expect(
        [...sums.values()].every((left) => left === 0n),
        `${kind} ${ref}`,
      ).toBe(true);
      const text = JSON.stringify([head, seq, id, at, kind, ref, postings.map((p) => [p.account, p.asset, p.amount])]);
      expect(createHash("sha256").update(text).digest("hex")).toBe(hash);
      head = hash;
    }
    const account = await ada.account();
    expect(account.ledger).toEqual({ seq: rows.at(-1)?.seq, hash: head });
    for (const { asset, available, held } of account.balances) {
      expect(totals.get(`available ${asset}`) ?? 0n).toBe(unitsOf(asset, available));
      expect(totals.get(`held ${asset}`) ?? 0n).toBe(unitsOf(asset, held));
    }
    expect(totals.get("external USD")).toBe(-usd("5000"));
    expect(totals.get("fees:MSFT-USD USD")).toBeGreaterThanOrEqual(
      2n * feeOn(usd("990"), rulesOf("MSFT-USD").takerFeeBps),
    );
  });
});

describe("closing a position", () => {
  const close = (who: Trader, symbol: string) => who.call<WireOrder>("DELETE", `/v1/positions/${symbol}`);

  it("sells all of it at the market, once however often it is asked for", async () => {
    const ada = await trader({ usd: "5000" });
    const bought = await trade(ada, "SOL-USD", "buy", { notional: "1000" });
    const [first, ...others] = await Promise.all([1, 2, 3].map(() => close(ada, "SOL-USD")));
    const sold = [first, ...others].filter((one) => one?.status === 201);
    expect(sold).toHaveLength(1);
    expect(sold[0]?.body).toMatchObject({ side: "sell", type: "market", status: "filled", qty: bought.filled_qty });
    expect((await ada.get<WirePosition>("/v1/positions/SOL-USD")).body).toMatchObject({ qty: "0", cost_basis: "0" });
    expectProblem(await close(ada, "SOL-USD"), 404, "not_found");
    expect((await ada.get<WirePage<WireOrder>>("/v1/orders?side=sell")).body.data).toHaveLength(1);
  });

  it("is refused where open orders hold a part of it, and where there is none", async () => {
    const ada = await trader({ usd: "5000" });
    await trade(ada, "SOL-USD", "buy", { notional: "1000" });
    const resting = await rest(ada, "SOL-USD", "sell");
    expectProblem(await close(ada, "SOL-USD"), 422, "insufficient_funds");
    expect((await ada.balance("SOL")).held).toBe(resting.leaves_qty);
    await ada.cancel(resting.id);
    expect((await close(ada, "SOL-USD")).body.status).toBe("filled");
    expectProblem(await close(ada, "ETH-USD"), 404, "not_found");
    expectProblem(await close(ada, "NO-SUCH"), 404, "not_found");
  });
});
