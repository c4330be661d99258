// How long an account stream lives: as long as a token says, while its client behaves, and while its place is not needed.

import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  SOCKET_MESSAGES_MAX,
  SOCKET_MESSAGES_WINDOW_MS,
  SOCKET_SILENCE_MAX_MS,
  SOCKETS_PER_ACCOUNT_MAX,
} from "../../src/core/limits.ts";
import { anotherToken, call, secondSession, stopClock, type Trader, trader } from "../support/session.ts";
import { AccountStream, upgrade } from "../support/stream.ts";

const TOKEN_MS = 600_000;
const CHANNELS = ["orders", "fills", "balances"];
const EXPIRED = { code: 4001, reason: "token expired" };
const REVOKED = { code: 4001, reason: "session revoked" };
/** The platform answers this by itself; with blanks in it, it reaches the object. */
const PING = '{"op":"ping"}';
const WAKING_PING = '{ "op": "ping" }';
let pass: (ms: number) => void;

function objectOf(who: Trader) {
  return env.ACCOUNT.getByName(who.accountId);
}

async function ring(who: Trader): Promise<void> {
  await runDurableObjectAlarm(objectOf(who));
}

async function ticketOf(who: Trader): Promise<string> {
  return (await who.call<{ ticket: string }>("POST", "/v1/stream/tickets")).body.ticket;
}

/** When an account's object wakes for the tokens of its sockets; null when it need not. */
async function tokenTimer(who: Trader): Promise<unknown> {
  const query = "SELECT due FROM timers WHERE kind = 'token'";
  return runInDurableObject(objectOf(who), (_, { storage }) => storage.sql.exec(query).toArray()[0]?.due ?? null);
}

/** When a token runs out, as it says itself. */
function expiryOf(token: string): number {
  const [, claims = ""] = token.split(".");
  return JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/"))).exp * 1_000;
}

/** Lets time pass until a token runs out, and the alarm that was set ring. */
async function outlive(who: Trader, token: string): Promise<void> {
  pass(expiryOf(token) - Date.now());
  await ring(who);
}

describe("a stream, by the real clock", () => {
  it.each(["header", "ticket"])("opened by %s closes with its token, though its object sleeps", async (by) => {
    const ada = await trader({ tokenAgeMs: TOKEN_MS - 2_000 });
    const stream = await AccountStream.open(by === "header" ? ada : { ticket: await ticketOf(ada) });
    await evictDurableObject(objectOf(ada));
    expect(await stream.closed).toEqual(EXPIRED);
    expect(Date.now()).toBeGreaterThanOrEqual(expiryOf(ada.token));
    expect(Date.now()).toBeLessThan(expiryOf(ada.token) + 2_000);
  });
});

describe("a stream", () => {
  beforeAll(() => {
    pass = stopClock();
  });
  afterAll(() => {
    vi.useRealTimers();
  });

  describe("whose token runs out", () => {
    it("is told nothing more, even when the alarm is late", async () => {
      const ada = await trader({ tokenAgeMs: TOKEN_MS - 20_000 });
      const stream = await AccountStream.open(ada);
      const subscribed = await stream.subscribe(["balances"]);
      expect(subscribed).toHaveLength(1);
      const phone = await secondSession(ada);
      pass(20_000);
      await phone.deposit("1");
      expect(await stream.closed).toEqual(EXPIRED);
      expect(stream.unread).toEqual([]);
    });

    it.each(["subscribe", "auth"])("can ask nothing more: %s", async (op) => {
      const ada = await trader();
      const stream = await AccountStream.open(ada);
      pass(TOKEN_MS);
      stream.send(op === "auth" ? { op, token: await anotherToken(ada) } : { op, channels: CHANNELS });
      expect(await stream.closed).toEqual(EXPIRED);
      expect(stream.unread).toEqual([]);
    });

    it("closes alone: each of several lives by its own", async () => {
      const ada = await trader();
      const [early, late] = [await anotherToken(ada, 60_000), await anotherToken(ada, -60_000)];
      const [second, third, first] = [
        await AccountStream.open(ada),
        await AccountStream.open({ token: late }),
        await AccountStream.open({ token: early }),
      ];
      await outlive(ada, early);
      expect(await first.closed).toEqual(EXPIRED);
      expect(await second.drain()).toEqual([]);
      await evictDurableObject(objectOf(ada));
      await outlive(ada, ada.token);
      expect(await second.closed).toEqual(EXPIRED);
      expect(await third.drain()).toEqual([]);
      expect(await tokenTimer(ada)).toBe(expiryOf(late));
      await outlive(ada, late);
      expect(await third.closed).toEqual(EXPIRED);
      expect(await tokenTimer(ada)).toBe(null);
    });

    it("leaves no timer behind when its client closes it first", async () => {
      const ada = await trader();
      const stream = await AccountStream.open(ada);
      expect(await tokenTimer(ada)).toBe(expiryOf(ada.token));
      stream.close();
      await stream.closed;
      await outlive(ada, ada.token);
      expect(await tokenTimer(ada)).toBe(null);
    });

    it("is not opened by a ticket that it has made", async () => {
      const ada = await trader({ tokenAgeMs: TOKEN_MS - 10_000 });
      const ticket = await ticketOf(ada);
      pass(10_000);
      const answer = await upgrade({ query: `?ticket=${ticket}` });
      expect([answer.status, await answer.json()]).toMatchObject([401, { code: "token_expired" }]);
    });
  });

  describe("that is renewed", () => {
    it("says until when, and lives on as if nothing had been", async () => {
      const ada = await trader({ usd: "1000" });
      const stream = await AccountStream.open(ada);
      const [snapshot] = await stream.subscribe(["balances"]);
      pass(TOKEN_MS / 2);
      const token = await anotherToken(ada);
      stream.send({ op: "auth", token });
      const expires_at = new Date(expiryOf(token)).toISOString();
      expect(await stream.next()).toEqual({ type: "auth", expires_at });
      await evictDurableObject(objectOf(ada));
      await outlive(ada, ada.token);
      await call("POST", "/v1/account/deposits", { token, json: { asset: "USD", amount: "1" } });
      expect(await stream.drain()).toMatchObject([{ type: "event", prev_seq: snapshot?.seq }]);
      await outlive(ada, token);
      expect(await stream.closed).toEqual(EXPIRED);
    });

    it("by a token that ends sooner, ends sooner", async () => {
      const ada = await trader();
      const stream = await AccountStream.open(ada);
      const token = await anotherToken(ada, 60_000);
      stream.send({ op: "auth", token });
      expect(await stream.next()).toMatchObject({ type: "auth" });
      await outlive(ada, token);
      expect(await stream.closed).toEqual(EXPIRED);
    });

    it("by a token of another session of its owner, ends with that one and not with its first", async () => {
      const ada = await trader();
      const [phone, laptop] = [await secondSession(ada), await secondSession(ada)];
      const stream = await AccountStream.open(phone);
      stream.send({ op: "auth", token: laptop.token });
      expect(await stream.next()).toMatchObject({ type: "auth" });
      await phone.call("POST", "/v1/auth/logout");
      expect(await stream.drain()).toEqual([]);
      await laptop.call("POST", "/v1/auth/logout");
      expect(await stream.closed).toEqual(REVOKED);
    });
  });

  describe("is not renewed", () => {
    it.each([
      ["by what is no token", "unauthenticated", async () => "garbage"],
      ["by nothing", "unauthenticated", async () => ""],
      ["by a forged one", "unauthenticated", async (ada: Trader) => `${ada.token.slice(0, -8)}AAAAAAAA`],
      ["by one of another account", "unauthenticated", async () => (await trader()).token],
      ["by one that has run out", "token_expired", async (ada: Trader) => anotherToken(ada, TOKEN_MS)],
      [
        "by one of a session that has ended",
        "session_revoked",
        async (ada: Trader) => {
          const phone = await secondSession(ada);
          await phone.call("POST", "/v1/auth/logout");
          return phone.token;
        },
      ],
    ])("%s, and stays as it was", async (_, code, tokenFor) => {
      const ada = await trader({ usd: "1000" });
      const stream = await AccountStream.open(ada);
      await stream.subscribe(["balances"]);
      stream.send({ op: "auth", token: await tokenFor(ada) });
      expect(await stream.next()).toEqual({
        type: "error",
        code,
        detail: expect.stringMatching(/^(?!.*Bearer)[A-Z].*[.]$/),
      });
      await ada.deposit("1");
      expect(await stream.drain()).toHaveLength(1);
      await outlive(ada, ada.token);
      expect(await stream.closed).toEqual(EXPIRED);
    });

    it.each([
      ["the token's, and gets its error", "session_revoked"],
      ["its own, and closes", null],
    ])("by a token that is being read when a session ends: %s", async (_, code) => {
      const ada = await trader();
      const phone = await secondSession(ada);
      const stream = await AccountStream.open(ada);
      const warned = vi.spyOn(console, "warn");
      const verify = crypto.subtle.verify.bind(crypto.subtle);
      vi.spyOn(crypto.subtle, "verify").mockImplementationOnce(async (...signed) => {
        const ending = code === null ? ada : phone;
        await objectOf(ada).revokeSession(ending.sessionId, Date.now() + TOKEN_MS);
        return verify(...signed);
      });
      stream.send({ op: "auth", token: phone.token });
      if (code === null) expect(await stream.closed).toEqual(REVOKED);
      else expect(await stream.next()).toMatchObject({ type: "error", code });
      expect(stream.unread).toEqual([]);
      expect(warned).not.toHaveBeenCalled();
      warned.mockRestore();
      stream.close();
    });
  });

  describe("whose client sends too much", () => {
    const flood = (stream: AccountStream, messages: number, text = WAKING_PING) => {
      for (let sent = 0; sent < messages; sent += 1) stream.send(text);
    };

    it("is closed with 4009, and answers what came before", async () => {
      const stream = await AccountStream.open(await trader());
      flood(stream, SOCKET_MESSAGES_MAX * 3);
      expect(await stream.closed).toEqual({ code: 4009, reason: "too many messages" });
      expect(await stream.take(SOCKET_MESSAGES_MAX)).toHaveLength(SOCKET_MESSAGES_MAX);
      expect(stream.unread).toEqual([]);
    });

    it("of any kind: what is not understood counts too, and sleep forgives nothing", async () => {
      const ada = await trader();
      const stream = await AccountStream.open(ada);
      flood(stream, SOCKET_MESSAGES_MAX, "{");
      await stream.take(SOCKET_MESSAGES_MAX);
      await evictDurableObject(objectOf(ada));
      stream.send("{");
      expect(await stream.closed).toMatchObject({ code: 4009 });
    });

    it("is forgiven as time passes", async () => {
      const stream = await AccountStream.open(await trader());
      for (let round = 0; round < 3; round += 1) {
        flood(stream, SOCKET_MESSAGES_MAX);
        await stream.take(SOCKET_MESSAGES_MAX);
        pass(SOCKET_MESSAGES_WINDOW_MS);
      }
      flood(stream, SOCKET_MESSAGES_MAX);
      await stream.take(SOCKET_MESSAGES_MAX);
      pass(SOCKET_MESSAGES_WINDOW_MS / SOCKET_MESSAGES_MAX);
      stream.send(WAKING_PING);
      expect(await stream.next()).toEqual({ type: "pong" });
      stream.send(WAKING_PING);
      expect(await stream.closed).toMatchObject({ code: 4009 });
    });

    it("may ping as it likes, as long as the object need not wake for it", async () => {
      const stream = await AccountStream.open(await trader());
      flood(stream, SOCKET_MESSAGES_MAX * 3, PING);
      expect(await stream.take(SOCKET_MESSAGES_MAX * 3)).toHaveLength(SOCKET_MESSAGES_MAX * 3);
      expect(await stream.drain()).toEqual([]);
      stream.close();
    });
  });

  describe("whose client is silent", () => {
    it("for a minute is closed with 4000 when its place is needed, and no other is", async () => {
      // The platform stamps the pings that it answers with the real time.
      const opened = vi.getRealSystemTime();
      vi.setSystemTime(opened);
      const ada = await trader();
      const streams = await Promise.all(Array.from({ length: SOCKETS_PER_ACCOUNT_MAX }, () => AccountStream.open(ada)));
      const [pinged, awake, ...silent] = streams;
      await scheduler.wait(5);
      pinged?.send(PING);
      expect(await pinged?.nextText()).toBe('{"type":"pong"}');
      pass(SOCKET_SILENCE_MAX_MS - 1);
      expect((await upgrade(ada)).status).toBe(429);
      await awake?.drain();
      pass(1);
      const next = await AccountStream.open(ada);
      for (const stream of silent) expect(await stream.closed).toEqual({ code: 4000, reason: "silent" });
      for (const stream of [pinged, awake, next]) {
        expect(await stream?.subscribe(CHANNELS)).toHaveLength(CHANNELS.length);
        stream?.close();
      }
    });
  });
});
