// Resend's HTTP API, https://resend.com/docs/api-reference/emails/send-email: one POST an e-mail, with a key that makes it once.

import type { Mail, Mailer, MailOutcome } from "./mailer.ts";

/** Where to send, as whom, and the key that allows it. */
export interface ResendAccount {
  endpoint: string;
  apiKey: string;
  from: string;
}

/** A provider that takes longer has most likely lost the request; the key makes asking again safe. */
const TIMEOUT_MS = 10_000;
/** Kept of what a provider says: it goes into a log line and a row. */
const SAID_CHARS_MAX = 300;
/** What no repeat will mend: the e-mail itself is wrong. Keys and quotas (401, 403, 429) are mended by people and by time. */
const WRONG_MAIL: ReadonlySet<number> = new Set([400, 413, 422]);

/** Sends through an account at Resend, or at whatever speaks its API at another endpoint. */
export function resend(account: ResendAccount): Mailer {
  return { keepsBodies: false, send: (mail) => send(account, mail) };
}

async function send(account: ResendAccount, { id, to, subject, text, html }: Mail): Promise<MailOutcome> {
  try {
    const answer = await fetch(account.endpoint, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${account.apiKey}`,
        "Content-Type": "application/json",
        "Idempotency-Key": id,
        "User-Agent": "tradepost",
      },
      body: JSON.stringify({ from: account.from, to: [to], subject, text, html }),
      // The key would go along to wherever a redirect leads.
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return outcomeOf(answer.status, await answer.text(), answer.headers.get("Retry-After"));
  } catch (error) {
    return { kind: "later", reason: String(error).slice(0, SAID_CHARS_MAX), afterSeconds: null };
  }
}

function outcomeOf(status: number, text: string, retryAfter: string | null): MailOutcome {
  const said = fieldsOf(text);
  if (status >= 200 && status < 300) {
    if (said.id !== undefined) return { kind: "sent", id: said.id };
    // Something else answered, a captive portal perhaps.
    return { kind: "later", reason: `${status} without an id`, afterSeconds: null };
  }
  const reason = `${status} ${said.name ?? ""} ${said.message ?? ""}`.trim().slice(0, SAID_CHARS_MAX);
  if (WRONG_MAIL.has(status)) return { kind: "refused", reason };
  return { kind: "later", reason, afterSeconds: /^\d{1,5}$/.test(retryAfter ?? "") ? Number(retryAfter) : null };
}

function fieldsOf(text: string): { id?: string; name?: string; message?: string } {
  try {
    const said: unknown = JSON.parse(text);
    if (typeof said !== "object" || said === null) return {};
    return Object.fromEntries(Object.entries(said).filter(([, value]) => typeof value === "string"));
  } catch {
    return {};
  }
}
