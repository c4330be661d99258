// What sends e-mail: the provider's adapter against a server that speaks its API over HTTP, and which one is chosen.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { mailerOf } from "../../src/adapters/mail/choice.ts";
import { MAILBOX } from "../../src/adapters/mail/mailbox.ts";
import type { Mail } from "../../src/adapters/mail/mailer.ts";
import { resend } from "../../src/adapters/mail/resend.ts";
import { ConfigError, parseConfig } from "../../src/config.ts";
import { OUTSIDE_FAILURES_MAX, OUTSIDE_OPEN_MS } from "../../src/core/limits.ts";
import { TEST_SECRETS } from "../support/secrets.ts";

const KEY = "re_test_key";
const FROM = "Tradepost <no-reply@tradepost.example>";
const MAIL: Mail = {
  id: "mal_1",
  to: "ada@example.com",
  subject: "Hello",
  text: "Hello Ada",
  html: "<p>Hello Ada</p>",
};

interface Heard {
  method: string | undefined;
  headers: IncomingMessage["headers"];
  body: Record<string, unknown>;
}

let heard: Heard[] = [];
let answer: (response: ServerResponse) => void;
let endpoint = "";

/** As Resend does: a key, a JSON body, and the same answer again for the same idempotency key and body. */
const once = new Map<string, { body: string; id: string }>();
function judged(request: IncomingMessage, text: string): [status: number, body: object] {
  const wrong = (statusCode: number, name: string, message: string): [number, object] => [
    statusCode,
    { statusCode, name, message },
  ];
  if (request.headers.authorization !== `Bearer ${KEY}`) return wrong(403, "invalid_api_key", "API key is invalid");
  const body = JSON.parse(text) as { from?: string; to?: string[]; subject?: string };
  if (body.from === undefined || body.subject === undefined || !Array.isArray(body.to)) {
    return wrong(422, "missing_required_field", "Missing a field.");
  }
  const key = String(request.headers["idempotency-key"] ?? "");
  const known = once.get(key);
  if (known !== undefined && known.body !== text) {
    return wrong(409, "invalid_idempotent_request", "Same idempotency key used with a different request payload.");
  }
  const id = known?.id ?? `provider-${once.size + 1}`;
  once.set(key, { body: text, id });
  return [200, { id }];
}

function speak(request: IncomingMessage, text: string, response: ServerResponse): void {
  const [status, body] = judged(request, text);
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

const server = createServer((request, response) => {
  let text = "";
  request.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  request.on("end", () => {
    heard.push({ method: request.method, headers: request.headers, body: JSON.parse(text) as Heard["body"] });
    if (answer === undefined) speak(request, text, response);
    else answer(response);
  });
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/emails`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  heard = [];
  answer = undefined as never;
});

const mailer = (apiKey = KEY, at = endpoint) => resend({ endpoint: at, apiKey, from: FROM });

describe("the provider", () => {
  it("gets one e-mail as its API wants it, and says its id", async () => {
    expect(await mailer().send(MAIL)).toEqual({ kind: "sent", id: "provider-1" });
    expect(heard).toHaveLength(1);
    expect(heard[0]).toMatchObject({
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": "mal_1" },
      body: { from: FROM, to: ["ada@example.com"], subject: "Hello", text: "Hello Ada", html: "<p>Hello Ada</p>" },
    });
    expect(mailer().keepsBodies).toBe(false);
  });

  it("sends the same e-mail once, however often it is asked", async () => {
    const first = await mailer().send({ ...MAIL, id: "mal_2" });
    expect(await mailer().send({ ...MAIL, id: "mal_2" })).toEqual(first);
  });

  it("is asked again when the key is wrong: a person mends that", async () => {
    expect(await mailer("re_wrong").send(MAIL)).toEqual({
      kind: "later",
      reason: "403 invalid_api_key API key is invalid",
      afterSeconds: null,
    });
  });

  it.each<[string, number, Record<string, string>, string, object]>([
    ["too many", 429, { "Retry-After": "7" }, '{"name":"rate_limit_exceeded"}', { kind: "later", afterSeconds: 7 }],
    ["a date to wait for", 429, { "Retry-After": "Sat, 1 Jan" }, "{}", { kind: "later", afterSeconds: null }],
    ["its own fault", 500, {}, "<html>", { kind: "later", reason: "500" }],
    ["a wrong e-mail", 422, {}, '{"name":"validation_error","message":"no"}', { kind: "refused" }],
    ["an address it does not take", 400, {}, "{}", { kind: "refused", reason: "400" }],
    ["success without an id", 200, {}, "<html>welcome to the hotel", { kind: "later" }],
    ["success that is null", 200, {}, "null", { kind: "later" }],
    ["ten thousand words", 422, {}, JSON.stringify({ message: "x".repeat(10_000) }), { kind: "refused" }],
  ])("says %s", async (_, status, headers, body, outcome) => {
    answer = (response) => response.writeHead(status, headers).end(body);
    const got = await mailer().send(MAIL);
    expect(got).toMatchObject(outcome);
    expect(JSON.stringify(got).length).toBeLessThan(400);
  });

  it("is not followed elsewhere: the key would go along", async () => {
    answer = (response) => response.writeHead(307, { Location: endpoint }).end();
    expect(await mailer().send(MAIL)).toMatchObject({ kind: "later", reason: "307" });
    expect(heard).toHaveLength(1);
  });

  it("that hangs up, or is not there, is asked again", async () => {
    answer = (response) => response.destroy();
    expect(await mailer().send(MAIL)).toMatchObject({ kind: "later", afterSeconds: null });
    expect(await mailer(KEY, "http://127.0.0.1:1/emails").send(MAIL)).toMatchObject({ kind: "later" });
  });

  it("that has been away for long is left alone, and the queue told when to come again", async () => {
    const gone = mailer(KEY, "http://127.0.0.1:2/emails");
    for (let n = 0; n < OUTSIDE_FAILURES_MAX; n += 1) await gone.send(MAIL);
    expect(await gone.send(MAIL)).toMatchObject({ kind: "later", afterSeconds: OUTSIDE_OPEN_MS / 1_000 });
  });
});

describe("the mailbox", () => {
  it("takes everything and has it kept", async () => {
    expect(await MAILBOX.send(MAIL)).toEqual({ kind: "sent", id: "mal_1" });
    expect(MAILBOX.keepsBodies).toBe(true);
  });
});

describe("the configuration", () => {
  const VARS = {
    ...TEST_SECRETS,
    ENVIRONMENT: "local",
    VENUE: "main",
    PRICE_SEED: "1",
    ISSUER: "tradepost",
    AUDIENCE: "tradepost-api",
    PUBLIC_URL: "https://tradepost.example/",
    MAIL_PROVIDER: "mailbox",
    MAIL_FROM: FROM,
  };
  const deployed = { ...VARS, ENVIRONMENT: "production", MAIL_PROVIDER: "resend", MAIL_API_KEY: KEY };

  it("chooses the mailer", () => {
    expect(mailerOf(parseConfig(VARS).mail).keepsBodies).toBe(true);
    expect(mailerOf(parseConfig(deployed).mail).keepsBodies).toBe(false);
    expect(parseConfig(deployed).mail).toMatchObject({ endpoint: "https://api.resend.com/emails", from: FROM });
    expect(parseConfig(VARS).publicUrl).toBe("https://tradepost.example");
  });

  it.each([
    ["a deployment whose mail nobody reads", { ...VARS, ENVIRONMENT: "production" }, "MAIL_PROVIDER"],
    ["a provider without its key", { ...deployed, MAIL_API_KEY: undefined }, "MAIL_API_KEY"],
    ["a sender that would write headers", { ...VARS, MAIL_FROM: "a@b.com\r\nBcc: c@d.com" }, "MAIL_FROM"],
    ["links to nowhere", { ...VARS, PUBLIC_URL: "javascript:alert(1)" }, "PUBLIC_URL"],
    ["no address for links", { ...VARS, PUBLIC_URL: undefined }, "PUBLIC_URL"],
  ])("refuses %s, by name", (_, vars, name) => {
    expect(() => parseConfig(vars)).toThrow(ConfigError);
    expect(() => parseConfig(vars)).toThrow(name);
  });
});
