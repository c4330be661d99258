// Refresh tokens: `rt_<session id>.<generation>.<mac>`. The mac is an HMAC of family and generation, so the newest one
// can be answered again without having been stored, and nothing in D1 lets anybody make one.

import { createHmac, timingSafeEqual } from "node:crypto";

/** The last character of the mac has two idle bits, which decoders overlook: one token must not have many spellings. */
const TOKEN = /^rt_(ses_[0-9a-z]{26})\.([1-9]\d{0,8})\.([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])$/;

/** A refresh token taken apart, after its mac was found good. */
export interface RefreshToken {
  sessionId: string;
  generation: number;
}

/** Makes the token of one generation of a session; `secret` is base64url of 32 bytes. */
export function refreshTokenOf(token: RefreshToken, secret: string): string {
  return `rt_${token.sessionId}.${token.generation}.${macOf(token, secret).toString("base64url")}`;
}

/** Takes a token apart, or answers undefined when it is not one of ours. Says nothing of whether it is the newest. */
export function readRefreshToken(text: string, secret: string): RefreshToken | undefined {
  const [, sessionId, generation, mac] = TOKEN.exec(text) ?? [];
  if (sessionId === undefined || mac === undefined) return undefined;
  const token = { sessionId, generation: Number(generation) };
  return timingSafeEqual(macOf(token, secret), Buffer.from(mac, "base64url")) ? token : undefined;
}

function macOf(token: RefreshToken, secret: string): Buffer {
  const said = `refresh.v1.${token.sessionId}.${token.generation}`;
  return createHmac("sha256", Buffer.from(secret, "base64url")).update(said, "utf8").digest();
}
