// The account stream: what a trader's socket is told, that nothing is missed, and who may listen.

import { evictDurableObject, listDurableObjectIds, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import {
  SOCKET_MESSAGE_BYTES_MAX,
  SOCKETS_PER_ACCOUNT_MAX,
  STREAM_REPLAY_EVENTS_MAX,
  TICKET_TTL_MS,
  TICKETS_OPEN_MAX,
} from "../../src/core/limits.ts";
import {
  call,
  priceAt,
  qtyWorth,
  secondSession,
  stopClock,
  type Trader,
  trader,
  type WireFill,
  type WireOrder,
  type WirePage,
} from "../support/session.ts";
import { AccountStream, type StreamMessage, upgrade } from "../support/stream.ts";

const CHANNELS = ["orders", "fills", "balances"];
const SYMBOL = "SOL-USD";
/** Far below the ten seconds after which the platform gives up a close that nobody answers. */
const PROMPTLY_MS = 3_000;
let pass: (ms: number) => void;

beforeAll(() => {
  pass = stopClock();
});

async function bid(who: Trader, bps = -500): Promise<WireOrder> {
  const price = await priceAt(SYMBOL, bps);
  const placed = await who.place({
    symbol: SYMBOL,
    side: "buy",
    type: "limit",
    limit_price: price,
    qty: qtyWorth(SYMBOL, 100, price),
  });
  expect(placed.status, placed.text).toBe(201);
  return placed.body;
}

async function marketBuy(who: Trader): Promise<WireOrder> {
  const placed = await who.place({ symbol: SYMBOL, side: "buy", type: "market", notional: "100" });
  expect(placed.body.status).toBe("filled");
  return placed.body;
}

/** The same to a decoder of base64url: the last bit of the last character is idle. */
function respelt(text: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return text.slice(0, -1) + alphabet.charAt(alphabet.indexOf(text.slice(-1)) ^ 1);
}

async function ticketOf(who: Trader): Promise<string> {
  const made = await who.call<{ ticket: string; expires_at: string }>("POST", "/v1/stream/tickets");
  expect(made.status).toBe(201);
  return made.body.ticket;
}

/** How far an account's journal has been sent to the read model. */
async function sentSeq(stub: DurableObjectStub): Promise<unknown> {
  return runInDurableObject(
    stub,
    (_, { storage }) => storage.sql.exec("SELECT sent_seq FROM outbox").toArray()[0]?.sent_seq,
  );
}

/** Checks that each message follows the one before it, from `seq` on; answers the last one's seq. */
function expectContiguous(messages: StreamMessage[], seq: number): number {
  let last = seq;
  for (const message of messages) {
    expect(message).toMatchObject({ type: "event", prev_seq: last });
    expect(message.seq).toBeGreaterThan(last);
    expect(message.ts).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    last = message.seq;
  }
  return last;
}

async function refusal(answer: Response): Promise<unknown[]> {
  const body = (await answer.json()) as Record<string, unknown>;
  return [answer.status, body.code];
}

describe("a stream opens", () => {
  it("by header", async () => {
    const ada = await trader({ usd: "1000" });
    const stream = await AccountStream.open(ada);
    expect(await stream.subscribe(["balances"])).toMatchObject([
      { type: "snapshot", channel: "balances", data: [{ asset: "USD", available: "1000" }] },
    ]);
    stream.close();
  });

  it("by ticket, once", async () => {
    const ada = await trader({ usd: "1000" });
    const ticket = await ticketOf(ada);
    const stream = await AccountStream.open({ ticket });
    expect(await stream.subscribe(["balances"])).toMatchObject([{ type: "snapshot", data: [{ asset: "USD" }] }]);
    expect(await refusal(await upgrade({ query: `?ticket=${ticket}` }))).toEqual([401, "unauthenticated"]);
    stream.close();
  });

  it("Z4 by one of so many tickets: more unused ones are not made", async () => {
    const ada = await trader();
    const made = await Promise.all(
      Array.from({ length: TICKETS_OPEN_MAX + 1 }, () => ada.call("POST", "/v1/stream/tickets")),
    );
    expect(made.map((one) => one.status).sort()).toEqual([...Array.from({ length: TICKETS_OPEN_MAX }, () => 201), 429]);
    pass(TICKET_TTL_MS);
    await ticketOf(ada);
  });

  it("Z5 by a ticket of many, asked for at once, for one of them", async () => {
    const ticket = await ticketOf(await trader());
    const all = await Promise.all(Array.from({ length: 5 }, () => upgrade({ query: `?ticket=${ticket}` })));
    expect(all.map((one) => one.status).sort()).toEqual([101, 401, 401, 401, 401]);
    for (const one of all) if (one.webSocket) new AccountStream(one.webSocket).close();
  });

  it("not by a ticket that is 30 s old", async () => {
    const ada = await trader();
    const made = await ada.call<{ ticket: string; expires_at: string }>("POST", "/v1/stream/tickets");
    expect(Date.parse(made.body.expires_at)).toBe(Date.now() + TICKET_TTL_MS);
    pass(TICKET_TTL_MS);
    expect(await refusal(await upgrade({ query: `?ticket=${made.body.ticket}` }))).toEqual([401, "unauthenticated"]);
  });

  it.each([
    ["of nobody", async () => `tkt_${"0".repeat(26)}_${"0".repeat(40)}_${"0".repeat(43)}`],
    [
      "of another account",
      async (mine: string) => mine.replace(/^tkt_[^_]+/, `tkt_${(await trader()).accountId.slice(4)}`),
    ],
    ["with another end", async (mine: string) => `${mine.slice(0, -8)}00000000`],
    ["spelt otherwise", async (mine: string) => respelt(mine)],
    ["that is none", async () => "garbage"],
    ["that is empty", async () => ""],
    ["far too long", async (mine: string) => mine.padEnd(5_000, "0")],
    ["given twice", async (mine: string) => `${mine}&ticket=${mine}`],
  ])("not by a ticket %s", async (_, change) => {
    const ticket = await change(await ticketOf(await trader()));
    expect(await refusal(await upgrade({ query: `?ticket=${ticket}` }))).toEqual([401, "unauthenticated"]);
  });

  it("not by a made-up ticket, which makes no account object either", async () => {
    const before = (await listDurableObjectIds(env.ACCOUNT)).length;
    for (let name = 10; name < 20; name += 1) {
      const ticket = `tkt_${String(name).repeat(13)}_${"a".repeat(40)}`;
      for (const query of [`?ticket=${ticket}`, `?ticket=${ticket}_${"b".repeat(43)}`]) {
        expect(await refusal(await upgrade({ query }))).toEqual([401, "unauthenticated"]);
      }
    }
    expect(await listDurableObjectIds(env.ACCOUNT)).toHaveLength(before);
  });

  it("not without any, nor by a revoked session's ticket", async () => {
    expect(await refusal(await upgrade())).toEqual([401, "unauthenticated"]);
    expect(await refusal(await upgrade({ upgrade: false }))).toEqual([401, "unauthenticated"]);
    const ada = await trader();
    const ticket = await ticketOf(ada);
    await ada.call("POST", "/v1/auth/logout");
    expect(await refusal(await upgrade({ query: `?ticket=${ticket}` }))).toEqual([401, "session_revoked"]);
    expect(await refusal(await upgrade(ada))).toEqual([401, "session_revoked"]);
  });
});

describe("a subscription", () => {
  it("begins with a snapshot of each channel, as of the seq that REST shows", async () => {
    const ada = await trader({ usd: "1000" });
    const open = await bid(ada);
    await ada.cancel((await bid(ada)).id);
    const filled = await marketBuy(ada);
    const account = await ada.account();
    const stream = await AccountStream.open(ada);
    const [orders, fills, balances, ...more] = await stream.subscribe(CHANNELS);
    expect(more).toEqual([]);
    expect(orders).toEqual({ type: "snapshot", channel: "orders", seq: account.seq, data: [open] });
    const page = await ada.get<WirePage<WireFill>>(`/v1/fills?order_id=${filled.id}`);
    expect(fills).toEqual({ type: "snapshot", channel: "fills", seq: account.seq, data: page.body.data });
    expect(balances).toEqual({ type: "snapshot", channel: "balances", seq: account.seq, data: account.balances });
    stream.close();
  });

  it("tells of each act in order: the hold, the order, its fill, the money, and the cancel", async () => {
    const ada = await trader({ usd: "1000" });
    const stream = await AccountStream.open(ada);
    const [snapshot] = await stream.subscribe(CHANNELS);
    const filled = await marketBuy(ada);
    const open = await bid(ada);
    const canceled = (await ada.cancel(open.id)).body;
    const events = await stream.drain();
    const last = expectContiguous(events, snapshot?.seq ?? -1);
    const account = await ada.account();
    expect(last).toBe(account.seq);
    const orders = events.filter((event) => event.channel === "orders").map((event) => event.data);
    const seen = orders.map((order) => [order.id, order.exec_type, order.status]);
    expect(seen).toEqual([
      [filled.id, "new", "new"],
      [filled.id, "fill", "filled"],
      [open.id, "new", "new"],
      [open.id, "canceled", "canceled"],
    ]);
    expect(orders.at(-1)).toEqual({ exec_type: "canceled", ...canceled });
    const fills = events.filter((event) => event.channel === "fills").map((event) => event.data);
    expect(fills).toEqual((await ada.get<WirePage<WireFill>>("/v1/fills")).body.data);
    for (const balance of account.balances) {
      const told = events.findLast((event) => event.channel === "balances" && event.data.asset === balance.asset);
      expect(told?.data).toEqual(balance);
    }
    stream.close();
  });

  it("to some channels hears of those alone, and still knows that it missed nothing", async () => {
    const ada = await trader({ usd: "1000" });
    const stream = await AccountStream.open(ada);
    const [snapshot] = await stream.subscribe(["fills"]);
    await bid(ada);
    await marketBuy(ada);
    await marketBuy(ada);
    const events = await stream.drain();
    expect(events.map((event) => event.channel)).toEqual(["fills", "fills"]);
    expectContiguous(events, snapshot?.seq ?? -1);
    stream.close();
  });

  it("that names a channel twice hears of it once", async () => {
    const ada = await trader({ usd: "1000" });
    const stream = await AccountStream.open(ada);
    const [snapshot, ...more] = await stream.subscribe(["fills", "fills"]);
    expect([snapshot?.type, more]).toEqual(["snapshot", []]);
    await marketBuy(ada);
    expect(await stream.drain()).toHaveLength(1);
    stream.close();
  });

  it("of one user is not told of another's acts", async () => {
    const [ada, bob] = [await trader({ usd: "1000" }), await trader({ usd: "1000" })];
    const stream = await AccountStream.open(bob);
    await stream.subscribe(CHANNELS);
    await marketBuy(ada);
    await bid(ada);
    expect(await stream.drain()).toEqual([]);
    stream.close();
  });
});

describe("a stream that was cut off", () => {
  /** Everything of an account's life as its first socket heard it, and where it began. */
  async function witnessed(who: Trader): Promise<{ from: number; events: StreamMessage[] }> {
    const stream = await AccountStream.open(who);
    const [snapshot] = await stream.subscribe(CHANNELS);
    await marketBuy(who);
    await who.cancel((await bid(who)).id);
    await marketBuy(who);
    const events = await stream.drain();
    stream.close();
    return { from: snapshot?.seq ?? -1, events };
  }

  it("resumes after any message with exactly the messages after it, and no snapshot", async () => {
    const ada = await trader({ usd: "1000" });
    const { from, events } = await witnessed(ada);
    expect(events.length).toBeGreaterThan(10);
    const stream = await AccountStream.open(ada);
    for (const [index, seq] of [from, ...events.map((event) => event.seq)].entries()) {
      expect(await stream.subscribe(CHANNELS, seq), `after ${seq}`).toEqual(events.slice(index));
    }
    stream.close();
  });

  it("resumes to fewer channels with prev_seq of what it was sent", async () => {
    const ada = await trader({ usd: "1000" });
    const { from, events } = await witnessed(ada);
    const stream = await AccountStream.open(ada);
    const orders = await stream.subscribe(["orders"], from);
    expect(orders.map((event) => event.seq)).toEqual(
      events.filter((one) => one.channel === "orders").map((one) => one.seq),
    );
    expectContiguous(orders, from);
    stream.close();
  });

  it("sleeps through evictions of its object with the socket open, and goes on without a gap", async () => {
    const ada = await trader({ usd: "1000" });
    const stub = env.ACCOUNT.getByName(ada.accountId);
    const stream = await AccountStream.open(ada);
    const [snapshot] = await stream.subscribe(CHANNELS);
    await evictDurableObject(stub);
    await marketBuy(ada);
    await evictDurableObject(stub);
    await evictDurableObject(env.MARKET.getByName(`main/${SYMBOL}`));
    await ada.cancel((await bid(ada)).id);
    await evictDurableObject(stub);
    const events = await stream.drain();
    expect(expectContiguous(events, snapshot?.seq ?? -1)).toBe((await ada.account()).seq);
    stream.close();
  });

  it("gets a gap and a snapshot when it asks to resume from what was never said", async () => {
    const ada = await trader({ usd: "1000" });
    const { seq } = await ada.account();
    const stream = await AccountStream.open(ada);
    expect(await stream.subscribe(["orders", "balances"], seq + 1)).toMatchObject([
      { type: "gap", channel: "orders", oldest_seq: 0 },
      { type: "snapshot", channel: "orders", seq, data: [] },
      { type: "gap", channel: "balances", oldest_seq: 0 },
      { type: "snapshot", channel: "balances", seq },
    ]);
    await marketBuy(ada);
    expectContiguous(await stream.drain(), seq);
    stream.close();
  });

  it("gets a gap and a snapshot when the log does not reach back so far", async () => {
    const ada = await trader({ usd: "1000" });
    const stub = env.ACCOUNT.getByName(ada.accountId);
    // Ten thousand real events would take a minute: the one there is gets a late number once it has been sent.
    await expect.poll(() => sentSeq(stub)).toBe(1);
    const seq = 1 + STREAM_REPLAY_EVENTS_MAX + 5;
    await runInDurableObject(stub, (_, { storage }) => {
      storage.sql.exec("UPDATE journal SET seq = ?1, body = json_set(body, '$.seq', ?1)", seq);
      storage.sql.exec("INSERT OR REPLACE INTO outbox (id, sent_seq) VALUES (1, ?)", seq);
    });
    await evictDurableObject(stub);
    const stream = await AccountStream.open(ada);
    expect(await stream.subscribe(["balances"], 3)).toMatchObject([
      { type: "gap", channel: "balances", oldest_seq: seq - STREAM_REPLAY_EVENTS_MAX },
      { type: "snapshot", channel: "balances", seq },
    ]);
    stream.close();
  });
});

describe("a socket", () => {
  const NO_JSON = "The message is not JSON in UTF-8.";
  const OPS = "Send an object whose op is subscribe, auth or ping.";
  const CHANNELS_WANTED = "channels must be a list of one to three of orders, fills and balances.";
  const SEQ = "resume_from must be the seq of the last message seen, a whole number from 0.";
  const YES_OR_NO = "cancel_on_disconnect must be true or false.";
  const TOKEN = "token must be an access token, in a string.";

  it("answers a ping with exactly these bytes, awake or asleep", async () => {
    const ada = await trader();
    const stream = await AccountStream.open(ada);
    for (const ping of ['{"op":"ping"}', '{ "op": "ping" }']) {
      stream.send(ping);
      expect(await stream.nextText()).toBe('{"type":"pong"}');
      await evictDurableObject(env.ACCOUNT.getByName(ada.accountId));
    }
    stream.close();
  });

  it.each([
    ["text that is no JSON", "{", NO_JSON],
    ["nothing", "", NO_JSON],
    ["bytes that are no UTF-8", new Uint8Array([0x22, 0xff, 0x22]).buffer, NO_JSON],
    ["a number", "5", OPS],
    ["null", "null", OPS],
    ["no op", "{}", OPS],
    ["an unknown op", '{"op":"sell"}', OPS],
    ["no channels", '{"op":"subscribe"}', CHANNELS_WANTED],
    ["an empty list of channels", '{"op":"subscribe","channels":[]}', CHANNELS_WANTED],
    ["an unknown channel", '{"op":"subscribe","channels":["book"]}', CHANNELS_WANTED],
    ["an unknown field", '{"op":"subscribe","channels":["orders"],"x":1}', 'There is no field "x".'],
    ["a negative resume_from", '{"op":"subscribe","channels":["orders"],"resume_from":-1}', SEQ],
    ["a fraction as resume_from", '{"op":"subscribe","channels":["orders"],"resume_from":1.5}', SEQ],
    ["text as resume_from", '{"op":"subscribe","channels":["orders"],"resume_from":"1"}', SEQ],
    ["a wish that is none", '{"op":"subscribe","channels":["orders"],"cancel_on_disconnect":"yes"}', YES_OR_NO],
    ["a renewal without a token", '{"op":"auth"}', TOKEN],
    ["a number as token", '{"op":"auth","token":5}', TOKEN],
    ["a renewal with an unknown field", '{"op":"auth","token":"x","x":1}', 'There is no field "x".'],
  ])("answers %s with an error, and goes on", async (_, message, detail) => {
    const ada = await trader({ usd: "1000" });
    const stream = await AccountStream.open(ada);
    stream.send(message);
    expect(await stream.next()).toEqual({
      type: "error",
      code: detail === NO_JSON ? "malformed_json" : "validation_failed",
      detail,
    });
    await marketBuy(ada);
    expect(await stream.drain()).toEqual([]);
    stream.close();
  });

  it.each([
    ["ASCII", "x".repeat(SOCKET_MESSAGE_BYTES_MAX + 1)],
    ["letters of two bytes", "é".repeat(SOCKET_MESSAGE_BYTES_MAX / 2 + 1)],
    ["bytes", new ArrayBuffer(SOCKET_MESSAGE_BYTES_MAX + 1)],
  ])("is closed with 1009 for more than 16 KiB of %s", async (_, message) => {
    const stream = await AccountStream.open(await trader());
    stream.send(message);
    expect(await stream.closed).toMatchObject({ code: 1009 });
  });

  it("takes a message of 16 KiB", async () => {
    const stream = await AccountStream.open(await trader());
    stream.send('{"op":"ping"}'.padEnd(SOCKET_MESSAGE_BYTES_MAX, " "));
    expect(await stream.nextText()).toBe('{"type":"pong"}');
    stream.close();
  });

  it("takes bytes for the text that they hold", async () => {
    const stream = await AccountStream.open(await trader({ usd: "1000" }));
    stream.send(new TextEncoder().encode('{"op":"subscribe","channels":["balances"]}').buffer);
    expect(await stream.next()).toMatchObject({ type: "snapshot", channel: "balances" });
    stream.close();
  });

  it.each([1000, 4321])("that its client closes with %d is closed with it, at once", async (code) => {
    const stream = await AccountStream.open(await trader());
    const started = performance.now();
    stream.close(code);
    expect(await stream.closed).toMatchObject({ code });
    expect(performance.now() - started).toBeLessThan(PROMPTLY_MS);
  });

  it("is one of so many of an account; one that has closed makes room", async () => {
    const ada = await trader();
    const open = await Promise.all(Array.from({ length: SOCKETS_PER_ACCOUNT_MAX }, () => AccountStream.open(ada)));
    const oneTooMany = await upgrade(ada);
    expect(oneTooMany.headers.get("Retry-After")).toMatch(/^[1-9]/);
    expect(await refusal(oneTooMany)).toEqual([429, "rate_limited"]);
    for (const stream of open) stream.close();
    await Promise.all(open.map((stream) => stream.closed));
    (await AccountStream.open(ada)).close();
  });

  it("of an ended session is closed with 4001, and no other", async () => {
    const ada = await trader({ usd: "1000" });
    const phone = await secondSession(ada);
    const [mine, other] = [await AccountStream.open(ada), await AccountStream.open(phone)];
    const [snapshot] = await other.subscribe(CHANNELS);
    expect((await call("POST", "/v1/auth/logout", { token: ada.token })).status).toBe(204);
    expect(await mine.closed).toMatchObject({ code: 4001 });
    await marketBuy(phone);
    const events = await other.drain();
    expect(events.length).toBeGreaterThan(0);
    expectContiguous(events, snapshot?.seq ?? -1);
    expect((await call("POST", "/v1/auth/logout-all", { token: phone.token })).status).toBe(204);
    expect(await other.closed).toMatchObject({ code: 4001 });
  });
});
