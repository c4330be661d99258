// The embedded default: nothing leaves the machine, and who sends it keeps what was sent.

import type { Mailer } from "./mailer.ts";

/** Takes every e-mail, and has its sender keep it for the local mailbox. */
export const MAILBOX: Mailer = {
  keepsBodies: true,
  send: async ({ id }) => ({ kind: "sent", id }),
};
