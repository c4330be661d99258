// Why a session can end before its time.

/**
 * By logout, of one or of all; a refresh token used twice; from another session; with the password; by an operator; with the
 * second factor; with the account.
 */
export const SESSION_END_REASONS = [
  "logout",
  "logout_all",
  "reuse",
  "revoked",
  "password_changed",
  "password_reset",
  "operator",
  "mfa_changed",
  "account_closed",
] as const;

/** One of {@link SESSION_END_REASONS}. */
export type SessionEndReason = (typeof SESSION_END_REASONS)[number];
