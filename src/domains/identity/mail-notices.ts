// What users are told of what has happened to their account. Nothing in them lets anybody do anything.

import type { MailSubject } from "../../bindings/mail.ts";
import { wireTime } from "../../core/wire.ts";
import { type Letter, letter, type Said } from "./mail-texts.ts";

/** What is told to a user, and needs no token. */
export type Notice = Exclude<MailSubject, { kind: "verify_email" | "reset_password" | "change_email" }>;

const SHOWN = { google: "Google", github: "GitHub" };

/** The letter of a notice. */
export function noticeLetter(notice: Notice, username: string, publicUrl: string): Letter {
  const link = { label: "It was not you? Choose a new password", href: `${publicUrl}/forgot-password` };
  return letter(username, { link, after: "If it was you, there is nothing to do.", ...saidOf(notice) });
}

function saidOf(notice: Notice): Pick<Said, "subject" | "before"> & Partial<Said> {
  switch (notice.kind) {
    case "password_changed":
      return {
        subject: "Your password has been changed",
        before: "the password of your account has been changed, and other sessions have ended.",
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

/** Tells the owner of an address that somebody else has given it for theirs, which came to nothing. */
export function addressInUseLetter(username: string, publicUrl: string): Letter {
  return letter(username, {
    subject: "Your e-mail address was given for another account",
    before: "somebody has given your e-mail address for another account. It stays yours, and nothing has changed.",
    link: { label: "Forgotten that you have an account? Choose a new password", href: `${publicUrl}/forgot-password` },
    after: "If it was not you, there is nothing to do.",
  });
}
