// Which mailer this deployment has.

import type { MailConfig } from "../../config.ts";
import { MAILBOX } from "./mailbox.ts";
import type { Mailer } from "./mailer.ts";
import { resend } from "./resend.ts";

/** The mailer that the configuration names. */
export function mailerOf(config: MailConfig): Mailer {
  return config.provider === "mailbox" ? MAILBOX : resend(config);
}
