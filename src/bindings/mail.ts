// The queue of e-mails that are to be written and sent. A message says what for and to whom; it has no token in it.
import type { ProviderName } from "../core/providers.ts";

/** The environment as far as sending mail is concerned. */
export interface MailBinding {
  MAIL: Queue;
}

/** What e-mail is wanted. A forgotten password goes by what was typed: whether anybody has that address is found out later. */
export type MailSubject =
  | { kind: "verify_email"; userId: string }
  | { kind: "reset_password"; email: string }
  | { kind: "password_changed" | "mfa_on" | "mfa_off" | "email_change_asked"; userId: string }
  | { kind: "api_key_made"; userId: string; name: string }
  | { kind: "recovery_code_used"; userId: string; left: number }
  | { kind: "refresh_token_reused"; userId: string }
  /** Too many wrong passwords of strangers (`login`), or in a session, or codes. */
  | { kind: "locked"; userId: string; what: "login" | "password" | "code"; minutes: number }
  /** The user is forgotten by then: what is needed of them is in the message. */
  | { kind: "account_closed"; userId: string; email: string; username: string }
  | { kind: "new_device"; userId: string; device: string; ip: string; at: number }
  /** To the address that is to be the user's; to the one that was. */
  | { kind: "change_email"; userId: string; email: string }
  | { kind: "email_changed"; userId: string; email: string }
  | { kind: "identity_linked" | "identity_unlinked"; userId: string; provider: ProviderName }
  /** Only to a verified address. `dueAt` in ms. */
  | { kind: "task_due"; userId: string; title: string; dueAt: number };

/** A message of the queue. `id` makes it once, however often it is delivered; its token is made of `seed` and a secret. */
export type MailWish = { v: 1; id: string; seed: string } & MailSubject;

/** A message about a subject, under an id of its own. */
export function mailWishOf(id: string, subject: MailSubject): MailWish {
  const seed = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
  return { v: 1, id, seed, ...subject };
}

/** The queue itself. */
export function mailQueue(env: MailBinding): Queue {
  return env.MAIL;
}
