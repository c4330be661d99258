// API keys at the door: how one is made, and how a call by one is told from a mistyped, forged or changed one without
// asking anybody. Only its account knows whether the key still is, and what it may do.
import type { Context } from "hono";
import {
  KEY_SECRET_BYTES,
  KEY_TAG_BYTES,
  type KeyProof,
  keySaying,
  keyTag,
  keyText,
  type PresentedKey,
  readKeyText,
  sameDigest,
  signedText,
} from "../core/api-keys.ts";
import type { Scope } from "../core/permissions.ts";
import { ok, type Refusal, type Result, refuse } from "../core/result.ts";
import { bodyBytesOf } from "./body.ts";
import { clientIpText } from "./client-ip.ts";
import type { AppEnv } from "./context.ts";

/** The header that carries a key. */
export const API_KEY_HEADER = "x-api-key";

/** Who calls by key, as the key itself says: whose it is to spend, and what its account is shown. */
export interface KeyCaller {
  accountId: string;
  keyId: string;
  key: PresentedKey;
}

/** A new key: its text, what the account keeps of it, and the secret that its calls are signed with. */
export interface MadeKey {
  text: string;
  hash: string;
  signingSecret: string;
}

const unauthenticated = (detail: string): Result<never> => refuse({ code: "unauthenticated", detail });
const NO_KEY = unauthenticated("Send a valid API key in X-Api-Key.");
const NOT_SIGNED = unauthenticated("X-Signature, X-Timestamp and X-Nonce do not sign this request.");
/** The refusal of a request that says in two ways who sends it. */
export const BOTH: Refusal = {
  code: "unauthenticated",
  detail: "Send an access token or an API key, not both.",
};

const NONCE = /^[A-Za-z0-9_-]{16,64}$/;
const TIMESTAMP = /^[1-9]\d{12}$/;
const SIGNATURE = /^[0-9a-f]{64}$/;

/** Makes a key of an account under `secret`, 32 bytes in base64url. */
export async function makeKey(secret: string, accountId: string, keyId: string): Promise<MadeKey> {
  const said = keySaying(accountId, keyId, crypto.getRandomValues(new Uint8Array(KEY_SECRET_BYTES)));
  const text = keyText(said, await tagOf(secret, said));
  return {
    text,
    hash: await sha256(new TextEncoder().encode(text)),
    signingSecret: await signingSecretOf(secret, keyId),
  };
}

/** The secret that calls by a key are signed with: made from its id each time, so that nobody need store it. */
async function signingSecretOf(secret: string, keyId: string): Promise<string> {
  return Buffer.from(await macOf(secret, `api-key-signing.v1.${keyId}`)).toString("base64url");
}

/**
 * Reads the key of a request for an act that needs `scope`. Refuses `unauthenticated` for what is no key of ours, for
 * a signature that does not cover this request, and for a request that has an access token as well.
 */
export async function presentKey(c: Context<AppEnv>, text: string, scope: Scope | null): Promise<Result<KeyCaller>> {
  if (c.req.header("authorization") !== undefined) return refuse(BOTH);
  const { apiKeySecret } = c.get("config");
  const read = readKeyText(text);
  // Without a good tag no account is asked: any name makes one, and a stranger could make as many as there are names.
  if (read === undefined || !sameDigest(read.tag, await tagOf(apiKeySecret, read.said))) return NO_KEY;
  const { accountId, keyId } = read;
  const proof = await proofOf(c, keyId);
  if (!proof.ok) return proof;
  const hash = await sha256(new TextEncoder().encode(text));
  return ok({ accountId, keyId, key: { hash, scope, ip: clientIpText(c), proof: proof.value } });
}

/** The proof of a signed request; null for one without a signature, of which its account judges whether it needs one. */
async function proofOf(c: Context<AppEnv>, keyId: string): Promise<Result<KeyProof | null>> {
  const [signature, timestamp, nonce] = ["x-signature", "x-timestamp", "x-nonce"].map((name) => c.req.header(name));
  if (signature === undefined && timestamp === undefined && nonce === undefined) return ok(null);
  if (signature === undefined || timestamp === undefined || nonce === undefined) return NOT_SIGNED;
  if (!SIGNATURE.test(signature) || !TIMESTAMP.test(timestamp) || !NONCE.test(nonce)) return NOT_SIGNED;
  const body = await bodyBytesOf(c);
  if (!body.ok) return body;
  const { pathname: path, search } = new URL(c.req.url);
  const call = {
    method: c.req.method,
    path,
    query: search.slice(1),
    timestamp,
    nonce,
    bodyHash: await sha256(body.value),
  };
  const secret = await signingSecretOf(c.get("config").apiKeySecret, keyId);
  const said = new TextEncoder().encode(signedText(call));
  const good = await crypto.subtle.verify("HMAC", await hmacKey(secret), Buffer.from(signature, "hex"), said);
  return good ? ok({ nonce, atMs: Number(timestamp) }) : NOT_SIGNED;
}

async function tagOf(secret: string, said: string): Promise<string> {
  return keyTag((await macOf(secret, `api-key.v1.${said}`)).slice(0, KEY_TAG_BYTES));
}

async function macOf(secret: string, text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign("HMAC", await hmacKey(secret), new TextEncoder().encode(text)));
}

function hmacKey(secret: string): Promise<CryptoKey> {
  const bytes = Buffer.from(secret, "base64url");
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
}

async function sha256(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await crypto.subtle.digest("SHA-256", bytes)).toString("hex");
}
