// API keys as text, and what is signed with one. Which keys there are, and what each may do, only its account knows.
import { base62, crc32 } from "./base62.ts";
import { isTypeId } from "./ids.ts";
import type { Scope } from "./permissions.ts";

/** What tells people and scanners what this is. */
const PREFIX = "tp_live_";
/** 160 random bits, and a tag of 128. */
export const KEY_SECRET_BYTES = 20;
export const KEY_TAG_BYTES = 16;
const SECRET_CHARS = 27;
const TAG_CHARS = 22;
const CHECKSUM_CHARS = 6;
const TEXT = /^(tp_live_([0-9a-z]{26})([0-9a-z]{26})[0-9A-Za-z]{27})([0-9A-Za-z]{22})_([0-9A-Za-z]{6})$/;

/** A key's text taken apart: `said` is what its tag is of. */
export interface KeyText {
  accountId: string;
  keyId: string;
  said: string;
  tag: string;
}

/** How a call by key is known not to be an older one sent again: its nonce and time in ms, or a ticket that is good once. */
export type KeyProof = { nonce: string; atMs: number } | "ticket";

/**
 * A key as its account is shown it: the SHA-256 of its text, the scope that the act needs (null: one that no key gives), the
 * address that the call is from, empty when nothing says, and for a signed call its proof.
 */
export interface PresentedKey {
  hash: string;
  scope: Scope | null;
  ip: string;
  proof: KeyProof | null;
}

/** Whose key a call was by; null for one by session. */
export type KeyOwner = { userId: string } | null;

/** The part of a new key that its tag is made of: account, key and `secret`, {@link KEY_SECRET_BYTES} random bytes. */
export function keySaying(accountId: string, keyId: string, secret: Uint8Array): string {
  return `${PREFIX}${accountId.slice(-26)}${keyId.slice(-26)}${base62(secret, SECRET_CHARS)}`;
}

/** The tag as it stands in a key: {@link KEY_TAG_BYTES} bytes. */
export function keyTag(bytes: Uint8Array): string {
  return base62(bytes, TAG_CHARS);
}

/** The whole text of a key, with the checksum that tells a mistyped one at sight. */
export function keyText(said: string, tag: string): string {
  return `${said}${tag}_${checksumOf(said + tag)}`;
}

function checksumOf(text: string): string {
  const sum = crc32(text);
  return base62(Uint8Array.of(sum >>> 24, sum >>> 16, sum >>> 8, sum), CHECKSUM_CHARS);
}

/** Takes a key apart; undefined for what is none, or a mistyped one. That it is not forged, its tag must say. */
export function readKeyText(text: string): KeyText | undefined {
  const [, said = "", account = "", key = "", tag = "", checksum] = TEXT.exec(text) ?? [];
  if (checksum === undefined || checksum !== checksumOf(said + tag)) return undefined;
  const [accountId, keyId] = [`acc_${account}`, `key_${key}`];
  return isTypeId("acc", accountId) && isTypeId("key", keyId) ? { accountId, keyId, said, tag } : undefined;
}

/** Whether an id is a key's: a session's has another prefix. */
export function isKeyId(id: string): boolean {
  return id.startsWith("key_");
}

/** A call as its signature covers it. `query` is what follows the question mark, `bodyHash` the body's SHA-256 in hex. */
export interface SignedCall {
  method: string;
  path: string;
  query: string;
  timestamp: string;
  nonce: string;
  bodyHash: string;
}

/** The text that is signed: one line for each part, the query's parameters as they are sent, sorted. */
export function signedText({ method, path, query, timestamp, nonce, bodyHash }: SignedCall): string {
  const parameters = query.split("&").sort().join("&");
  return ["tradepost-v1", method, path, parameters, timestamp, nonce, bodyHash].join("\n");
}

/** Whether two digests of one length are the same, in a time that does not tell where they differ. */
export function sameDigest(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let different = 0;
  for (let at = 0; at < a.length; at += 1) different |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return different === 0;
}
