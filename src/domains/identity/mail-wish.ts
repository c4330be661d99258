// How a request asks for an e-mail, and the token that the e-mail will have. A request does not wait for either.

import { createHash, createHmac } from "node:crypto";
import { type MailBinding, type MailSubject, mailQueue, mailWishOf } from "../../bindings/mail.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { log } from "../../log.ts";
import { newId } from "./user.ts";

/** Puts an e-mail into the queue. Refuses `unavailable`: whoever wants it asks again, which is what "resend" is for. */
export async function askForMail(env: MailBinding, subject: MailSubject, nowMs: number): Promise<Result<null>> {
  try {
    await mailQueue(env).send(mailWishOf(newId("mal", nowMs), subject));
    return ok(null);
  } catch (error) {
    log("error", "queue_failed", { message: String(error) });
    return refuse({ code: "unavailable", detail: "E-mail cannot be sent at the moment." });
  }
}

/**
 * The token of an e-mail: 32 bytes, base64url. Made of what is in the message and a secret that is not, so that a message
 * that is delivered twice makes the same e-mail, and who reads the queue has no token.
 */
export function mailTokenOf(wish: { id: string; seed: string }, secret: string): string {
  const key = Buffer.from(secret, "base64url");
  return createHmac("sha256", key).update(`mail-token.v1.${wish.id}.${wish.seed}`, "utf8").digest("base64url");
}

/** What is stored of a token: enough to know it again. */
export function mailTokenHash(token: string): string {
  return createHash("sha256").update(token, "utf8").digest("hex");
}
