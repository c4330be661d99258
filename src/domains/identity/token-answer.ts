// How tokens are answered: in the body, or the refresh token in a browser's cookie.

import type { Result } from "../../core/result.ts";
import { send } from "../../http/answer.ts";
import type { RequestContext } from "../../http/context.ts";
import { dropToken, keepToken, usesCookie } from "../../http/refresh-cookie.ts";
import type { Entered } from "./enter.ts";
import { type AccessToken, SESSION_IDLE_MS, type Tokens } from "./sessions.ts";

/** Refusals of a refresh token that will never be good again: a browser need not keep it. */
const ENDED: ReadonlySet<string> = new Set([
  "unauthenticated",
  "token_expired",
  "session_revoked",
  "refresh_token_reused",
]);

/** Answers a refresh, and has the browser forget a token that will never be good again. */
export function sendRefreshed(c: RequestContext, tokens: Result<Tokens>) {
  if (usesCookie(c) && !tokens.ok && ENDED.has(tokens.refusal.code)) dropToken(c);
  return sendTokens(c, tokens);
}

/** Answers with a session's tokens: the refresh token in the cookie where that was asked for, else in the body. */
export function sendTokens(c: RequestContext, tokens: Result<Tokens>) {
  const inCookie = usesCookie(c);
  if (inCookie && tokens.ok) keep(c, tokens.value);
  return send(c, tokens, (value) => renderTokens(value, inCookie), 200);
}

/** Answers a sign-in: with its tokens, or with what a code is to be given with, which is never in a cookie. */
export function sendEntered(c: RequestContext, entered: Result<Entered>) {
  const inCookie = usesCookie(c);
  if (inCookie && entered.ok && entered.value.kind === "session") keep(c, entered.value.tokens);
  return send(c, entered, (value) => renderEntered(value, inCookie), 200);
}

function renderEntered(entered: Entered, inCookie: boolean) {
  if (entered.kind === "session") return renderTokens(entered.tokens, inCookie);
  return { mfa_required: true as const, mfa_token: entered.mfaToken };
}

function keep(c: RequestContext, tokens: Tokens): void {
  keepToken(c, tokens.refreshToken, SESSION_IDLE_MS / 1_000);
}

function renderTokens(tokens: Tokens, inCookie: boolean) {
  const { session_id, ...rest } = renderAccessToken(tokens);
  return { ...rest, ...(inCookie ? {} : { refresh_token: tokens.refreshToken }), session_id };
}

/** An access token as it is answered alone. */
export function renderAccessToken(token: AccessToken) {
  return {
    access_token: token.accessToken,
    token_type: "Bearer" as const,
    expires_in: token.expiresInSeconds,
    session_id: token.sessionId,
  };
}
