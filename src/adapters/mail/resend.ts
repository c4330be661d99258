// Resend's HTTP API, https://resend.com/docs/api-reference/emails/send-email: one POST an e-mail, with a key that makes it once.

import {
  MAIL_CALL_MS,
  MAIL_LANES_MAX,
  MAIL_TRIES_MAX,
  MAIL_TRY_MS,
  OUTSIDE_ANSWER_BYTES_MAX,
} from "../../core/limits.ts";
import { askAgainAfter, outsideFetch } from "../outside.ts";
import type { Mail, Mailer, MailOutcome } from "./mailer.ts";

/** Where to send, as whom, and the key that allows it. */
export interface ResendAccount {
  endpoint: string;
  apiKey: string;
  from: string;
}

const ask = outsideFetch("resend", {
  callMs: MAIL_CALL_MS,
  tryMs: MAIL_TRY_MS,
  tries: MAIL_TRIES_MAX,
  lanes: MAIL_LANES_MAX,
  answerBytes: OUTSIDE_ANSWER_BYTES_MAX,
});
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
    const answer = await ask(account.endpoint, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${account.apiKey}`,
        "Content-Type": "application/json",
        "Idempotency-Key": id,
        "User-Agent": "tradepost",
      },
      body: JSON.stringify({ from: account.from, to: [to], subject, text, html }),
    });
    return outcomeOf(answer.status, await answer.text(), answer.headers.get("Retry-After"));
  } catch (error) {
    return { kind: "later", reason: String(error).slice(0, SAID_CHARS_MAX), afterSeconds: askAgainAfter(error) };
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
