// The mail queue's consumer: finds out whom an e-mail is for, makes its token, writes it and sends it. Every message is
// answered for itself, and never throws: what fails is delivered again, alone, after a pause.

import { and, eq, ne } from "drizzle-orm";
import { mailerOf } from "../../adapters/mail/choice.ts";
import type { Mailer } from "../../adapters/mail/mailer.ts";
import type { MailWish } from "../../bindings/mail.ts";
import { MAIL_RETRY_FIRST_SECONDS, MAIL_RETRY_MAX_SECONDS } from "../../core/limits.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { type Database, type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { mails, mailTokens, users } from "../../db/tables.ts";
import type { Config } from "../../http/context.ts";
import { isWritten, log } from "../../log.ts";
import { addressInUseLetter, noticeLetter } from "./mail-notices.ts";
import { changeEmailLetter, type Letter, resetPasswordLetter, verifyEmailLetter } from "./mail-texts.ts";
import { mailTokenHash, mailTokenOf } from "./mail-wish.ts";
import { mailWish } from "./schema.ts";
import { canonicalEmail } from "./user.ts";

/** How long the tokens of e-mails are good. */
const TOKEN_TTL_MS = { verify_email: 24 * 3_600_000, reset_password: 30 * 60_000, change_email: 24 * 3_600_000 };
const LETTERS = {
  verify_email: verifyEmailLetter,
  reset_password: resetPasswordLetter,
  change_email: changeEmailLetter,
};
type TokenKind = keyof typeof LETTERS;

interface Work {
  db: Database;
  config: Config;
  mailer: Mailer;
}

type UserRow = typeof users.$inferSelect;
type Reader = Pick<UserRow, "id" | "email" | "emailCanonical" | "username">;

/** Sends a batch of e-mails. `mailer` is the one that the configuration names, unless a test hands in its own. */
export async function consumeMail(
  batch: MessageBatch,
  env: DatabaseBinding,
  config: Config,
  mailer: Mailer = mailerOf(config.mail),
): Promise<void> {
  const work: Work = { db: database(env), config, mailer };
  for (const message of batch.messages) {
    const pause = await deliver(work, message.body, Date.now());
    if (pause === null) message.ack();
    else message.retry({ delaySeconds: pause ?? usualPause(message.attempts) });
  }
}

function usualPause(attempts: number): number {
  return Math.min(MAIL_RETRY_MAX_SECONDS, MAIL_RETRY_FIRST_SECONDS * 2 ** (attempts - 1));
}

/** Sends one. Answers null when it is done with, else after how many seconds to try again, if somebody has said so. */
async function deliver(work: Work, body: unknown, nowMs: number): Promise<number | undefined | null> {
  const read = mailWish.safeParse(body);
  if (!read.success) {
    log("error", "mail_not_understood");
    return undefined;
  }
  const wish: MailWish = read.data;
  const found = await recipientOf(work.db, wish);
  if (!found.ok) return undefined;
  if (found.value === null) return null;
  const letter = await write(work, wish, found.value, nowMs);
  if (!letter.ok) return undefined;
  const { id: userId } = found.value;
  // A new address must show whose it is, and an old one hear that it is no more.
  const recipient = wish.kind === "change_email" || wish.kind === "email_changed" ? wish.email : found.value.email;
  const outcome = await work.mailer.send({ id: wish.id, to: recipient, ...letter.value });
  if (outcome.kind === "later") {
    log("warn", "mail_later", { id: wish.id, reason: outcome.reason });
    return outcome.afterSeconds ?? undefined;
  }
  const { subject, text, html } = letter.value;
  const { kind, id } = wish;
  // Of whoever has closed their account no address is kept, but in the mailbox of a local run.
  const known = kind === "account_closed" && !work.mailer.keepsBodies ? "" : recipient;
  const row = { id, kind, userId, recipient: known, subject, status: outcome.kind, at: nowMs };
  const said = outcome.kind === "sent" ? outcome.id : outcome.reason;
  const bodies = work.mailer.keepsBodies ? { text, html } : {};
  const kept = await guardD1(
    work.db
      .insert(mails)
      .values({ ...row, said, ...bodies })
      .onConflictDoNothing(),
  );
  if (!kept.ok) return undefined;
  if (work.mailer.keepsBodies) tellOfMail(work.config, { id, kind, to: recipient, subject });
  return null;
}

/** A local run says what it has sent, and where that is read: the token in it stands nowhere else. */
function tellOfMail({ apiUrl, logLevel }: Config, { id, ...mail }: { id: string } & Record<string, string>): void {
  if (isWritten("info", logLevel)) log("info", "mail", { ...mail, page: `${apiUrl}/v1/dev/mailbox#${id}` });
}

/** Whom it is about; null when nobody gets it: it went already, there is no such user any more, or it is not wanted. */
async function recipientOf(db: Database, wish: MailWish): Promise<Result<Reader | null>> {
  const who =
    wish.kind === "reset_password" ? eq(users.emailCanonical, canonicalEmail(wish.email)) : eq(users.id, wish.userId);
  const found = await guardD1(
    db.batch([
      db.select({ id: mails.id }).from(mails).where(eq(mails.id, wish.id)),
      db.select().from(users).where(who).limit(1),
    ]),
  );
  if (!found.ok) return refuse(found.refusal);
  const [sent, [user]] = found.value;
  if (sent.length > 0) return ok(null);
  if (wish.kind === "account_closed") return ok(forgotten(wish));
  if (user === undefined || user.closedAt !== null) return ok(null);
  return ok(isWanted(wish, user) ? user : null);
}

/** Who has closed their account, as the message has them. */
function forgotten({ userId: id, email, username }: { userId: string; email: string; username: string }): Reader {
  return { id, email, emailCanonical: canonicalEmail(email), username };
}

function isWanted(wish: MailWish, user: UserRow): boolean {
  if (wish.kind === "verify_email") return !user.emailVerified;
  if (wish.kind === "task_due") return user.emailVerified;
  if (wish.kind === "change_email") return wish.email === user.pendingEmail;
  return wish.kind !== "new_device" || user.notifications.new_device;
}

/** The letter itself. */
async function write(work: Work, wish: MailWish, user: Reader, nowMs: number): Promise<Result<Letter>> {
  const { publicUrl } = work.config;
  switch (wish.kind) {
    case "verify_email":
    case "reset_password":
      return writeWithToken(work, { ...wish, email: user.emailCanonical }, user, nowMs);
    case "change_email": {
      const email = canonicalEmail(wish.email);
      const found = await guardD1(work.db.select().from(users).where(eq(users.emailCanonical, email)).limit(1));
      if (!found.ok) return found;
      const [owner] = found.value;
      // Only whoever has the address hears that it is taken.
      if (owner !== undefined) return ok(addressInUseLetter(owner.username, publicUrl));
      return writeWithToken(work, { ...wish, email }, user, nowMs);
    }
    default:
      return ok(noticeLetter(wish, user.username, publicUrl));
  }
}

/** A letter with a token, which is good from before it is sent, and the one before it no more. */
async function writeWithToken(
  { db, config }: Work,
  wish: { kind: TokenKind; id: string; seed: string; email: string },
  { username, id: userId }: Reader,
  nowMs: number,
): Promise<Result<Letter>> {
  const { kind, email } = wish;
  const token = mailTokenOf(wish, config.refreshSecret);
  const hash = mailTokenHash(token);
  const row = { hash, kind, userId, email, createdAt: nowMs, expiresAt: nowMs + TOKEN_TTL_MS[kind] };
  const others = and(eq(mailTokens.userId, userId), eq(mailTokens.kind, kind), ne(mailTokens.hash, hash));
  const stored = await guardD1(
    db.batch([db.delete(mailTokens).where(others), db.insert(mailTokens).values(row).onConflictDoNothing()]),
  );
  if (!stored.ok) return refuse(stored.refusal);
  return ok(LETTERS[kind](username, config.publicUrl, token));
}
