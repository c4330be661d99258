// Fiat that a payment provider moves, over HTTP: deposits that are paid there, withdrawals that are paid out from the account's
// alarm, and what the provider says of both, signed, twice and in any order. The provider is test/support/stripe.ts.
import { createExecutionContext, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config.ts";
import { OUTSIDE_FAILURES_MAX, OUTSIDE_OPEN_MS } from "../../src/core/limits.ts";
import { accountOf } from "../support/objects.ts";
import { person } from "../support/people.ts";
import {
  type Answer,
  expectProblem,
  ORIGIN,
  type Trader,
  trader,
  type WirePage,
  type WireTransfer,
} from "../support/session.ts";
import { STRIPE_WEBHOOK_SECRET, type StripeFault, stripeSignature } from "../support/stripe.ts";

type WireDeposit = WireTransfer & { client_secret?: string };

/** The Worker as it is where the provider is configured; objects are told so one by one. */
const STRIPE_API_URL = `${(env as unknown as { STRIPE_API_URL: string }).STRIPE_API_URL}/flows`;
const CONFIGURED = { ...env, PAYMENT_PROVIDER: "stripe", STRIPE_API_URL };
const { payments, transfers } = loadConfig(CONFIGURED);
const app = createApp();

interface Wish {
  json?: unknown;
  raw?: string;
  headers?: Record<string, string>;
}

async function call<T>(method: string, path: string, { json, raw, headers = {} }: Wish, on: object = CONFIGURED) {
  const body = raw ?? (json === undefined ? null : JSON.stringify(json));
  const sent = { "Content-Type": "application/json", ...headers };
  const request = new Request(ORIGIN + path, { method, headers: sent, body });
  const response = await app.fetch(request, on as Env, createExecutionContext());
  const text = await response.text();
  const answer = {
    status: response.status,
    headers: response.headers,
    text,
    body: text === "" ? {} : JSON.parse(text),
  };
  return answer as Answer<T>;
}

/** Somebody whose account has its USD moved by the provider. */
async function customer(usd?: string): Promise<Trader> {
  const who = await trader(usd === undefined ? {} : { usd });
  await runInDurableObject(accountOf(who.accountId) as DurableObjectStub, (object) => {
    Object.assign(loadConfig((object as unknown as { env: object }).env), { payments, transfers });
  });
  return who;
}

/** Accounts share what they are configured with: it is paper again for whoever is made next. */
afterEach(async () => {
  const paper = loadConfig({ ...env });
  const { accountId } = await customer();
  await runInDurableObject(accountOf(accountId) as DurableObjectStub, (object) => {
    const { payments: none, transfers: free } = paper;
    Object.assign(loadConfig((object as unknown as { env: object }).env), { payments: none, transfers: free });
  });
});

function move<T = WireDeposit>(
  who: Trader,
  kind: "deposits" | "withdrawals",
  amount: string,
  key?: string,
  asset = "USD",
) {
  const keyed = key === undefined ? {} : { "Idempotency-Key": key };
  const headers = { Authorization: `Bearer ${who.token}`, ...keyed };
  return call<T>("POST", `/v1/account/${kind}`, { json: { asset, amount }, headers });
}

interface Control {
  heard: { method: string; path: string; key: string }[];
  made: { id: string; metadata: { transfer: string } }[];
}

async function control(wish: object = {}): Promise<Control> {
  const answer = await fetch(`${STRIPE_API_URL}/control`, { method: "POST", body: JSON.stringify(wish) });
  return (await answer.json()) as Control;
}

const wrong = (...faults: StripeFault[]) => control({ faults });

let events = 0;
/** A message of the provider's, as it would send it. */
function message(who: Trader, transfer: string, type: string, object: object): string {
  events += 1;
  const metadata = { transfer, account: who.accountId };
  return JSON.stringify({ id: `evt_${events}`, type, data: { object: { ...object, metadata } } });
}

const paidIn = (who: Trader, id: string, cents: number) =>
  message(who, id, "payment_intent.succeeded", {
    ...{ object: "payment_intent", id: `pi_${id}`, status: "succeeded", amount_received: cents },
  });
const payout = (who: Trader, id: string, status: "paid" | "failed", cents: number) =>
  message(who, id, `payout.${status}`, {
    ...{
      object: "payout",
      id: `po_${id}`,
      status,
      amount: cents,
      failure_code: status === "failed" ? "no_account" : null,
    },
  });

const deliver = (raw: string, signature = stripeSignature(raw, Math.floor(Date.now() / 1_000))) =>
  call("POST", "/v1/webhooks/payments", { raw, headers: { "Stripe-Signature": signature } });

const usdOf = async (who: Trader) => {
  const { available, held } = await who.balance("USD");
  return `${available} + ${held}`;
};
const one = async (who: Trader, kind: "deposits" | "withdrawals", id: string) =>
  (await who.get<WireTransfer>(`/v1/account/${kind}/${id}`)).body;

async function becomes(who: Trader, id: string, status: string): Promise<void> {
  await vi.waitFor(async () => expect(await one(who, "withdrawals", id)).toMatchObject({ status }), {
    timeout: 15_000,
    interval: 100,
  });
}

/** What the provider has made for a transfer, once it has. */
async function atProvider(id: string): Promise<{ id: string }> {
  return vi.waitFor(
    async () => {
      const [made, second] = (await control()).made.filter(({ metadata }) => metadata.transfer === id);
      expect(made).toBeDefined();
      expect(second).toBeUndefined();
      return made as { id: string };
    },
    { timeout: 15_000, interval: 100 },
  );
}

describe("a deposit", () => {
  it("is pending with what it is paid with, and settled by what the provider says, once", async () => {
    const who = await customer();
    const asked = await move(who, "deposits", "25.5", "k");
    expect(asked.status, asked.text).toBe(201);
    expect(asked.body).toMatchObject({ status: "pending", amount: "25.5" });
    expect(asked.body.client_secret).toMatch(/_secret$/);
    expect(await usdOf(who)).toBe("0 + 0");
    const { id } = asked.body;
    const said = paidIn(who, id, 2_550);
    for (let copy = 0; copy < 3; copy += 1) expect((await deliver(said)).status).toBe(204);
    expect((await deliver(paidIn(who, id, 2_550))).status).toBe(204);
    expect(await usdOf(who)).toBe("25.5 + 0");
    expect(await one(who, "deposits", id)).toMatchObject({ status: "settled" });
    const again = await move(who, "deposits", "25.5", "k");
    expect([again.status, again.text]).toEqual([201, asked.text]);
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
    await atProvider(id);
  });

  it("comes in even if it had failed before, and is not lost by a failure that is told late", async () => {
    const who = await customer();
    const canceled = (id: string) =>
      message(who, id, "payment_intent.canceled", {
        ...{ object: "payment_intent", id: `pi_${id}`, status: "canceled", cancellation_reason: "abandoned" },
      });
    const [first, second] = [(await move(who, "deposits", "5")).body.id, (await move(who, "deposits", "7")).body.id];
    for (const raw of [canceled(first), paidIn(who, first, 500), paidIn(who, second, 700), canceled(second)])
      expect((await deliver(raw)).status).toBe(204);
    expect(await usdOf(who)).toBe("12 + 0");
  });

  it.each([
    ["0.49", "too_small"],
    ["0.505", "excess_precision"],
    ["1000000", "too_big"],
  ])("of %s is refused: %s", async (amount, code) => {
    const who = await customer();
    const refused = await move(who, "deposits", amount);
    expectProblem(refused, 422, "validation_failed");
    expect(refused.body.errors).toMatchObject([{ pointer: "/amount", code }]);
  });

  it("of crypto is paper, and settles at once", async () => {
    const made = await move(await customer(), "deposits", "0.000001", undefined, "BTC");
    expect(made.body).toMatchObject({ status: "settled" });
    expect(made.body).not.toHaveProperty("client_secret");
  });

  it("that the provider does not answer to is 503, and the same key begins it once it does", async () => {
    const who = await customer();
    await wrong("drop_after", "drop_before");
    expectProblem(await move(who, "deposits", "9", "k"), 503, "unavailable");
    const begun = await move(who, "deposits", "9", "k");
    expect(begun.body).toMatchObject({ status: "pending", client_secret: expect.any(String) });
    expect((await move(who, "deposits", "9", "k")).text).toBe(begun.text);
    await atProvider(begun.body.id);
    await wrong("drop_before", "drop_before");
    expectProblem(await move(who, "deposits", "9"), 503, "unavailable");
    const { rows } = await who.all<WireTransfer>("/v1/account/deposits", 10);
    expect(rows.map(({ status, failure }) => [status, failure])).toEqual([
      ["failed", "not_begun"],
      ["pending", undefined],
    ]);
  });

  it("that the provider refuses is answered so, for ever", async () => {
    const who = await customer();
    await wrong("balance_insufficient");
    const refused = await move(who, "deposits", "9", "k");
    expect(refused.body).toMatchObject({ status: "failed", failure: "balance_insufficient" });
    expect((await move(who, "deposits", "9", "k")).text).toBe(refused.text);
  });
});

describe("what the provider says", () => {
  it("is heard with its signature alone, and where it is configured", async () => {
    const who = await customer();
    const { id } = (await move(who, "deposits", "5")).body;
    const raw = paidIn(who, id, 500);
    const now = Math.floor(Date.now() / 1_000);
    for (const signature of ["", stripeSignature(raw, now, "whsec_other"), stripeSignature(raw, now - 400)])
      expectProblem(await deliver(raw, signature), 401, "unauthenticated");
    expectProblem(await deliver("{", stripeSignature("{", now)), 400, "malformed_json");
    const headers = { "Stripe-Signature": stripeSignature(raw, now, STRIPE_WEBHOOK_SECRET) };
    expectProblem(await call("POST", "/v1/webhooks/payments", { raw, headers }, env), 404, "not_found");
    expect(await usdOf(who)).toBe("0 + 0");
  });

  it("of another amount, or of what there is not, changes nothing", async () => {
    const who = await customer();
    const { id } = (await move(who, "deposits", "5")).body;
    expectProblem(await deliver(paidIn(who, id, 499)), 422, "validation_failed");
    expectProblem(await deliver(paidIn(who, id.replace(/.{6}$/, "000000"), 500)), 404, "not_found");
    const nobody = paidIn(who, id, 500).replace(who.accountId, "acc_x");
    expect((await deliver(nobody)).status).toBe(204);
    expect(await usdOf(who)).toBe("0 + 0");
  });
});

describe("a withdrawal", () => {
  it("is held, paid out once by the account's alarm, and settled when it is paid", async () => {
    const who = await customer("100");
    const asked = await move<WireTransfer>(who, "withdrawals", "40");
    expect(asked.body).toMatchObject({ status: "pending" });
    expect(await usdOf(who)).toBe("60 + 40");
    await atProvider(asked.body.id);
    expectProblem(await who.call("DELETE", `/v1/account/withdrawals/${asked.body.id}`), 409, "transfer_not_pending");
    for (let copy = 0; copy < 2; copy += 1)
      expect((await deliver(payout(who, asked.body.id, "paid", 4_000))).status).toBe(204);
    expect(await usdOf(who)).toBe("60 + 0");
    expect((await deliver(payout(who, asked.body.id, "failed", 4_000))).status).toBe(204);
    expect(await one(who, "withdrawals", asked.body.id)).toMatchObject({ status: "reversed", failure: "no_account" });
    expect(await usdOf(who)).toBe("100 + 0");
    expect((await deliver(payout(who, asked.body.id, "paid", 4_000))).status).toBe(204);
    expect(await usdOf(who)).toBe("100 + 0");
  });

  it("whose answers are lost is asked for again, and paid out once", async () => {
    const who = await customer("100");
    await wrong("429", "drop_before", "drop_after");
    const { id } = (await move<WireTransfer>(who, "withdrawals", "10")).body;
    await vi.waitFor(
      async () => {
        const asked = (await control()).heard.filter(({ key }) => key === id);
        expect(asked.length).toBeGreaterThanOrEqual(4);
      },
      { timeout: 15_000, interval: 200 },
    );
    await atProvider(id);
  });

  it("that cannot be paid out is released, and says why", async () => {
    const who = await customer("100");
    await wrong("balance_insufficient");
    const { id } = (await move<WireTransfer>(who, "withdrawals", "30")).body;
    await becomes(who, id, "failed");
    expect(await one(who, "withdrawals", id)).toMatchObject({ failure: "balance_insufficient" });
    expect(await usdOf(who)).toBe("100 + 0");
  });
});

// Last: the provider's host is left alone for a while after this, in the whole file.
describe("a provider that has been away for long", () => {
  it("is not asked; who waits hears 503 and when to come again, and operators see it", async () => {
    const [who, operator] = [await customer(), await person(["support"])];
    const listed = async () => (await operator.get<WirePage<Record<string, unknown>>>("/v1/admin/outside")).body.data;
    await wrong(...Array.from({ length: OUTSIDE_FAILURES_MAX }, () => "drop_before" as const));
    const closed = await listed();
    expect(closed).toMatchObject([{ provider: "stripe", state: "closed", opened_at: null, retry_at: null }]);
    for (let asked = 0; asked < OUTSIDE_FAILURES_MAX; asked += 2) {
      expectProblem(await move(who, "deposits", "9"), 503, "unavailable");
    }
    const sent = (await control()).heard.length;
    const refused = await move(who, "deposits", "9");
    expectProblem(refused, 503, "unavailable");
    const seconds = Number(refused.headers.get("Retry-After"));
    expect(seconds).toBeGreaterThan(2);
    expect(seconds).toBeLessThanOrEqual(OUTSIDE_OPEN_MS / 1_000);
    expect((await control()).heard).toHaveLength(sent);
    const [open] = await listed();
    expect(open).toMatchObject({ state: "open", in_flight: 0, origin: new URL(STRIPE_API_URL).origin });
    expect(Date.parse(String(open?.["retry_at"])) - Date.parse(String(open?.["opened_at"]))).toBe(OUTSIDE_OPEN_MS);
  });
});
