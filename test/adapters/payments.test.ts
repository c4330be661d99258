// What moves fiat outside: Stripe's adapter against a server that speaks its API over HTTP, its signatures, and which is chosen.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deskOf, paymentsOf } from "../../src/adapters/payments/choice.ts";
import type { PaymentProvider } from "../../src/adapters/payments/provider.ts";
import { isSigned, TOLERANCE_SECONDS } from "../../src/adapters/payments/signature.ts";
import { stripe } from "../../src/adapters/payments/stripe.ts";
import { ConfigError, parseConfig } from "../../src/config.ts";
import { OUTSIDE_FAILURES_MAX, OUTSIDE_OPEN_MS } from "../../src/core/limits.ts";
import type { MovedOutside } from "../../src/core/payments.ts";
import { TEST_SECRETS } from "../support/secrets.ts";
import {
  STRIPE_KEY,
  STRIPE_WEBHOOK_SECRET,
  type StripeFault,
  startStripe,
  stripeSignature,
} from "../support/stripe.ts";

let server: Awaited<ReturnType<typeof startStripe>>;
let provider: PaymentProvider;
let count = 0;

beforeAll(async () => {
  server = await startStripe();
  provider = stripe({ apiUrl: server.url, secretKey: STRIPE_KEY, webhookSecret: STRIPE_WEBHOOK_SECRET });
});
afterAll(() => server.close());

interface Heard {
  heard: { method: string; path: string; key: string; form: Record<string, string> }[];
  made: { id: string }[];
}

async function control(wish: object = {}): Promise<Heard> {
  const answer = await fetch(`${server.url}/control`, { method: "POST", body: JSON.stringify(wish) });
  return (await answer.json()) as Heard;
}

const wrong = (...faults: StripeFault[]) => control({ faults });

function transfer(kind: "deposit" | "withdrawal", amount = 25_500_000n): MovedOutside {
  count += 1;
  return { id: `${kind === "deposit" ? "dep" : "wdr"}_${count}`, kind, asset: "USD", amount, account: "acc_1" };
}

describe("Stripe", () => {
  it("is asked for a PaymentIntent in cents, once for each deposit", async () => {
    const deposit = transfer("deposit");
    const first = await provider.collect(deposit);
    expect(first).toMatchObject({ kind: "done", value: { clientSecret: expect.stringContaining("_secret") } });
    expect(await provider.collect(deposit)).toEqual(first);
    const { heard, made } = await control();
    expect(made).toHaveLength(1);
    expect(heard.at(-1)).toEqual({
      method: "POST",
      path: "/v1/payment_intents",
      key: deposit.id,
      form: {
        amount: "2550",
        currency: "usd",
        "metadata[transfer]": deposit.id,
        "metadata[account]": "acc_1",
        "automatic_payment_methods[enabled]": "true",
      },
    });
    expect(first.kind === "done" && (await provider.collection(first.value.ref))).toEqual(first);
  });

  it("pays out once, also when its answer is lost: it is asked again under the same key", async () => {
    const withdrawal = transfer("withdrawal");
    await wrong("drop_after", "drop_before");
    expect(await provider.payOut(withdrawal)).toMatchObject({ kind: "later" });
    await wrong("drop_after");
    const paid = await provider.payOut(withdrawal);
    expect(paid).toMatchObject({ kind: "done", value: { ref: expect.stringMatching(/^po_/) } });
    const { heard, made } = await control();
    expect(made.filter(({ id }) => id.startsWith("po_"))).toHaveLength(1);
    expect(heard.filter(({ key }) => key === withdrawal.id)).toHaveLength(4);
    expect(heard.at(-1)?.form).toMatchObject({ amount: "2550", currency: "usd", method: "standard" });
  });

  it.each<[StripeFault, string, string]>([
    ["500", "later", "api_error"],
    ["429", "later", "rate_limit"],
    ["html", "later", "an answer that is not Stripe's"],
    ["balance_insufficient", "refused", "balance_insufficient"],
  ])("that answers %s is %s", async (fault, kind, reason) => {
    await wrong(fault);
    expect(await provider.payOut(transfer("withdrawal"))).toEqual({ kind, reason });
  });

  it("that knows no such key is asked again later, when people have mended it", async () => {
    const other = stripe({ apiUrl: server.url, secretKey: "sk_wrong", webhookSecret: "" });
    expect(await other.payOut(transfer("withdrawal"))).toEqual({ kind: "later", reason: "invalid_request_error" });
  });

  it("that is not there is asked again later; when that has been so for long, not before it is let through", async () => {
    const gone = stripe({ apiUrl: "http://127.0.0.1:1", secretKey: STRIPE_KEY, webhookSecret: "" });
    expect(await gone.collect(transfer("deposit"))).toEqual({ kind: "later", reason: expect.any(String) });
    for (let n = 0; n < OUTSIDE_FAILURES_MAX; n += 1) await gone.collect(transfer("deposit"));
    const afterSeconds = OUTSIDE_OPEN_MS / 1_000;
    expect(await gone.collect(transfer("deposit"))).toMatchObject({ kind: "later", afterSeconds });
  });

  it.each<["deposit" | "withdrawal", object, object]>([
    ["deposit", {}, { outcome: "known" }],
    ["deposit", { status: "processing" }, { outcome: "known" }],
    ["deposit", { status: "succeeded", amount_received: 2_550 }, { outcome: "settled", amount: 25_500_000n }],
    ["deposit", { status: "canceled", cancellation_reason: "abandoned" }, { outcome: "failed", failure: "abandoned" }],
    ["withdrawal", { status: "in_transit" }, { outcome: "known" }],
    ["withdrawal", { status: "paid" }, { outcome: "settled", amount: 25_500_000n }],
    ["withdrawal", { status: "failed", failure_code: "no_account" }, { outcome: "failed", failure: "no_account" }],
    ["withdrawal", { status: "canceled" }, { outcome: "failed", failure: "canceled" }],
  ])("says of a %s that is %j what has come of it", async (kind, set, fact) => {
    const one = transfer(kind);
    const begun = await (kind === "deposit" ? provider.collect(one) : provider.payOut(one));
    const ref = begun.kind === "done" ? begun.value.ref : "";
    await control({ id: ref, set });
    expect(await provider.look(one, ref)).toEqual({ kind: "done", value: { ref, ...fact } });
  });

  it("says so where it does not know what is asked for", async () => {
    expect(await provider.look(transfer("withdrawal"), "po_none")).toEqual({
      kind: "refused",
      reason: "resource_missing",
    });
  });
});

describe("a message", () => {
  const NOW = 1_800_000_000;
  const bytes = (text: string) => new TextEncoder().encode(text);
  const event = (type: string, object: object) => JSON.stringify({ id: "evt_1", type, data: { object } });
  const metadata = { transfer: "dep_1", account: "acc_1" };
  const read = (body: string, header = stripeSignature(body, NOW)) => provider.read(bytes(body), header, NOW * 1_000);

  it.each<[string, object, object | null]>([
    [
      "payment_intent.succeeded",
      { object: "payment_intent", id: "pi_1", status: "succeeded", amount_received: 500, metadata },
      { outcome: "settled", ref: "pi_1", amount: 5_000_000n },
    ],
    [
      "payout.failed",
      { object: "payout", id: "po_1", status: "failed", failure_code: "account_closed", metadata },
      { outcome: "failed", ref: "po_1", failure: "account_closed" },
    ],
    [
      "payment_intent.payment_failed",
      { object: "payment_intent", id: "pi_1", status: "requires_payment_method", metadata },
      null,
    ],
    ["payout.paid", { object: "payout", id: "po_1", status: "paid", amount: 500, metadata: {} }, null],
    ["payout.paid", { object: "payout", id: "po_1", status: "in_transit", amount: 500, metadata }, null],
    ["payout.paid", { object: "charge", id: "ch_1", status: "paid", amount: 500, metadata }, null],
    ["charge.succeeded", { object: "charge", id: "ch_1", metadata }, null],
  ])("%s %#", async (type, object, fact) => {
    const value = fact === null ? null : { id: "evt_1", account: "acc_1", transfer: "dep_1", fact };
    expect(await read(event(type, object))).toEqual({ ok: true, value });
  });

  it("that is signed and no event is malformed", async () => {
    for (const body of ["", "{", "[]", '{"id":1}']) {
      expect(await read(body)).toMatchObject({ ok: false, refusal: { code: "malformed_json" } });
    }
  });

  const BODY = '{"id":"evt_1"}';
  const good = stripeSignature(BODY, NOW);
  const [time, v1] = good.split(",") as [string, string];
  it.each<[string, string | undefined, boolean]>([
    ["as it is sent", good, true],
    ["with spaces, and schemes that we do not know", `${time}, v0=abc, ${v1}`, true],
    ["while a secret is rolled", `${time},${stripeSignature(BODY, NOW, "whsec_old").split(",")[1]},${v1}`, true],
    ["as old as may be", stripeSignature(BODY, NOW - TOLERANCE_SECONDS), true],
    ["older than that", stripeSignature(BODY, NOW - TOLERANCE_SECONDS - 1), false],
    ["from too far ahead", stripeSignature(BODY, NOW + TOLERANCE_SECONDS + 1), false],
    ["not at all", undefined, false],
    ["without a time", v1, false],
    ["at another time", good.replace(String(NOW), String(NOW - 1)), false],
    ["under another secret", stripeSignature(BODY, NOW, "whsec_other"), false],
    ["of another body", stripeSignature(`${BODY} `, NOW), false],
    ["without a signature", time, false],
    ["in another scheme alone", good.replace("v1=", "v0="), false],
    ["in capitals", good.replace(v1, v1.toUpperCase()), false],
    ["cut off", good.slice(0, -1), false],
  ])("signed %s", async (_how, header, right) => {
    expect(await isSigned(bytes(BODY), header, STRIPE_WEBHOOK_SECRET, NOW * 1_000)).toBe(right);
    if (right) return;
    expect(await read(BODY, header ?? "")).toMatchObject({ refusal: { code: "unauthenticated" } });
  });
});

describe("the choice of a provider", () => {
  const VARS = {
    ...{
      ENVIRONMENT: "local",
      VENUE: "main",
      PRICE_SEED: "1",
      ISSUER: "i",
      AUDIENCE: "a",
      PUBLIC_URL: "http://127.0.0.1:8787",
    },
    ...{ MAIL_PROVIDER: "mailbox", MAIL_FROM: "me <me@example.com>", ...TEST_SECRETS },
  };

  it("is paper unless another is named: nobody is asked, and nothing goes through it", async () => {
    const { payments, transfers } = parseConfig(VARS);
    expect([payments, transfers.provider, paymentsOf(payments)]).toEqual([{ provider: "paper" }, null, null]);
    const desk = deskOf(() => payments);
    const nobody = { kind: "later", reason: "no provider is configured" };
    expect([await desk.payOut(transfer("withdrawal")), await desk.look(transfer("deposit"), "x")]).toEqual([
      nobody,
      nobody,
    ]);
  });

  it("needs both secrets of Stripe, and an address that may be called", () => {
    const secrets = { STRIPE_SECRET_KEY: STRIPE_KEY, STRIPE_WEBHOOK_SECRET };
    const named = { ...VARS, PAYMENT_PROVIDER: "stripe" };
    expect(parseConfig({ ...named, ...secrets })).toMatchObject({
      payments: { provider: "stripe", apiUrl: "https://api.stripe.com" },
      transfers: { provider: "stripe" },
    });
    for (const name of Object.keys(secrets))
      expect(() => parseConfig({ ...named, ...secrets, [name]: "" })).toThrow(`${name}: is needed by stripe`);
    for (const STRIPE_API_URL of ["http://api.stripe.com", "https://10.0.0.1"])
      expect(() => parseConfig({ ...named, ...secrets, STRIPE_API_URL })).toThrow(ConfigError);
  });

  it("and limits are read in whole USD; null takes one away", () => {
    const limits = (text: string) => parseConfig({ ...VARS, TRANSFER_LIMITS: text }).transfers;
    expect(limits('{"deposits_per_day":"50","review_over":null}')).toMatchObject({
      perDay: { deposit: 50_000_000n, withdrawal: null },
      reviewOver: null,
    });
    for (const text of ['{"deposits_per_day":50}', '{"deposits_per_day":"1.5"}', '{"other":"1"}', "{"])
      expect(() => limits(text)).toThrow("TRANSFER_LIMITS");
  });
});
