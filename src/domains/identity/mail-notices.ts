// What users are told of: what has happened to their account, and what is due. Nothing in it lets anybody do anything.

import type { MailSubject } from "../../bindings/mail.ts";
import { wireTime } from "../../core/wire.ts";
import { type Letter, letter, type Said } from "./mail-texts.ts";

/** What is told to a user, and needs no token. */
export type Notice = Exclude<MailSubject, { kind: "verify_email" | "reset_password" | "change_email" }>;

const SHOWN = { google: "Google", github: "GitHub" };

const LOCKED = {
  login: {
    subject: "Signing in is locked for a while",
    before: "somebody has given too many wrong passwords for your account: nobody can sign in by password",
  },
  password: {
    subject: "Too many wrong passwords",
    before: "in one of your sessions too many wrong passwords have been given: none is taken there",
  },
  code: {
    subject: "Too many wrong codes",
    before: "somebody has given too many wrong codes for your account, most likely with your password: none is taken",
  },
};

/** The letter of a notice. */
export function noticeLetter(notice: Notice, username: string, publicUrl: string): Letter {
  if (notice.kind === "task_due") return reminderLetter(notice, username);
  const link = { label: "It was not you? Choose a new password", href: `${publicUrl}/forgot-password` };
  const said = { after: "If it was you, there is nothing to do.", ...saidOf(notice) };
  return letter(username, notice.kind === "account_closed" ? said : { link, ...said });
}

type Saying = Pick<Said, "subject" | "before"> & Partial<Said>;

function reminderLetter({ title, dueAt }: Notice & { kind: "task_due" }, username: string): Letter {
  return letter(username, {
    subject: "A task is due",
    before: `this task of yours is due at ${wireTime(dueAt)}: ${title}`,
    after: "It is still open. Of this date you are not reminded again.",
  });
}

function saidOf(notice: Exclude<Notice, { kind: "task_due" }>): Saying {
  switch (notice.kind) {
    case "password_changed":
      return {
        subject: "Your password has been changed",
        before: "the password of your account has been changed, and other sessions have ended.",
        after:
          "If it was you, there is nothing to do. API keys go on: GET /v1/api-keys lists them, DELETE /v1/api-keys/{id} ends one.",
      };
    case "mfa_on":
      return {
        subject: "Your second factor is on",
        before:
          "from now on a code of your authenticator app is asked for when you sign in. Other sessions have ended.",
      };
    case "mfa_off":
      return {
        subject: "Your second factor is off",
        before: "no code is asked for any more when you sign in. Other sessions have ended.",
      };
    case "api_key_made":
      return {
        subject: "A new API key",
        before: `an API key has been made for your account, named: ${notice.name}.`,
        after: "If it was you, there is nothing to do. If not, revoke it too: a new password does not.",
      };
    case "refresh_token_reused":
    case "account_closed":
    case "locked":
      return saidOfEnd(notice);
    case "recovery_code_used":
      return {
        subject: "A recovery code has been used",
        before: `one of your recovery codes has been used in place of a code of your app; ${notice.left} are left.`,
        after: "If it was you, keep the others safe; new ones come with a second factor that is set up anew.",
      };
    case "new_device":
      return {
        subject: "A sign-in from a new device",
        before: `somebody has signed in to your account at ${wireTime(notice.at)}, from ${notice.ip || "an unknown address"}, with: ${notice.device || "an unknown device"}.`,
      };
    case "identity_linked":
      return {
        subject: `You can sign in with ${SHOWN[notice.provider]} now`,
        before: `an identity at ${SHOWN[notice.provider]} has been linked to your account: whoever has it can sign in.`,
        after: "If it was you, there is nothing to do. If not, unlink it too.",
      };
    case "identity_unlinked":
      return {
        subject: `You cannot sign in with ${SHOWN[notice.provider]} any more`,
        before: `the identity at ${SHOWN[notice.provider]} has been unlinked from your account.`,
      };
    case "email_change_asked":
      return {
        subject: "Another e-mail address has been asked for",
        before:
          "another e-mail address has been given for your account. This one stays in force until that one is confirmed.",
      };
    case "email_changed":
      return {
        subject: "Your e-mail address has been changed",
        before: "your account has another e-mail address now. This one gets no more e-mails.",
        after:
          "If it was you, there is nothing to do. If not, end all sessions and write to us: this address can reset no password any more.",
      };
  }
}

/** Of what has ended, or is taken no more for a while. */
function saidOfEnd(notice: Extract<Notice, { kind: "refresh_token_reused" | "account_closed" | "locked" }>): Saying {
  switch (notice.kind) {
    case "refresh_token_reused":
      return {
        subject: "One of your sessions has been ended",
        before:
          "a refresh token of one of your sessions has been used twice, so that somebody else may have it. That session has ended.",
        after: "Sign in again. If it happens once more, choose another password and look at your devices.",
      };
    case "account_closed":
      return {
        subject: "Your account has been closed",
        before: "your account has been closed, and what was known of you there has been forgotten, this address too.",
        after: "If it was not you, write to us. This is the last e-mail that you get.",
      };
    case "locked":
      return {
        subject: LOCKED[notice.what].subject,
        before: `${LOCKED[notice.what].before} for up to ${notice.minutes} minutes.`,
        after: "If it was you, wait for that long. Open sessions and API keys go on.",
      };
  }
}

/** Tells the owner of an address that somebody else has given it for theirs, which came to nothing. */
export function addressInUseLetter(username: string, publicUrl: string): Letter {
  return letter(username, {
    subject: "Your e-mail address was given for another account",
    before: "somebody has given your e-mail address for another account. It stays yours, and nothing has changed.",
    link: { label: "Forgotten that you have an account? Choose a new password", href: `${publicUrl}/forgot-password` },
    after: "If it was not you, there is nothing to do.",
  });
}
