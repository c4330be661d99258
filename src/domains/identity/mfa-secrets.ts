// What a second factor has at rest: the seed sealed, recovery codes as hashes.

import { createHash } from "node:crypto";
import { Secret } from "otpauth";
import { SEED_BYTES } from "./totp.ts";

/** Recovery codes made at once: as many as other services give, and people know to print. */
export const RECOVERY_CODES = 10;
/** 120 bits, so that a plain hash of a code is enough (OWASP ASVS 6.5.2 asks for 112): 24 letters of base32. */
const RECOVERY_BYTES = 15;
const NONCE_BYTES = 12;
const VERSION = "v1";

/** A new seed. */
export function newSeed(): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(SEED_BYTES));
}

/** Seals a seed under a secret (base64url of 32 bytes) for one user: in another user's row it opens no more. */
export async function sealSeed(secret: string, userId: string, seed: Uint8Array<ArrayBuffer>): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const sealed = await crypto.subtle.encrypt(algorithm(iv, userId), await keyOf(secret, "encrypt"), seed);
  return [VERSION, Buffer.from(iv).toString("base64url"), Buffer.from(sealed).toString("base64url")].join(".");
}

/** Opens what {@link sealSeed} has sealed; null when it was sealed under another secret, for another user, or changed. */
export async function openSeed(
  secret: string,
  userId: string,
  sealed: string,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const [version, iv = "", text = ""] = sealed.split(".");
  if (version !== VERSION) return null;
  const nonce = Uint8Array.from(Buffer.from(iv, "base64url"));
  const bytes = Uint8Array.from(Buffer.from(text, "base64url"));
  const key = await keyOf(secret, "decrypt");
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm(nonce, userId), key, bytes));
  } catch {
    return null;
  }
}

function algorithm(iv: Uint8Array<ArrayBuffer>, userId: string) {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(`mfa-seed.${VERSION}.${userId}`) };
}

function keyOf(secret: string, usage: "encrypt" | "decrypt") {
  const raw = Uint8Array.from(Buffer.from(secret, "base64url"));
  return crypto.subtle.importKey("raw", raw, "AES-GCM", false, [usage]);
}

/** New recovery codes, as they are shown once: four groups of six letters and digits. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: RECOVERY_CODES }, () => {
    const bytes = crypto.getRandomValues(new Uint8Array(RECOVERY_BYTES));
    const letters = new Secret({ buffer: bytes.buffer }).base32.toLowerCase();
    return (letters.match(/.{6}/g) ?? []).join("-");
  });
}

/** What is stored of a recovery code, typed with or without its hyphens and in any case. */
export function recoveryHash(code: string): string {
  const letters = code.toLowerCase().replaceAll(/[\s-]/g, "");
  return createHash("sha256").update(letters, "utf8").digest("hex");
}
