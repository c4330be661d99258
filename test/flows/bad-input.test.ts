// Every way to ask wrongly, and what is the same after it: no hold, no posting, no order, no number of the stream used up.
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { FieldError } from "../../src/core/result.ts";
import {
  type Answer,
  expectProblem,
  type OrderWish,
  priceAt,
  qtyWorth,
  stopClock,
  type Trader,
  trader,
} from "../support/session.ts";

const SYMBOL = "BTC-USD";
let ada: Trader;
let pass: (ms: number) => void;
const TRAILING = { type: "trailing_stop", limit_price: undefined };
let good: OrderWish;

beforeAll(async () => {
  pass = stopClock();
  const price = await priceAt(SYMBOL, -500);
  good = { symbol: SYMBOL, side: "buy", type: "limit", limit_price: price, qty: qtyWorth(SYMBOL, 100, price) };
  ada = await trader({ usd: "100000" });
  await ada.deposit("0.5", "BTC");
  await ada.place(good);
});

/** Enough for a few orders more: all of them together are above what an account may place at once. */
beforeEach(() => pass(100));

/** Does something, and checks that the account is as it was. `journalled`: a refusal of the account's own takes a number. */
async function untouched<T>(act: () => Promise<Answer<T>>, journalled = false): Promise<Answer<T>> {
  const before = await ada.account();
  const got = await act();
  const after = await ada.account();
  expect(after.balances).toEqual(before.balances);
  expect(after.seq).toBe(before.seq + (journalled ? 1 : 0));
  return got;
}

const place = (change: object, journalled = false) => untouched(() => ada.place({ ...good, ...change }), journalled);
const raw = (body: BodyInit, headers: Record<string, string> = { "Content-Type": "application/json" }) =>
  untouched(() => ada.call("POST", "/v1/orders", { raw: body, headers }));

/** The pointers and codes of a refused body. */
function fieldsOf(got: Answer<unknown>): string[] {
  expectProblem(got, 422, "validation_failed");
  const errors = (got.body.errors ?? []) as FieldError[];
  return errors.map(({ pointer, code }) => `${pointer} ${code}`);
}

describe("an amount", () => {
  const none: [string, unknown][] = [
    ["a number", 1],
    ["true", true],
    ["null", null],
    ["a list", ["1"]],
    ["an object", { $: "1" }],
    ["nothing", ""],
    ["negative", "-1"],
    ["with a plus", "+1"],
    ["with an exponent", "1e3"],
    ["1e999", "1e999"],
    ["NaN", "NaN"],
    ["Infinity", "Infinity"],
    ["without a whole part", ".5"],
    ["without a fraction", "1."],
    ["with two points", "1.2.3"],
    ["with a blank before", " 1"],
    ["with a blank after", "1 "],
    ["with a line feed", "1\n"],
    ["with a NUL", "1\u0000"],
    ["with a comma", "1,000"],
    ["hexadecimal", "0x10"],
    ["with a leading zero", "01"],
    ["in full-width digits", "１２"],
    ["in Arabic digits", "١٢"],
    ["of 400 digits", "9".repeat(400)],
    ["of 19 whole digits", "1".repeat(19)],
    ["of 19 digits after the point", `0.${"1".repeat(19)}`],
    ["zero", "0"],
    ["zero with digits", "0.00"],
  ];
  it.each(none)("N1 %s is none", async (_, amount) => {
    const { qty: __, ...byNotional } = good;
    for (const field of ["qty", "limit_price"]) {
      expect(fieldsOf(await place({ [field]: amount })), field).toEqual([expect.stringMatching(`^/${field} `)]);
    }
    const marketBuy = { ...byNotional, limit_price: undefined, type: "market", notional: amount };
    expect(fieldsOf(await untouched(() => ada.place(marketBuy)))).toEqual([expect.stringMatching("^/notional ")]);
    for (const kind of ["deposits", "withdrawals"]) {
      const got = await untouched(() => ada.call("POST", `/v1/account/${kind}`, { json: { asset: "USD", amount } }));
      expect(fieldsOf(got), kind).toEqual([expect.stringMatching("^/amount ")]);
    }
  });

  // 2^53 − 1 units of BTC are 90071992.54740991: the greatest that the books can hold. The account writes every refusal of
  // an order down, also of one that cannot be put in units at all, and holds nothing for it.
  const judged: [string, object, string][] = [
    ["of more digits than the asset has", { qty: "0.001000001" }, "off_lot"],
    ["of 2^53 − 1 units", { qty: "90071992.54740991" }, "off_lot"],
    ["of almost 2^53 units on the lot", { qty: "90071992.5474095" }, "above_max_qty"],
    ["of 2^53 units", { qty: "90071992.54740992" }, "amount_out_of_range"],
    ["of 2^53 + 1 units", { qty: "90071992.54740993" }, "amount_out_of_range"],
    ["of 18 digits", { qty: "9".repeat(18) }, "amount_out_of_range"],
    ["off the lot", { qty: "0.00200001" }, "off_lot"],
    ["above the market's greatest", { qty: "50.0000005" }, "above_max_qty"],
    ["worth too little", { qty: "0.0000005" }, "below_min_notional"],
    ["at a price of more digits than the quote has", { limit_price: "60000.0000001" }, "off_tick"],
    ["at a price of 2^53 units", { limit_price: "9007199254.740992" }, "amount_out_of_range"],
    ["at a price off the tick", { limit_price: "60001" }, "off_tick"],
    ["at a price far above the band", { limit_price: "9007199254" }, "price_outside_band"],
    ["at a price far below the band", { limit_price: "2" }, "price_outside_band"],
  ];
  it.each(judged)("N1 %s is refused as what it is", async (_, change, code) => {
    expectProblem(await place(change, true), 422, code);
  });

  it("to spend of more digits than the quote has does not fit the schema, whatever else is wrong with the order", async () => {
    const spending = { qty: undefined, notional: "100.0000001", type: "limit", limit_price: "1.0000000001" };
    expect(fieldsOf(await place(spending))).toEqual(["/notional excess_precision"]);
  });

  it("that costs more than there is names what is missing, after all else has been judged", async () => {
    const tooDear = { qty: "10" };
    const got = await place(tooDear, true);
    expectProblem(got, 422, "insufficient_funds");
    expect(got.body).toMatchObject({
      asset: "USD",
      needed: expect.stringMatching(/^\d+(\.\d+)?$/),
      available: (await ada.balance("USD")).available,
    });
    expectProblem(await place({ ...tooDear, limit_price: "60001" }, true), 422, "off_tick");
    expectProblem(await place({ ...tooDear, qty: "10.00000001" }, true), 422, "off_lot");
    expectProblem(
      await place({ side: "sell", limit_price: await priceAt(SYMBOL, 500), qty: "1" }, true),
      422,
      "insufficient_funds",
    );
  });

  it.each([
    ["of more digits than the asset has", "1.0000001", "validation_failed"],
    ["above ten million USD", "10000000.000001", "amount_out_of_range"],
    ["of 2^53 − 1 units", "9007199254.740991", "amount_out_of_range"],
    ["of 2^53 units", "9007199254.740992", "amount_out_of_range"],
    ["of 2^53 + 1 units", "9007199254.740993", "amount_out_of_range"],
  ])("N1 %s is no deposit and no withdrawal", async (_, amount, code) => {
    for (const kind of ["deposits", "withdrawals"]) {
      const act = () => ada.call("POST", `/v1/account/${kind}`, { json: { asset: "USD", amount } });
      expectProblem(await untouched(act, code !== "validation_failed"), 422, code);
    }
  });

  it("more than is available is not withdrawn, nor by an account without a verified address", async () => {
    const json = { asset: "USD", amount: "100000" };
    const got = await untouched(() => ada.call("POST", "/v1/account/withdrawals", { json }), true);
    expectProblem(got, 422, "insufficient_funds");
    const bob = await trader({ usd: "10", emailVerified: false });
    expectProblem(
      await bob.call("POST", "/v1/account/withdrawals", { json: { asset: "USD", amount: "1" } }),
      403,
      "email_not_verified",
    );
    expect((await bob.balance("USD")).total).toBe("10");
  });
});

describe("an order", () => {
  const cases: [string, object, string[]][] = [
    ["of an unknown market", { symbol: "NOPE-USD" }, ["/symbol unknown_symbol"]],
    ["of a market in small letters", { symbol: "btc-usd" }, ["/symbol unknown_symbol"]],
    ["of a market called __proto__", { symbol: "__proto__" }, ["/symbol unknown_symbol"]],
    ["of a market without a name", { symbol: "" }, ["/symbol too_short"]],
    ["of a market with a long name", { symbol: "X".repeat(33) }, ["/symbol too_long"]],
    ["of a market that is a number", { symbol: 5 }, ["/symbol not_a_string"]],
    ["without a market", { symbol: undefined }, ["/symbol required"]],
    ["on a side in capitals", { side: "BUY" }, ["/side not_allowed"]],
    ["on no side", { side: undefined }, ["/side required"]],
    ["of no type", { type: undefined }, ["/type required"]],
    ["with null for a side", { side: null }, ["/side not_allowed"]],
    ["of an unknown type", { type: "iceberg" }, ["/type not_allowed"]],
    ["of an unknown time in force", { time_in_force: "opg" }, ["/time_in_force not_allowed"]],
    ["of an unknown class", { order_class: "pair" }, ["/order_class not_allowed"]],
    ["with both qty and notional", { notional: "100" }, ["/qty exactly_one_of_qty_and_notional"]],
    ["with neither qty nor notional", { qty: undefined }, ["/qty exactly_one_of_qty_and_notional"]],
    ["of type limit without a price", { limit_price: undefined }, ["/limit_price required"]],
    ["of type market with a price", { type: "market" }, ["/limit_price not_allowed"]],
    [
      "that is immediate and shows a part",
      { display_qty: "0.0001", time_in_force: "ioc" },
      ["/display_qty not_allowed"],
    ],
    [
      "of type stop that shows a part",
      { type: "stop", limit_price: undefined, stop_price: "50000", display_qty: "0.0001" },
      ["/display_qty not_allowed"],
    ],
    ["that shows nothing", { display_qty: "0" }, ["/display_qty not_positive"]],
    ["that shows a number", { display_qty: 1 }, ["/display_qty not_a_string"]],
    ["that is post_only and ioc", { post_only: true, time_in_force: "ioc" }, ["/post_only not_allowed"]],
    ["that is post_only and fok", { post_only: true, time_in_force: "fok" }, ["/post_only not_allowed"]],
    ["with post_only in words", { post_only: "true" }, ["/post_only not_a_boolean"]],
    ["that is gtd without an end", { time_in_force: "gtd" }, ["/expires_at gtd_only"]],
    ["that is gtc with an end", { expires_at: "2099-01-01T00:00:00Z" }, ["/expires_at gtd_only"]],
    ["with an end that is no time", { time_in_force: "gtd", expires_at: "tomorrow" }, ["/expires_at invalid_format"]],
    [
      "with an end on the 30th of February",
      { time_in_force: "gtd", expires_at: "2027-02-30T00:00:00Z" },
      ["/expires_at invalid_format"],
    ],
    ["with an end in numbers", { time_in_force: "gtd", expires_at: 4_070_908_800_000 }, ["/expires_at not_a_string"]],
    ["with an empty client_order_id", { client_order_id: "" }, ["/client_order_id invalid_format"]],
    ["with a blank in its client_order_id", { client_order_id: "a b" }, ["/client_order_id invalid_format"]],
    ["with a client_order_id of 129", { client_order_id: "x".repeat(129) }, ["/client_order_id invalid_format"]],
    ["with an unknown field", { price: "1" }, ["/price unknown_field"]],
    ["with two unknown fields", { "a/b~c": 1, accountId: "x" }, ["/a~1b~0c unknown_field", "/accountId unknown_field"]],
    ["with a take_profit without a price", { take_profit: {} }, ["/take_profit/limit_price required"]],
    ["with a number in its stop_loss", { stop_loss: { stop_price: 5 } }, ["/stop_loss/stop_price not_a_string"]],
    [
      "with an unknown field in a leg",
      { order_class: "oto", stop_loss: { stop_price: "1", price: "1" } },
      ["/stop_loss/price unknown_field"],
    ],
    ["that is simple, with an exit", { take_profit: { limit_price: "1" } }, ["/take_profit not_allowed"]],
    ["that is a bracket without exits", { order_class: "bracket" }, ["/take_profit required"]],
    ["of type stop without its price", { type: "stop", limit_price: undefined }, ["/stop_price required"]],
    ["of type stop with a limit", { type: "stop", stop_price: "50000" }, ["/limit_price not_allowed"]],
    [
      "of type stop_limit without its limit",
      { type: "stop_limit", limit_price: undefined, stop_price: "50000" },
      ["/limit_price required"],
    ],
    ["of type limit with a stop", { stop_price: "50000" }, ["/stop_price not_allowed"]],
    ["of type limit with a trail", { trail_percent: "1" }, ["/trail_percent trailing_stop_only"]],
    [
      "of type trailing_stop with a stop",
      { ...TRAILING, trail_percent: "1", stop_price: "1" },
      ["/stop_price not_allowed"],
    ],
    ["of type trailing_stop without a trail", TRAILING, ["/trail_percent required"]],
    ["with two trails", { ...TRAILING, trail_percent: "1", trail_amount: "10" }, ["/trail_amount not_allowed"]],
    ["with a trail of the whole price", { ...TRAILING, trail_percent: "100" }, ["/trail_percent too_big"]],
    ["with a trail of three digits", { ...TRAILING, trail_percent: "1.125" }, ["/trail_percent excess_precision"]],
    ["with a trail in numbers", { ...TRAILING, trail_percent: 1 }, ["/trail_percent not_a_string"]],
    ["with a stop of zero", { type: "stop", limit_price: undefined, stop_price: "0" }, ["/stop_price not_positive"]],
    [
      "of type stop that is immediate",
      { type: "stop", limit_price: undefined, stop_price: "50000", time_in_force: "ioc" },
      ["/time_in_force not_allowed"],
    ],
    [
      "of type stop_limit that is post_only",
      { type: "stop_limit", stop_price: "50000", post_only: true },
      ["/post_only not_allowed"],
    ],
    ["with a field of another language", { limitPrice: "1" }, ["/limitPrice unknown_field"]],
  ];
  it.each(cases)("%s is refused, with the fields at fault", async (_, change, fields) => {
    expect(fieldsOf(await place(change))).toEqual(fields);
  });

  it("N4 with a field called __proto__ is refused", async () => {
    const got = await raw(JSON.stringify(good).replace("{", '{"__proto__":{"side":"sell"},'));
    expect(fieldsOf(got)).toEqual(["/__proto__ unknown_field"]);
  });

  it.each([
    ["a second ago", -1_000],
    ["now", 0],
    ["in less than a second", 999],
  ])("that ends %s is too late", async (_, ahead) => {
    const expires_at = new Date(Date.now() + ahead).toISOString();
    expectProblem(await place({ time_in_force: "gtd", expires_at }, true), 422, "submitted_too_late");
  });
});

describe("a body", () => {
  it.each([
    ["nothing", ""],
    ["a bracket", "{"],
    ["a comma too many", '{"symbol":"BTC-USD",}'],
    ["single quotes", "{'symbol':'BTC-USD'}"],
    ["NaN", '{"qty":NaN}'],
    ["two documents", "{}{}"],
    ["a byte order mark", "\ufeff{}"],
    ["bytes that are no UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])],
    ["33 levels", `${"[".repeat(33)}${"]".repeat(33)}`],
    ["33 levels inside an order", `{"stop_loss":${'{"a":'.repeat(32)}1${"}".repeat(32)}}`],
    ["a thousand levels", `${"[".repeat(1_000)}${"]".repeat(1_000)}`],
  ])("N5 of %s is malformed_json", async (_, body) => {
    expectProblem(await raw(body), 400, "malformed_json");
  });

  it.each([
    ["a list", "[]"],
    ["null", "null"],
    ["text", '"buy"'],
    ["a number", "1e999"],
    ["32 levels", `${"[".repeat(32)}${"]".repeat(32)}`],
  ])("of %s is no order", async (_, body) => {
    expect(fieldsOf(await raw(body))).toEqual([" not_an_object"]);
  });

  it.each([
    ["text/plain", { "Content-Type": "text/plain" }],
    ["a form", { "Content-Type": "application/x-www-form-urlencoded" }],
    ["no type", { "Content-Type": "" }],
    ["a look-alike", { "Content-Type": "application/jsonp" }],
    ["another charset", { "Content-Type": "application/json; charset=utf-16" }],
    ["packed", { "Content-Type": "application/json", "Content-Encoding": "gzip" }],
  ])("N7 as %s is 415", async (_, headers) => {
    expectProblem(await raw(JSON.stringify(good), headers), 415, "unsupported_media_type");
  });

  it("N7 above 64 KiB is 413, whether it says so or not; one of 64 KiB is read", async () => {
    const bytes = (size: number) =>
      new TextEncoder().encode(JSON.stringify({ ...good, symbol: "x" }).padEnd(size, " "));
    const piecemeal = (size: number) => {
      const all = bytes(size);
      return new ReadableStream({
        start(controller) {
          for (let at = 0; at < all.length; at += 10_000) controller.enqueue(all.subarray(at, at + 10_000));
          controller.close();
        },
      });
    };
    for (const body of [bytes(65_537), piecemeal(65_537), bytes(1_000_000)]) {
      expectProblem(await raw(body), 413, "payload_too_large");
    }
    for (const body of [bytes(65_536), piecemeal(65_536)])
      expect(fieldsOf(await raw(body))).toEqual(["/symbol unknown_symbol"]);
  });

  it("of a deposit is held to the same", async () => {
    const deposit = (json: unknown) => untouched(() => ada.call("POST", "/v1/account/deposits", { json }));
    expect(fieldsOf(await deposit({ asset: "USD" }))).toEqual(["/amount required"]);
    expect(fieldsOf(await deposit({ asset: "XYZ", amount: "1" }))).toEqual(["/asset unknown_asset"]);
    expect(fieldsOf(await deposit({ asset: "usd", amount: "1" }))).toEqual(["/asset unknown_asset"]);
    expect(fieldsOf(await deposit({ asset: "USD", amount: "1", to: "me" }))).toEqual(["/to unknown_field"]);
    expect(fieldsOf(await deposit([]))).toEqual([" not_an_object"]);
  });
});
