// Passwords at rest: scrypt (N = 2^15, r = 8, p = 3) over an HMAC with the pepper, as a PHC string.
// Runs in Node too: the local seed hashes its demo users with it.

import { createHash, createHmac, randomBytes, scryptSync, timingSafeEqual } from "node:crypto";

const LOG2_N = 15;
const BLOCK_SIZE = 8;
const PARALLEL = 3;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** scrypt needs 32 MiB at these parameters; node's own default limit is exactly that and refuses. */
const MEMORY_BYTES_MAX = 64 * 1024 * 1024;

const PHC =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})(?:,keyid=([A-Za-z0-9_-]{8}))?\$([A-Za-z0-9+/]{22,86})\$([A-Za-z0-9+/]{43})$/;

/** A well-formed hash of no password: checked for unknown users, so that they cost as much time as known ones. */
export const DUMMY_HASH = `$scrypt$ln=${LOG2_N},r=${BLOCK_SIZE},p=${PARALLEL}$${"A".repeat(22)}$${"A".repeat(43)}`;

/** The pepper that new hashes get, and the one before it, under which older ones may still be. */
export interface Peppers {
  current: string;
  previous: string | null;
}

/** Hashes a password with a fresh salt. Blocks its thread for some 0.2 s: see turnstile.ts. */
export function hashPassword(password: string, pepper: string): string {
  const salt = randomBytes(SALT_BYTES);
  const hash = derive(password, pepper, salt, { N: 2 ** LOG2_N, r: BLOCK_SIZE, p: PARALLEL });
  return `${headOf(pepper)}${unpadded(salt)}$${unpadded(hash)}`;
}

/** Whether `password` is the one behind `phc`: always one hash. A string that is not one of ours is no password's hash. */
export function verifyPassword(password: string, peppers: Peppers, phc: string): boolean {
  const [, logN, r, p, keyId, salt, hash] = PHC.exec(phc) ?? [];
  if (salt === undefined || hash === undefined) return false;
  const cost = { N: 2 ** Number(logN), r: Number(r), p: Number(p) };
  const derived = derive(password, pepperOf(peppers, keyId), Buffer.from(salt, "base64"), cost);
  return timingSafeEqual(derived, Buffer.from(hash, "base64"));
}

/** Whether a password that was just right should be hashed anew: its parameters or its pepper are not today's. */
export function needsRehash(phc: string, pepper: string): boolean {
  return !phc.startsWith(headOf(pepper));
}

function headOf(pepper: string): string {
  return `$scrypt$ln=${LOG2_N},r=${BLOCK_SIZE},p=${PARALLEL},keyid=${keyIdOf(pepper)}$`;
}

/** Hashes from before peppers had names are under the oldest one there is. */
function pepperOf({ current, previous }: Peppers, keyId: string | undefined): string {
  if (previous === null) return current;
  return keyId === undefined || keyId === keyIdOf(previous) ? previous : current;
}

/** Tells peppers apart, and says nothing of what they are: 48 bits of a hash of 256. */
function keyIdOf(pepper: string): string {
  return createHash("sha256").update(`pepper.v1.${pepper}`, "utf8").digest("base64url").slice(0, 8);
}

function derive(password: string, pepper: string, salt: Buffer, cost: { N: number; r: number; p: number }): Buffer {
  const peppered = createHmac("sha256", Buffer.from(pepper, "base64url")).update(password, "utf8").digest();
  return scryptSync(peppered, salt, HASH_BYTES, { ...cost, maxmem: MEMORY_BYTES_MAX });
}

function unpadded(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}
