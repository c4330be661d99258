// The checker finds every kind of break in a history that is otherwise honest, and nothing in the honest one.
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { GENESIS_HASH } from "../../src/core/ledger.ts";
import { breaksOf } from "./checker.ts";
import type { Attempt, Facts, FinalAccount, History, StreamLine, WireEntry, WireOrder } from "./history.ts";

const ACCOUNT = "acc_a";
const AT = "2026-11-01T00:00:00.000Z";

type Movement = [account: string, asset: string, amount: string];

/** Entries with their hashes, in the order given. */
function chain(...entries: [seq: number, kind: string, ref: string, ...postings: Movement[]][]): WireEntry[] {
  let hash = GENESIS_HASH;
  return entries.map(([seq, kind, ref, ...movements]) => {
    const id = `ent_${seq}`;
    hash = createHash("sha256")
      .update(JSON.stringify([hash, seq, id, AT, kind, ref, movements]))
      .digest("hex");
    const postings = movements.map(([account, asset, amount]) => ({ account, asset, amount }));
    return { seq, id, at: AT, kind, ref, postings, hash };
  });
}

/** An order of 0.01 BTC. */
function order(id: string, key: string, seq: number, status: "filled" | "canceled"): WireOrder {
  const filled = status === "filled";
  return {
    id,
    client_order_id: key,
    symbol: "BTC-USD",
    side: "buy",
    type: "limit",
    time_in_force: "gtc",
    qty: "0.01",
    notional: null,
    limit_price: "50000",
    stop_price: null,
    trail_percent: null,
    trail_amount: null,
    post_only: false,
    display_qty: null,
    expires_at: null,
    self_trade_prevention: "cancel_newest",
    status,
    reason: null,
    cancel_requested: !filled,
    replace_requested: false,
    leaves_qty: "0",
    filled_qty: filled ? "0.01" : "0",
    filled_avg_price: filled ? "50000" : null,
    filled_notional: filled ? "500" : "0",
    fee: "0",
    fee_asset: "USD",
    maker_fee_bps: 10,
    taker_fee_bps: 20,
    order_class: "simple",
    parent_id: null,
    legs: null,
    created_at: AT,
    updated_at: AT,
    seq,
  };
}

/** Attempts are a second apart, and last half of one. */
function attempt(second: number, kind: Attempt["kind"], key: string, more: Partial<Attempt>, facts: Partial<Facts>) {
  const said: Facts = { ref: null, code: null, status: null, filledQty: null, seq: null, bytes: `bytes of ${key}` };
  const times = { invoke: second * 1_000, completion: second * 1_000 + 500 };
  const base = { account: ACCOUNT, kind, key, byKey: kind === "deposit", body: "", repeated: false };
  const answer = { outcome: "ok" as const, httpStatus: 200, facts: { ...said, ...facts } };
  return { ...base, ...times, ...answer, ...more };
}

const DEPOSIT = { body: '{"asset":"USD","amount":"1000"}', httpStatus: 201 };
const UNANSWERED = { outcome: "info" as const, httpStatus: 0, facts: null };

function finalAccount(): FinalAccount {
  const orders = [order("ord_2", "o2", 9, "canceled"), order("ord_1", "o1", 4, "filled")];
  const [toUsd, toBtc]: Movement[] = [
    ["clearing:BTC-USD", "USD", "500"],
    ["clearing:BTC-USD", "BTC", "-0.01"],
  ];
  return {
    id: ACCOUNT,
    seq: 10,
    balances: [
      { asset: "BTC", available: "0.01", held: "0" },
      { asset: "USD", available: "500", held: "0" },
    ],
    orders,
    projected: structuredClone(orders),
    fills: [
      {
        id: "exe_1",
        order_id: "ord_1",
        symbol: "BTC-USD",
        side: "buy",
        qty: "0.01",
        price: "50000",
        fee: "0",
        fee_asset: "USD",
        liquidity: "taker",
        at: AT,
      },
    ],
    ledger: chain(
      [1, "deposit", "dep_1", ["available", "USD", "1000"], ["external", "USD", "-1000"]],
      [2, "hold", "ord_1", ["available", "USD", "-500"], ["held", "USD", "500"]],
      [
        4,
        "fill",
        "ord_1",
        ["held", "USD", "-500"],
        toUsd ?? ["", "", ""],
        ["available", "BTC", "0.01"],
        toBtc ?? ["", "", ""],
      ],
      [7, "hold", "ord_2", ["available", "USD", "-500"], ["held", "USD", "500"]],
      [9, "release", "ord_2", ["held", "USD", "-500"], ["available", "USD", "500"]],
    ),
  };
}

function stream(): StreamLine[] {
  const usd = { type: "balance" as const, asset: "USD" };
  return [
    { type: "subscribed", resumeFrom: null },
    { type: "snapshot", seq: 0 },
    { ...usd, prevSeq: 0, seq: 1, available: "1000", held: "0" },
    { ...usd, prevSeq: 1, seq: 2, available: "500", held: "500" },
    { type: "order", prevSeq: 2, seq: 4, id: "ord_1", status: "filled" },
    { type: "fill", prevSeq: 4, seq: 5, id: "exe_1" },
    { type: "subscribed", resumeFrom: 5 },
    { type: "balance", prevSeq: 5, seq: 6, asset: "BTC", available: "0.01", held: "0" },
    { type: "order", prevSeq: 6, seq: 9, id: "ord_2", status: "canceled" },
    { ...usd, prevSeq: 9, seq: 10, available: "500", held: "0" },
  ];
}

/** A history in which everything is as promised: one answer was lost, one order refused, one canceled. */
function honest() {
  const attempts = [
    attempt(1, "deposit", "d1", { ...DEPOSIT, ...UNANSWERED }, {}),
    attempt(2, "deposit", "d1", DEPOSIT, { ref: "dep_1" }),
    attempt(3, "order", "o1", { httpStatus: 201 }, { ref: "ord_1", status: "filled", filledQty: "0.01", seq: 4 }),
    attempt(4, "read_account", "account", {}, { ref: ACCOUNT, seq: 6 }),
    attempt(5, "order", "o2", { httpStatus: 201 }, { ref: "ord_2", status: "new", seq: 7 }),
    attempt(6, "order", "o3", { httpStatus: 422, outcome: "fail" }, { code: "insufficient_funds" }),
    attempt(7, "cancel", "ord_2", {}, { ref: "ord_2", status: "canceled", seq: 9 }),
    attempt(8, "order", "o2", {}, { ref: "ord_2", status: "canceled", seq: 9 }),
    attempt(9, "read_account", "account", {}, { ref: ACCOUNT, seq: 10 }),
  ] as const;
  const usd = (units: bigint) => ({ asset: "USD", units });
  const btc = (units: bigint) => ({ asset: "BTC", units });
  const history: History = {
    attempts: [...attempts],
    streams: new Map([[ACCOUNT, stream()]]),
    final: [finalAccount()],
    probes: [{ path: "/v1/admin/orders", httpStatus: 503, retryAfter: "1" }],
    stored: {
      breaks: [],
      holdings: [
        { owner: "accounts", account: "available", ...usd(500_000_000n) },
        { owner: "accounts", account: "external", ...usd(-1_000_000_000n) },
        { owner: "accounts", account: "available", ...btc(1_000_000n) },
        { owner: "accounts", account: "clearing:BTC-USD", ...usd(500_000_000n) },
        { owner: "markets", account: "clearing", ...usd(-500_000_000n) },
        { owner: "markets", account: "house", ...usd(500_000_000n) },
        { owner: "markets", account: "house", ...btc(-1_000_000n) },
      ],
    },
  };
  const [account = finalAccount()] = history.final;
  const [unanswered, deposited, filled, , placed, refused, canceled, repeated, lastRead] = attempts;
  const lines = history.streams.get(ACCOUNT) ?? [];
  return { history, account, lines, unanswered, deposited, filled, placed, refused, canceled, repeated, lastRead };
}

type Parts = ReturnType<typeof honest>;

/** Has an answer say something else. */
function tell(one: Attempt, facts: Partial<Facts>): void {
  Object.assign(one, { facts: { ...one.facts, ...facts } });
}

it("finds nothing in an honest history", () => {
  expect(breaksOf(honest().history)).toEqual([]);
});

describe("it finds", () => {
  it.each<[what: string, sentence: string, damage: (parts: Parts) => void]>([
    [
      "an acknowledged order that is not there",
      "lost: order ord_9 of o1",
      ({ filled }) => {
        tell(filled, { ref: "ord_9" });
      },
    ],
    [
      "an acknowledged deposit that is not there",
      "lost: deposit dep_9 of d1",
      ({ deposited }) => {
        tell(deposited, { ref: "dep_9" });
      },
    ],
    [
      "one key that made two orders",
      "doubled: o1 made the orders ord_2, ord_1",
      ({ account }) => {
        for (const one of account.orders) one.client_order_id = "o1";
      },
    ],
    [
      "a deposit booked twice",
      "doubled: deposit dep_1 of d1",
      ({ account }) => {
        const [first] = account.ledger;
        if (first !== undefined) account.ledger.push(first);
      },
    ],
    [
      "a deposit of another amount than was asked",
      "deposit dep_1 is 1000 USD, asked was 100 USD",
      ({ deposited, unanswered }) => {
        for (const one of [deposited, unanswered]) one.body = '{"asset":"USD","amount":"100"}';
      },
    ],
    [
      "a deposit that nobody made",
      "out of nothing: deposit dep_1 of 1000 USD",
      ({ history }) => {
        history.attempts = history.attempts.filter(({ kind }) => kind !== "deposit");
      },
    ],
    [
      "an order that nobody placed",
      "out of nothing: orders ord_2 of o2",
      ({ history }) => {
        history.attempts = history.attempts.filter(({ key }) => key !== "o2");
      },
    ],
    [
      "an order that was refused and is there",
      "refused and done: o2 made ord_2",
      ({ placed, repeated }) => {
        for (const one of [placed, repeated])
          Object.assign(one, { outcome: "fail", facts: { ...one.facts, ref: null, code: "off_tick" } });
      },
    ],
    [
      "an act that was never answered",
      "never answered: order o3",
      ({ refused }) => {
        refused.outcome = "info";
      },
    ],
    [
      "one key that was answered with two orders",
      "unequal answers: o2 was answered ord_2 and ord_1",
      ({ repeated }) => {
        tell(repeated, { ref: "ord_1" });
      },
    ],
    [
      "one key that was answered in other bytes",
      "unequal bytes: d1 was answered in 2 ways",
      ({ deposited, unanswered }) => {
        Object.assign(unanswered, { ...deposited, facts: { ...deposited.facts, bytes: "others" } });
      },
    ],
    [
      "a cancel that worked, of an order that is filled",
      "cancel of ord_1 was answered 200",
      ({ canceled }) => {
        canceled.key = "ord_1";
      },
    ],
    [
      "a cancel that came too late, of an order that is canceled",
      "cancel of ord_2 was answered 409 order_not_open, it is canceled",
      ({ canceled }) => {
        Object.assign(canceled, {
          outcome: "fail",
          httpStatus: 409,
          facts: { ...canceled.facts, code: "order_not_open" },
        });
      },
    ],
    [
      "a read of the account that went back",
      "went back: the account is at 5 after ord_2 was at 9",
      ({ lastRead }) => {
        tell(lastRead, { seq: 5 });
      },
    ],
    [
      "acts that were done in another order than they were answered",
      "went back: o2 is at 7 after late was at 8",
      ({ history, account }) => {
        history.attempts.push(attempt(1, "deposit", "late", { ...DEPOSIT, completion: 1_100 }, { ref: "dep_8" }));
        const money: Movement[] = [
          ["available", "USD", "1000"],
          ["external", "USD", "-1000"],
        ];
        account.ledger.push(...chain([8, "deposit", "dep_8", ...money]));
      },
    ],
    [
      "an order that was canceled and is open again",
      "went back: order ord_2 is open again",
      ({ repeated }) => {
        tell(repeated, { status: "new" });
      },
    ],
    [
      "a ledger entry that was changed",
      "the hash of entry 7",
      ({ account }) => {
        const [, , , held] = account.ledger;
        if (held !== undefined) held.at = "2026-11-01T00:00:00.001Z";
      },
    ],
    [
      "a ledger entry that is missing",
      "the hash of entry 9",
      ({ account }) => {
        account.ledger.splice(3, 1);
      },
    ],
    [
      "an entry that does not sum to zero",
      "entry 1 leaves 1000000000 USD",
      ({ account }) => {
        account.ledger[0]?.postings.pop();
      },
    ],
    [
      "a balance that is not its entries' sum",
      "available USD is 501, its entries sum to 500000000",
      ({ account }) => {
        const usd = account.balances.find(({ asset }) => asset === "USD");
        if (usd !== undefined) usd.available = "501";
      },
    ],
    [
      "a fill that its order lacks",
      "order ord_1 has 0 filled, its fills sum to 1000000",
      ({ account }) => {
        for (const one of [...account.orders, ...account.projected]) one.filled_qty = "0";
      },
    ],
    [
      "an order that D1 lacks",
      "D1 lacks ord_1",
      ({ account }) => {
        account.projected.pop();
      },
    ],
    [
      "an order that D1 has otherwise",
      "D1 differs on ord_2",
      ({ account }) => {
        const [first] = account.projected;
        if (first !== undefined) first.status = "new";
      },
    ],
    [
      "an order that only D1 has",
      "D1 has order ord_7",
      ({ account }) => {
        account.projected.push(order("ord_7", "o7", 8, "filled"));
      },
    ],
    [
      "a stream message that was left out",
      "stream of acc_a: 9 after 6, heard last was 5",
      ({ lines }) => {
        lines.splice(7, 1);
      },
    ],
    [
      "a stream message that came twice",
      "stream of acc_a: 5 after 4, heard last was 5",
      ({ lines }) => {
        lines.splice(6, 0, ...lines.slice(5, 6));
      },
    ],
    [
      "a stream that went back",
      "stream of acc_a: went back from 5 to 3",
      ({ lines }) => {
        lines.splice(7, 0, { type: "gap" }, { type: "snapshot", seq: 3 });
      },
    ],
    [
      "a stream that ended in another balance",
      "stream of acc_a: USD ended at 500 500, it is 500 0",
      ({ lines }) => {
        lines.pop();
      },
    ],
    [
      "money out of nothing",
      "money out of nothing: 1 USD",
      ({ history }) => {
        history.stored.holdings.push({ owner: "accounts", account: "held", asset: "USD", units: 1n });
      },
    ],
    [
      "an empty list while D1 was away",
      "while D1 was away /v1/admin/orders answered 200",
      ({ history }) => {
        history.probes = [{ path: "/v1/admin/orders", httpStatus: 200, retryAfter: null }];
      },
    ],
    [
      "an answer that is a bug",
      "order o3 was answered 500",
      ({ refused }) => {
        refused.httpStatus = 500;
      },
    ],
  ])("%s", (_what, sentence, damage) => {
    const parts = honest();
    damage(parts);
    expect(breaksOf(parts.history)).toContainEqual(expect.stringContaining(sentence));
  });
});

describe("it accepts", () => {
  it("a stream that said that it had a gap, and went on from a snapshot", () => {
    const { history, lines } = honest();
    lines.splice(7, 3, { type: "gap" }, { type: "snapshot", seq: 10 });
    expect(breaksOf(history)).toEqual([]);
  });

  it("a first answer that is given again by its Idempotency-Key, however old it is by now", () => {
    const { history, placed, repeated } = honest();
    for (const one of [placed, repeated]) Object.assign(one, { byKey: true, facts: placed.facts });
    expect(breaksOf(history)).toEqual([]);
  });

  it("an act that was under way while another was read", () => {
    const { history, lastRead } = honest();
    Object.assign(lastRead, { invoke: 3_100, facts: { ...lastRead.facts, seq: 4 } });
    expect(breaksOf(history)).toEqual([]);
  });
});
