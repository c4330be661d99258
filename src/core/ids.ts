// TypeIDs (https://github.com/jetify-com/typeid): a prefix and a UUIDv7 in base 32, sortable by time within a prefix.

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const RANDOM_BYTES = 10;
const MS_END = 2 ** 48;
const PREFIX = /^[a-z](?:[a-z_]{0,61}[a-z])?$/;
const SUFFIX = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

type TenBytes = Uint8Array & Readonly<Record<0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9, number>>;

function isTenBytes(bytes: Uint8Array): bytes is TenBytes {
  return bytes.length === RANDOM_BYTES;
}

/** Two characters for each ten bits: 26 characters are thirteen look-ups. */
const PAIRS: readonly string[] = Array.from({ length: 1024 }, (_, bits) =>
  ALPHABET.charAt(bits >>> 5).concat(ALPHABET.charAt(bits & 31)),
);

/** Five bytes as eight characters. */
function fiveBytes(a: number, b: number, c: number, d: number, e: number): string {
  return (
    `${PAIRS[(a << 2) | (b >>> 6)]}${PAIRS[((b & 63) << 4) | (c >>> 4)]}` +
    `${PAIRS[((c & 15) << 6) | (d >>> 2)]}${PAIRS[((d & 3) << 8) | e]}`
  );
}

/**
 * `<prefix>_<26 characters>` for a moment in ms and ten random bytes, of which 74 bits are used (version and variant take
 * the rest). Throws RangeError for a prefix outside the specification, a time that is not a whole number of ms from 0 to
 * 2^48 − 1, and a wrong count of bytes. An id is no secret.
 */
export function typeId(prefix: string, atMs: number, random: Uint8Array): string {
  if (!PREFIX.test(prefix)) throw new RangeError(`"${prefix}" is not a TypeID prefix`);
  if (!Number.isInteger(atMs) || atMs < 0 || atMs >= MS_END) throw new RangeError(`${atMs} is not a time in ms`);
  if (!isTenBytes(random)) throw new RangeError(`${random.length} random bytes, not ${RANDOM_BYTES}`);
  const high = Math.floor(atMs / 2 ** 32);
  const low = atMs >>> 0;
  const version = 0x70 | (random[0] & 0x0f);
  const variant = 0x80 | (random[2] & 0x3f);
  return (
    `${prefix}_${PAIRS[high >>> 8]}` +
    fiveBytes(high & 255, low >>> 24, (low >>> 16) & 255, (low >>> 8) & 255, low & 255) +
    fiveBytes(version, random[1], variant, random[3], random[4]) +
    fiveBytes(random[5], random[6], random[7], random[8], random[9])
  );
}

/**
 * An id that is made of a digest alone, of which it takes the first ten bytes: the same whenever it is made, and without a time of
 * its own. For what must be the same thing however often it is asked for.
 */
export function derivedId(prefix: string, digest: Uint8Array): string {
  return typeId(prefix, 0, digest.subarray(0, RANDOM_BYTES));
}

/** Whether a text has the form of an id with this prefix; it says nothing of whether such a thing exists. */
export function isTypeId(prefix: string, text: string): boolean {
  return text.length === prefix.length + 27 && text.startsWith(`${prefix}_`) && SUFFIX.test(text.slice(-26));
}

/** The time in ms that an id was made of; null for a text that is none, whatever its prefix. */
export function timeOfId(text: string): number | null {
  const suffix = text.slice(-26);
  if (!SUFFIX.test(suffix)) return null;
  // Ten characters of five bits, of which the first has three that count: 48 bits.
  let at = 0;
  for (const character of suffix.slice(0, 10)) at = at * 32 + ALPHABET.indexOf(character);
  return at;
}
