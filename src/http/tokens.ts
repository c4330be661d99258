// Access tokens: how they are signed, and how they are verified and then remembered until they expire.

import { errors, importJWK, jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import type { Config, SigningJwk, VerifyingJwk } from "../config.ts";
import { ok, type Refusal, type Result, refuse } from "../core/result.ts";
import type { Principal } from "./context.ts";

/** The only signature algorithm taken, in tokens and in the published keys. */
export const TOKEN_ALGORITHM = "EdDSA";
/** The `typ` of an access token (RFC 9068): another kind of token signed with the same key is not one. */
export const TOKEN_TYPE = "at+jwt";
/** Life of an access token: short, because only the account object hears of a logout at once. */
export const ACCESS_TTL_SECONDS = 600;
/** Longest token looked at: ours have about 600 characters. */
const TOKEN_CHARS_MAX = 2_048;
/**
 * A token as we write one. The last character of its 64 bytes of signature has four idle bits, which decoders overlook as they
 * do padding: one token must not have many spellings.
 */
const TOKEN_TEXT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{85}[AQgw]$/;
/** Verified tokens remembered in one isolate: about 1 KB each. */
const REMEMBERED_MAX = 5_000;

const claimsSchema = z.object({
  sub: z.string().startsWith("usr_"),
  acc: z.string().startsWith("acc_"),
  sid: z.string().startsWith("ses_"),
  jti: z.string().min(1),
  roles: z.array(z.string()),
  email_verified: z.boolean(),
  iat: z.int(),
  iat_ms: z.int(),
  auth_time: z.int().optional(),
  exp: z.int(),
});

/** The refusal of a caller whose token is missing or not ours. */
export const NOT_SIGNED_IN: Refusal = {
  code: "unauthenticated",
  detail: "Send a valid access token as a Bearer token.",
};
const EXPIRED: Refusal = { code: "token_expired", detail: "The access token has expired; refresh it." };

type ImportedKey = Awaited<ReturnType<typeof importJWK>>;

const remembered = new Map<string, Principal>();
const publicKeys = new WeakMap<VerifyingJwk, ImportedKey>();
const privateKeys = new WeakMap<SigningJwk, ImportedKey>();

/** Every key that verifies, as the JWKS has them: the one that signs first, then those that did or will. */
export function publicJwksOf(config: Pick<Config, "signingJwk" | "furtherJwks">) {
  return [config.signingJwk, ...config.furtherJwks].map(({ kid, x }) => ({
    kty: "OKP" as const,
    crv: "Ed25519" as const,
    kid,
    x,
    alg: TOKEN_ALGORITHM,
    use: "sig",
  }));
}

/**
 * Decides whether `token` is a good access token at `nowMs`: signature, algorithm, type, issuer, audience, times and
 * claims. Refuses with `token_expired` when only its time is over, with `unauthenticated` otherwise.
 * A verified token is remembered until it expires, so it costs one signature check an isolate.
 */
export async function verifyAccessToken(config: Config, token: string, nowMs: number): Promise<Result<Principal>> {
  const known = remembered.get(token);
  if (known !== undefined) {
    if (known.expiresAtMs > nowMs) return ok(known);
    remembered.delete(token);
    return refuse(EXPIRED);
  }
  if (token.length > TOKEN_CHARS_MAX || !TOKEN_TEXT.test(token)) return refuse(NOT_SIGNED_IN);
  const verified = await principalIn(config, token, nowMs);
  if (verified.ok) remember(token, verified.value);
  return verified;
}

async function principalIn(config: Config, token: string, nowMs: number): Promise<Result<Principal>> {
  try {
    const { payload } = await jwtVerify(token, (header) => publicKey(config, header.kid), {
      algorithms: [TOKEN_ALGORITHM],
      typ: TOKEN_TYPE,
      issuer: config.issuer,
      audience: config.audience,
      currentDate: new Date(nowMs),
    });
    const claims = claimsSchema.safeParse(payload);
    if (!claims.success) return refuse(NOT_SIGNED_IN);
    const { sub, acc, sid, roles, email_verified, iat_ms, exp, auth_time } = claims.data;
    return ok({
      userId: sub,
      accountId: acc,
      sessionId: sid,
      roles,
      emailVerified: email_verified,
      issuedAtMs: iat_ms,
      authAtMs: auth_time === undefined ? null : auth_time * 1_000,
      expiresAtMs: exp * 1_000,
    });
  } catch (error) {
    return refuse(error instanceof errors.JWTExpired ? EXPIRED : NOT_SIGNED_IN);
  }
}

async function publicKey(config: Config, kid: string | undefined): Promise<ImportedKey> {
  const key = [config.signingJwk, ...config.furtherJwks].find((one) => one.kid === kid);
  if (key === undefined) throw new errors.JWKSNoMatchingKey();
  const known = publicKeys.get(key);
  if (known !== undefined) return known;
  // The key is kept, not its promise: one that a canceled request left behind would never settle for the others.
  const imported = await importJWK({ kty: key.kty, crv: key.crv, x: key.x }, TOKEN_ALGORITHM);
  publicKeys.set(key, imported);
  return imported;
}

function remember(token: string, principal: Principal): void {
  // A Map keeps the order of insertion: the oldest entry is the one to expire first.
  if (remembered.size >= REMEMBERED_MAX) {
    const oldest = remembered.keys().next();
    if (!oldest.done) remembered.delete(oldest.value);
  }
  remembered.set(token, principal);
}

/** What a new access token says of its bearer. */
export type Subject = Pick<Principal, "userId" | "accountId" | "sessionId" | "roles" | "emailVerified"> &
  Partial<Pick<Principal, "authAtMs">>;

/** Signs an access token for `subject` that is good for {@link ACCESS_TTL_SECONDS} from `nowMs`. */
export async function signAccessToken(config: Config, subject: Subject, nowMs: number): Promise<string> {
  const issuedAt = Math.floor(nowMs / 1_000);
  const { authAtMs = null } = subject;
  // iat has whole seconds, and "valid from" at the account is finer: a login right after logout-all must be good.
  return new SignJWT({
    acc: subject.accountId,
    sid: subject.sessionId,
    roles: [...subject.roles],
    email_verified: subject.emailVerified,
    iat_ms: nowMs,
    ...(authAtMs === null ? {} : { auth_time: Math.floor(authAtMs / 1_000) }),
  })
    .setProtectedHeader({ alg: TOKEN_ALGORITHM, kid: config.signingJwk.kid, typ: TOKEN_TYPE })
    .setIssuer(config.issuer)
    .setAudience(config.audience)
    .setSubject(subject.userId)
    .setJti(crypto.randomUUID())
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + ACCESS_TTL_SECONDS)
    .sign(await privateKey(config.signingJwk));
}

async function privateKey(key: SigningJwk): Promise<ImportedKey> {
  const known = privateKeys.get(key);
  if (known !== undefined) return known;
  const imported = await importJWK({ kty: key.kty, crv: key.crv, x: key.x, d: key.d }, TOKEN_ALGORITHM);
  privateKeys.set(key, imported);
  return imported;
}
