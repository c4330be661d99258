// A server that speaks as much of Stripe's API as the product uses: PaymentIntents and payouts, forms in, JSON out, saved first
// answers; and does what a test tells it to do wrong. And signatures as Stripe makes them.
import { createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const STRIPE_KEY = "sk_test_tradepost";
export const STRIPE_WEBHOOK_SECRET = "whsec_tradepost";

/** What goes wrong with the next request: nothing is done, or it is done and nobody is told. */
export type StripeFault = "500" | "429" | "drop_before" | "drop_after" | "hang" | "html" | "balance_insufficient";

interface Saved {
  form: string;
  status: number;
  body: object;
}

type Made = Record<string, unknown> & { id: string };

/** `Stripe-Signature` of a body as it would be sent at a time, in seconds. */
export function stripeSignature(body: string, atSeconds: number, secret = STRIPE_WEBHOOK_SECRET): string {
  return `t=${atSeconds},v1=${createHmac("sha256", secret).update(`${atSeconds}.${body}`).digest("hex")}`;
}

type Answering = (request: IncomingMessage, path: string, text: string, response: ServerResponse) => void;

/** One account at Stripe, and what goes wrong there. */
function stripeAccount(): Answering {
  const saved = new Map<string, Saved>();
  const made = new Map<string, Made>();
  const heard: { method: string; path: string; key: string; form: Record<string, string> }[] = [];
  let faults: StripeFault[] = [];

  const refusal = (status: number, type: string, code: string): Saved => ({
    ...{ form: "", status },
    body: { error: { type, code, message: code } },
  });

  const make = (path: string, form: URLSearchParams): Saved => {
    const isIntent = path === "/v1/payment_intents";
    const id = `${isIntent ? "pi" : "po"}_${made.size + 1}`;
    const amount = Number(form.get("amount"));
    const metadata = { transfer: form.get("metadata[transfer]"), account: form.get("metadata[account]") };
    const common = { id, amount, currency: form.get("currency"), metadata };
    const one: Made = isIntent
      ? {
          ...common,
          object: "payment_intent",
          amount_received: 0,
          client_secret: `${id}_secret`,
          status: "requires_payment_method",
        }
      : { ...common, object: "payout", method: form.get("method"), status: "pending", failure_code: null };
    made.set(id, one);
    return { form: form.toString(), status: 200, body: one };
  };

  const post = (path: string, key: string, text: string, fault: StripeFault | undefined): Saved => {
    const known = saved.get(key);
    if (known !== undefined && known.form !== text) return refusal(400, "idempotency_error", "idempotency_key_in_use");
    if (known !== undefined) return known;
    if (fault === "429") return refusal(429, "invalid_request_error", "rate_limit");
    if (fault === "balance_insufficient") return { ...refusal(400, "invalid_request_error", fault), form: text };
    // Stripe answers the same 500 again under this key: nobody can tell what it has done.
    const answer =
      fault === "500"
        ? { ...refusal(500, "api_error", "api_error"), form: text }
        : make(path, new URLSearchParams(text));
    saved.set(key, { ...answer, form: text });
    return answer;
  };

  const control = (text: string): unknown => {
    const wish = text === "" ? {} : (JSON.parse(text) as { faults?: StripeFault[]; id?: string; set?: object });
    if (wish.faults !== undefined) faults = wish.faults;
    const one = made.get(wish.id ?? "");
    if (one !== undefined) Object.assign(one, wish.set);
    return { heard, made: [...made.values()] };
  };

  return (request, path, text, response) => {
    const send = (status: number, body: unknown) =>
      response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
    if (path === "/control") return void send(200, control(text));
    const key = String(request.headers["idempotency-key"] ?? "");
    const form = Object.fromEntries(new URLSearchParams(text));
    heard.push({ method: request.method ?? "", path, key, form });
    if (request.headers.authorization !== `Bearer ${STRIPE_KEY}`)
      return void send(401, { error: { type: "invalid_request_error" } });
    const fault = faults.shift();
    if (fault === "hang") return;
    if (fault === "drop_before") return void request.socket.destroy();
    if (fault === "html") return void response.writeHead(200, { "Content-Type": "text/html" }).end("<html>");
    const found = made.get(path.split("/").at(-1) ?? "");
    const done =
      request.method === "POST"
        ? post(path, key, text, fault)
        : found === undefined
          ? refusal(404, "invalid_request_error", "resource_missing")
          : { form: "", status: 200, body: found };
    if (fault === "drop_after") return void request.socket.destroy();
    send(done.status, done.body);
  };
}

/**
 * Starts it on a port of its own; `control` answers and takes what tests ask of it, in JSON at `/control`. Below `/<name>` it is
 * all there once more, for a file of tests that runs beside others.
 */
export function startStripe(): Promise<{ url: string; close: () => void }> {
  const accounts = new Map<string, Answering>();
  const answer = (request: IncomingMessage, text: string, response: ServerResponse): void => {
    const [, name = "", path = ""] = /^(\/(?!v1\/|control$)[a-z]+)?(\/.*)$/.exec(request.url ?? "") ?? [];
    const account = accounts.get(name) ?? stripeAccount();
    accounts.set(name, account);
    account(request, path, text, response);
  };
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => {
      text += chunk;
    });
    request.on("end", () => answer(request, text, response));
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.unref();
      resolve({ url: `http://127.0.0.1:${port}`, close: () => server.close() });
    });
  });
}
