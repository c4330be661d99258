// What sends an e-mail: one shape for the local mailbox and for providers.

/** An e-mail, ready to go. The same `id` is sent once, as far as the provider can tell. */
export interface Mail {
  id: string;
  to: string;
  subject: string;
  text: string;
  html: string;
}

/** What became of it: taken (with the provider's id for it), to be tried again, or never to be taken. */
export type MailOutcome =
  | { kind: "sent"; id: string }
  | { kind: "later"; reason: string; afterSeconds: number | null }
  | { kind: "refused"; reason: string };

/** Sends e-mails. `keepsBodies`: there is nowhere else to read them. */
export interface Mailer {
  keepsBodies: boolean;
  /** Sends one. Never throws: what cannot be told apart from a passing fault is `later`. */
  send(mail: Mail): Promise<MailOutcome>;
}
