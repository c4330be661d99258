// Who vouches for people: one shape for every provider that they may sign in with.

import type { Result } from "../../core/result.ts";

/** What one sign-in must bring back with it: bound to the browser that began it, and known to nobody else. */
export interface FlowSecrets {
  state: string;
  /** What proves to the provider that whoever brings the code has begun the sign-in (PKCE). */
  verifier: string;
  /** What the provider signs into its answer; for OpenID Connect. */
  nonce: string;
}

/** Somebody as a provider vouches for them. `issuer` and `subject` are who they are; all else may change. */
export interface Vouched {
  issuer: string;
  subject: string;
  /** An address that the provider has verified; null when it names none. */
  email: string | null;
  /** What they are called there, as far as it says. */
  handle: string | null;
}

/** A provider's answer, on its way through a browser, and what it is judged by. */
export interface Returned {
  answer: URLSearchParams;
  secrets: FlowSecrets;
  redirectUri: string;
  /** Uses the sign-in up: between the judgement of the answer and the first use of its code. Its refusal ends all. */
  claim: () => Promise<Result<null>>;
}

/**
 * Signs people in. Refuses `access_denied` when they have said no, `invalid_code` for an answer that does not belong to
 * this sign-in or was used, and `unavailable` for whatever the provider does wrong.
 */
export interface OAuthProvider {
  /** Where to send a browser, and what it must bring back. */
  begin(redirectUri: string): Promise<Result<{ url: string; secrets: FlowSecrets }>>;
  /** Who has come back. */
  finish(returned: Returned): Promise<Result<Vouched>>;
}
