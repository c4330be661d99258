// Time-based codes (RFC 6238) as every authenticator app makes them: SHA-1, 6 digits, 30 s. Pure: seed and time are arguments.

import { Secret, TOTP } from "otpauth";

/** 160 bits, what RFC 4226 recommends. */
export const SEED_BYTES = 20;
/** One step before and after the present one: the contract's figure, for clocks that differ. */
const WINDOW_STEPS = 1;
const FORM = { algorithm: "SHA1", digits: 6, period: 30 } as const;
const CODE = /^\d{6}$/;

/** The seed as a person types it into an app: base32. */
export function seedText(seed: Uint8Array<ArrayBuffer>): string {
  return secretOf(seed).base32;
}

/** What an app reads out of a QR code. `account` is shown beside the code. */
export function otpauthUri(seed: Uint8Array<ArrayBuffer>, account: string): string {
  return new TOTP({ ...FORM, issuer: "Tradepost", label: account, secret: secretOf(seed) }).toString();
}

/** Whether a text has the form of such a code, and so is none of another kind. */
export function isTotpCode(code: string): boolean {
  return CODE.test(code);
}

/** The code of a seed at a time. */
export function totpCode(seed: Uint8Array<ArrayBuffer>, nowMs: number): string {
  return TOTP.generate({ ...FORM, secret: secretOf(seed), timestamp: nowMs });
}

/**
 * The step (30 s since 1970) that a code belongs to, at most one from the present; null when it belongs to none. Says nothing of
 * whether it was used before.
 */
export function stepOf(seed: Uint8Array<ArrayBuffer>, code: string, nowMs: number): number | null {
  if (!isTotpCode(code)) return null;
  const asked = { ...FORM, token: code, secret: secretOf(seed), timestamp: nowMs, window: WINDOW_STEPS };
  const distance = TOTP.validate(asked);
  return distance === null ? null : TOTP.counter({ period: FORM.period, timestamp: nowMs }) + distance;
}

function secretOf(seed: Uint8Array<ArrayBuffer>): Secret {
  return new Secret({ buffer: seed.slice().buffer });
}
