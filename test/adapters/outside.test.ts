// The one way out, against a server that hangs, fails and comes back: how long a call takes, how often it is sent, who is let
// through, and what is told of it.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  askAgainAfter,
  NotAsked,
  type OutsideLimits,
  outsideFetch,
  outsideStates,
} from "../../src/adapters/outside.ts";
import { OUTSIDE_FAILURES_MAX, OUTSIDE_LOST_MS, OUTSIDE_OPEN_MS } from "../../src/core/limits.ts";

const LIMITS: OutsideLimits = { callMs: 2_000, tryMs: 300, tries: 2, lanes: 4, answerBytes: 1_000 };

type Answer = (response: ServerResponse, request: IncomingMessage) => void;
const well: Answer = (response) => response.end("well");
const fails: Answer = (response) => response.writeHead(500).end("no");
const hangs: Answer = () => {};

let heard: { method: string; body: string }[] = [];
/** What comes of the next requests; after the last it stays as it is. */
let answers: Answer[] = [well];
let server: ReturnType<typeof createServer>;
let url = "";
let lines: Record<string, unknown>[] = [];

// A server and so a host for each test: nothing is known of it yet.
beforeEach(async () => {
  heard = [];
  answers = [well];
  lines = [];
  server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (piece: string) => {
      body += piece;
    });
    request.on("end", () => {
      heard.push({ method: request.method ?? "", body });
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      answer?.(response, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  for (const level of ["log", "warn", "error"] as const) {
    vi.spyOn(console, level).mockImplementation((line: string) => {
      lines.push(JSON.parse(line) as Record<string, unknown>);
    });
  }
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const ask = (limits: Partial<OutsideLimits> = {}) => outsideFetch("bank", { ...LIMITS, ...limits });
const keyed = { method: "POST", headers: { "Idempotency-Key": "k1" }, body: "pay" };
const state = () => outsideStates().find(({ origin }) => `${origin}/` === url);

async function refusedBy(work: Promise<unknown>): Promise<NotAsked> {
  const error = await work.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(error instanceof NotAsked)) throw new Error(`not refused: ${String(error)}`);
  return error;
}

/** Calls until the breaker opens; each is sent once. */
async function open(): Promise<void> {
  answers = [fails];
  for (let n = 0; n < OUTSIDE_FAILURES_MAX; n += 1) await ask()(url, { method: "POST" });
  expect(state()?.state).toBe("open");
}

/** As if so much time had passed; timers go on as they are. */
function later(ms: number): void {
  const now = Date.now();
  vi.useFakeTimers({ toFake: ["Date"], now: now + ms });
}

describe("a call", () => {
  it("is answered as fetch answers, with the body here as a whole", async () => {
    answers = [(response) => response.writeHead(404, { "X-Told": "this" }).end("no such thing")];
    const answer = await ask()(url, { method: "GET" });
    expect([answer.status, answer.headers.get("X-Told"), await answer.text()]).toEqual([404, "this", "no such thing"]);
    answers = [(response) => response.writeHead(204).end()];
    expect((await ask()(url)).body).toBeNull();
  });

  it("is not led elsewhere: what it says would go along", async () => {
    answers = [(response) => response.writeHead(307, { Location: url }).end()];
    expect((await ask()(url)).status).toBe(307);
    expect(heard).toHaveLength(1);
  });

  it("ends in its time when nobody answers", async () => {
    answers = [hangs];
    const began = performance.now();
    await expect(ask({ callMs: 400 })(url, { method: "POST" })).rejects.toThrow("timed out");
    expect(performance.now() - began).toBeLessThan(1_500);
  });

  it("ends in its time when an answer comes in drops", async () => {
    answers = [
      (response) => {
        response.writeHead(200);
        const drip = setInterval(() => response.write("."), 50);
        response.on("close", () => clearInterval(drip));
      },
    ];
    const began = performance.now();
    await expect(ask({ callMs: 400 })(url, { method: "POST" })).rejects.toThrow("timed out");
    expect(performance.now() - began).toBeLessThan(1_500);
  });

  it("ends when its caller's own time is over, and is not tried again after that", async () => {
    answers = [hangs];
    const signal = AbortSignal.timeout(150);
    await expect(ask()(url, { signal })).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    expect(heard).toHaveLength(1);
  });

  it("takes an answer of so many bytes and no more", async () => {
    answers = [(response) => response.end("x".repeat(1_000)), (response) => response.end("x".repeat(1_001))];
    expect(await (await ask()(url, { method: "POST" })).text()).toHaveLength(1_000);
    await expect(ask()(url, { method: "POST" })).rejects.toThrow("says too much");
  });
});

describe("a further try", () => {
  it.each<[string, Answer]>([
    ["fails", fails],
    ["hangs", hangs],
    ["hangs up", (response) => response.destroy()],
  ])("mends a GET whose provider %s once", async (_, wrong) => {
    answers = [wrong, well];
    expect(await (await ask()(url)).text()).toBe("well");
    expect(heard).toHaveLength(2);
    expect(state()).toMatchObject({ calls: 1, retries: 1, failures: 1 });
  });

  it("is made of a POST that bears an Idempotency-Key, with the same body", async () => {
    answers = [fails, well];
    expect((await ask()(url, keyed)).status).toBe(200);
    expect(heard).toEqual([
      { method: "POST", body: "pay" },
      { method: "POST", body: "pay" },
    ]);
  });

  it.each<[string, Answer]>([
    ["fails", fails],
    ["hangs", hangs],
    ["hangs up", (response) => response.destroy()],
    [
      "hangs up in the middle",
      (response) => response.writeHead(200, { "Content-Length": 9 }).write("we", () => response.destroy()),
    ],
  ])("is never made of a POST without a key, when its provider %s", async (_, wrong) => {
    answers = [wrong];
    for (const headers of [{}, { "Idempotency-Key": "" }]) {
      heard = [];
      await ask({ callMs: 400 })(url, { method: "POST", headers, body: "pay" }).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(heard).toHaveLength(1);
    }
  });

  it("is not made of what the provider has refused, nor where it asks for less", async () => {
    for (const status of [400, 404, 409, 429]) {
      heard = [];
      answers = [(response) => response.writeHead(status).end()];
      expect((await ask()(url, keyed)).status).toBe(status);
      expect(heard).toHaveLength(1);
    }
    expect(state()).toMatchObject({ state: "closed", failures: 0 });
  });

  it("that fails as well is the answer", async () => {
    answers = [fails];
    const answer = await ask({ tries: 3 })(url);
    expect([answer.status, await answer.text(), heard.length]).toEqual([500, "no", 3]);
  });
});

describe("the breaker", () => {
  it("opens after so many failures in a row; then nothing is sent, and who asks is told when to come again", async () => {
    await open();
    expect(heard).toHaveLength(OUTSIDE_FAILURES_MAX);
    const refused = await refusedBy(ask()(url));
    expect(refused.retryAfterSeconds).toBeGreaterThan(OUTSIDE_OPEN_MS / 1_000 - 3);
    expect(refused.retryAfterSeconds).toBeLessThanOrEqual(OUTSIDE_OPEN_MS / 1_000);
    expect(heard).toHaveLength(OUTSIDE_FAILURES_MAX);
    expect(state()).toMatchObject({ provider: "bank", state: "open", refused: 1, failures: OUTSIDE_FAILURES_MAX });
    expect(lines).toMatchObject([{ level: "error", event: "outside_opened", provider: "bank", reason: "status 500" }]);
  });

  it("stays closed while anything succeeds in between", async () => {
    answers = [fails, fails, fails, fails, well, fails, fails, fails, fails, well];
    for (let n = 0; n < 10; n += 1) await ask()(url, { method: "POST" });
    expect(state()).toMatchObject({ state: "closed", failures: 8 });
  });

  it("lets one call look after a while, nobody waits for that one, and closes when it is answered", async () => {
    await open();
    later(OUTSIDE_OPEN_MS);
    let release = () => {};
    answers = [
      (response) => {
        release = () => response.end("well");
      },
      well,
    ];
    const probe = ask()(url, { method: "POST" });
    await vi.waitFor(() => expect(heard).toHaveLength(OUTSIDE_FAILURES_MAX + 1));
    expect(state()?.state).toBe("half_open");
    expect((await refusedBy(ask()(url))).retryAfterSeconds).toBe(1);
    release();
    expect((await probe).status).toBe(200);
    expect(state()).toMatchObject({ state: "closed", openedAt: null, retryAt: null });
    expect((await ask()(url)).status).toBe(200);
    expect(lines.map(({ event }) => event)).toEqual(["outside_opened", "outside_closed"]);
  });

  it("stays open when that one fails too", async () => {
    await open();
    later(OUTSIDE_OPEN_MS);
    // A GET may be sent again, but not to who has just been found to be away.
    await refusedBy(ask()(url));
    expect(heard).toHaveLength(OUTSIDE_FAILURES_MAX + 1);
    await refusedBy(ask()(url));
    expect(heard).toHaveLength(OUTSIDE_FAILURES_MAX + 1);
  });

  it("lets another one look when the first never comes back: its request was given up", async () => {
    await open();
    later(OUTSIDE_OPEN_MS);
    // As the runtime does it when a client hangs up: what has been awaited goes on neither well nor wrong.
    vi.stubGlobal("fetch", () => new Promise(() => {}));
    ask()(url, { method: "POST" }).catch(() => {});
    vi.unstubAllGlobals();
    later(LIMITS.callMs);
    await refusedBy(ask()(url));
    later(OUTSIDE_LOST_MS + 1);
    answers = [well];
    expect((await ask()(url)).status).toBe(200);
    expect(state()?.state).toBe("closed");
  });

  it("is each host's own", async () => {
    await open();
    const other = url.replace("127.0.0.1", "localhost");
    answers = [well];
    expect((await ask()(other)).status).toBe(200);
    await refusedBy(ask()(url));
  });
});

describe("the lanes", () => {
  it("let so many in at once; who comes then is told so, and the breaker does not mind", async () => {
    const waiting: ServerResponse[] = [];
    answers = [(response) => void waiting.push(response)];
    const calls = Array.from({ length: 4 }, () => ask()(url, { method: "POST" }));
    await vi.waitFor(() => expect(waiting).toHaveLength(4));
    expect(askAgainAfter(await refusedBy(ask()(url)))).toBe(1);
    expect(state()).toMatchObject({ state: "closed", inFlight: 4, lanes: 4, refused: 1, failures: 0 });
    for (const response of waiting) response.end();
    await Promise.all(calls);
    expect(state()?.inFlight).toBe(0);
    answers = [well];
    expect((await ask()(url)).status).toBe(200);
  });

  it("are free again when those in them never come back", async () => {
    vi.stubGlobal("fetch", () => new Promise(() => {}));
    const patient = ask({ callMs: 60_000 });
    for (let n = 0; n < 4; n += 1) patient(url, { method: "POST" }).catch(() => {});
    vi.unstubAllGlobals();
    await refusedBy(patient(url));
    later(60_001 + OUTSIDE_LOST_MS);
    expect((await patient(url)).status).toBe(200);
  });
});
