// An owner who is not there: their open orders are canceled after a time that they have set, or when their stream closes.
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { SOCKET_SILENCE_MAX_MS } from "../../src/core/limits.ts";
import type { FieldError } from "../../src/core/result.ts";
import { ACCESS_TTL_SECONDS } from "../../src/http/tokens.ts";
import { faultyD1 } from "../projections/queue.ts";
import { call as callWithout } from "../support/client.ts";
import { newKey } from "../support/keys.ts";
import {
  type Answer,
  expectProblem,
  priceAt,
  qtyWorth,
  secondSession,
  stopClock,
  type Trader,
  trader,
  type WireOrder,
} from "../support/session.ts";
import { AccountStream, upgrade } from "../support/stream.ts";

let pass: (ms: number) => void;

beforeEach(() => {
  vi.useRealTimers();
  pass = stopClock();
});

async function bid(who: Trader, symbol = "SOL-USD"): Promise<WireOrder> {
  const limit_price = await priceAt(symbol, -500);
  const wish = { symbol, side: "buy", type: "limit", limit_price, qty: qtyWorth(symbol, 100, limit_price) } as const;
  const placed = await who.place(wish);
  expect(placed.status, placed.text).toBe(201);
  return placed.body;
}

async function bidder(): Promise<{ ada: Trader; order: WireOrder }> {
  const ada = await trader({ usd: "10000" });
  return { ada, order: await bid(ada) };
}

const objectOf = (who: Trader) => env.ACCOUNT.getByName(who.accountId);

/** Lets the account's alarm ring, and its markets answer; the order's status and reason then. */
async function rung(who: Trader, order: WireOrder): Promise<string> {
  await runDurableObjectAlarm(objectOf(who));
  return vi.waitFor(async () => {
    const { status, reason, cancel_requested } = await who.order(order.id);
    expect(cancel_requested).toBe(false);
    return `${status} ${reason}`;
  });
}

/** Kills the object; its sockets are gone with it. */
async function kill(who: Trader): Promise<void> {
  const dying = runInDurableObject(objectOf(who), async (_, state) => {
    await state.storage.sync();
    state.abort("killed by a test");
  });
  await dying.catch(() => undefined);
}

interface Armed {
  timeout_ms: number;
  cancel_at: string | null;
}

function cancelAfter(who: Trader, timeout_ms: unknown): Promise<Answer<Armed>> {
  return who.call<Armed>("POST", "/v1/orders/cancel-all-after", { json: { timeout_ms } });
}

const AFTER = "canceled cancel_all_after";
const GONE = "canceled cancel_on_disconnect";

describe("cancel-all-after", () => {
  it("says when, and then cancels every open order of every market, once, and says why", async () => {
    const { ada, order } = await bidder();
    const other = await bid(ada, "BTC-USD");
    const armed = await cancelAfter(ada, 30_000);
    expect([armed.status, armed.body]).toEqual([
      200,
      { timeout_ms: 30_000, cancel_at: new Date(Date.now() + 30_000).toISOString() },
    ]);
    pass(29_999);
    expect(await rung(ada, order)).toBe("new null");
    pass(1);
    expect(await rung(ada, order)).toBe(AFTER);
    expect(await rung(ada, other)).toBe(AFTER);
    expect(await ada.balance("USD")).toMatchObject({ available: "10000", held: "0" });
    pass(60_000);
    expect(await rung(ada, await bid(ada))).toBe("new null");
  });

  it("is put off by each call, and by 0 for good", async () => {
    const { ada, order } = await bidder();
    for (let n = 0; n < 3; n += 1) {
      await cancelAfter(ada, 5_000);
      pass(4_000);
      expect(await rung(ada, order)).toBe("new null");
    }
    expect((await cancelAfter(ada, 0)).body).toEqual({ timeout_ms: 0, cancel_at: null });
    pass(60_000);
    expect(await rung(ada, order)).toBe("new null");
    await cancelAfter(ada, 60_000);
    await cancelAfter(ada, 1_000);
    pass(1_000);
    expect(await rung(ada, order)).toBe(AFTER);
  });

  it.each([
    ["out of memory", (who: Trader) => evictDurableObject(objectOf(who))],
    ["killed", kill],
  ])("outlives its object: %s meanwhile", async (_, end) => {
    const { ada, order } = await bidder();
    await cancelAfter(ada, 1_000);
    await end(ada);
    pass(1_000);
    expect(await rung(ada, order)).toBe(AFTER);
  });

  it("works for a frozen account, and while D1 is away", async () => {
    const { ada, order } = await bidder();
    await objectOf(ada).setStatus("frozen", "a test");
    const away = { env: { DB: faultyD1(() => true, "D1_ERROR") }, token: ada.token, json: { timeout_ms: 1_000 } };
    const armed = await callWithout(createApp(), "POST", "/v1/orders/cancel-all-after", away);
    expect(armed.status).toBe(200);
    pass(1_000);
    expect(await rung(ada, order)).toBe(AFTER);
  });

  it.each([
    [999, "too_small"],
    [1, "too_small"],
    [-1, "too_small"],
    [86_400_001, "too_big"],
    [1_000.5, "not_an_int"],
    ["1000", "not_a_number"],
    [null, "not_a_number"],
    [undefined, "required"],
  ])("takes no timeout_ms of %s", async (timeout, code) => {
    const { ada, order } = await bidder();
    await cancelAfter(ada, 2_000);
    const got = await cancelAfter(ada, timeout);
    expectProblem(got, 422, "validation_failed");
    expect((got.body.errors as FieldError[]).map((one) => `${one.pointer} ${one.code}`)[0]).toBe(`/timeout_ms ${code}`);
    pass(2_000);
    expect(await rung(ada, order)).toBe(AFTER);
  });

  it("takes the contract's bounds", async () => {
    const { ada } = await bidder();
    for (const timeout of [0, 1_000, 86_400_000]) expect((await cancelAfter(ada, timeout)).status).toBe(200);
  });
});

describe("cancel_on_disconnect", () => {
  async function inCharge(who: Trader): Promise<AccountStream> {
    const stream = await AccountStream.open(who);
    await stream.inCharge();
    return stream;
  }

  it("cancels every open order when that stream closes, once, and says why", async () => {
    const { ada, order } = await bidder();
    const stream = await inCharge(ada);
    expect(await rung(ada, order)).toBe("new null");
    stream.close();
    await stream.closed;
    expect(await rung(ada, order)).toBe(GONE);
    pass(120_000);
    expect(await rung(ada, await bid(ada))).toBe("new null");
  });

  it("is for streams that ask for it, as long as they do", async () => {
    const { ada, order } = await bidder();
    const [plain, undecided] = [await AccountStream.open(ada), await inCharge(ada)];
    await plain.subscribe(["orders"]);
    await undecided.inCharge(false);
    for (const stream of [plain, undecided]) {
      stream.close();
      await stream.closed;
    }
    pass(120_000);
    expect(await rung(ada, order)).toBe("new null");
  });

  it("is kept by a stream that subscribes anew without a word of it", async () => {
    const { ada, order } = await bidder();
    const stream = await inCharge(ada);
    await stream.subscribe(["orders"]);
    stream.close();
    await stream.closed;
    expect(await rung(ada, order)).toBe(GONE);
  });

  it("is done by the first of several that closes, and by each of the others again", async () => {
    const { ada, order } = await bidder();
    const [first, second] = [await inCharge(ada), await inCharge(ada)];
    first.close();
    await first.closed;
    expect(await rung(ada, order)).toBe(GONE);
    const later = await bid(ada);
    expect(await rung(ada, later)).toBe("new null");
    second.close();
    await second.closed;
    expect(await rung(ada, later)).toBe(GONE);
  });

  it("is done whoever closes: a logout, the token's end, too long a message", async () => {
    const ends: ((who: Trader, stream: AccountStream) => unknown)[] = [
      (who) => who.call("POST", "/v1/auth/logout"),
      () => pass(ACCESS_TTL_SECONDS * 1_000),
      (_, stream) => stream.send("x".repeat(16_385)),
    ];
    for (const end of ends) {
      const { ada, order } = await bidder();
      const stream = await inCharge(ada);
      await end(ada, stream);
      await runDurableObjectAlarm(objectOf(ada));
      await stream.closed;
      pass(1_000);
      expect(await rung(await secondSession(ada), order)).toBe(GONE);
    }
  });

  it("is not for a key that may only read", async () => {
    const { ada, order } = await bidder();
    for (const [scopes, said] of [
      [["read"], ["error"]],
      [["read", "trade"], []],
    ]) {
      const { key } = await newKey(ada, { scopes });
      const { webSocket } = await upgrade({ headers: { "X-Api-Key": key } });
      if (!webSocket) throw new Error("no stream");
      const stream = new AccountStream(webSocket);
      stream.send({ op: "subscribe", channels: ["fills"], cancel_on_disconnect: true });
      expect((await stream.drain()).map(({ type }) => type).filter((type) => type !== "snapshot")).toEqual(said);
      stream.close();
      await stream.closed;
      expect(await rung(ada, order)).toBe(said?.length === 0 ? GONE : "new null");
    }
  });

  it("sleeps with its stream and wakes for its close", async () => {
    const { ada, order } = await bidder();
    const stream = await inCharge(ada);
    await evictDurableObject(objectOf(ada));
    expect(await rung(ada, order)).toBe("new null");
    await evictDurableObject(objectOf(ada));
    stream.close();
    await stream.closed;
    expect(await rung(ada, order)).toBe(GONE);
  });

  it("is done when the stream is lost with its object, as soon as that is back", async () => {
    const { ada, order } = await bidder();
    await inCharge(ada);
    await kill(ada);
    expect(await rung(ada, order)).toBe(GONE);
  });

  it("is done when the stream has been silent for a minute, and not while it pings", async () => {
    // The platform stamps the pings that it answers with the real time.
    vi.setSystemTime(vi.getRealSystemTime());
    const { ada, order } = await bidder();
    const stream = await inCharge(ada);
    pass(SOCKET_SILENCE_MAX_MS - 1_000);
    await stream.drain();
    pass(1_000);
    expect(await rung(ada, order)).toBe("new null");
    pass(SOCKET_SILENCE_MAX_MS - 3_000);
    expect(await rung(ada, order)).toBe("new null");
    pass(3_000);
    expect(await rung(ada, order)).toBe(GONE);
    expect(await stream.closed).toEqual({ code: 4000, reason: "silent" });
  });

  it("leaves what a stream that is told of it hears whole: each message follows the one before", async () => {
    const { ada, order } = await bidder();
    const [gone, stays] = [await inCharge(ada), await AccountStream.open(ada)];
    await stays.subscribe(["orders", "balances"]);
    gone.close();
    await gone.closed;
    expect(await rung(ada, order)).toBe(GONE);
    const [canceled, balance] = await stays.take(2);
    expect(canceled).toMatchObject({ channel: "orders", data: { reason: "cancel_on_disconnect" } });
    expect(balance?.prev_seq).toBe(canceled?.seq);
  });
});
