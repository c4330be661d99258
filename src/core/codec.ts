// The one JSON of stored and sent data, with bigints in it, and its canonical form for hashes.
// A bigint is the string "$<digits>"; a string that begins with "$" gets one more in front, so that no text is lost.

const DOLLAR = 36;
const MINUS = 45;
const ZERO = 48;
/** Digits of which a number holds any count exactly. */
const EXACT_DIGITS_MAX = 15;
const BIGINT_TEXT = /^\$-?(?:0|[1-9]\d*)$/;
// All but quote, backslash, control characters and surrogates, which JSON.stringify may write differently.
const NEEDS_ESCAPE = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

/** Keys as they are written, colon included: field names are few, and to look one up is half the cost of writing it. */
const WRITTEN_KEYS = new Map<string, string>();
/** Keys that are data (ids, for one) would fill the memory otherwise. */
const WRITTEN_KEYS_MAX = 1_000;

function quoted(text: string): string {
  return NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`;
}

function writeString(text: string): string {
  return quoted(text.charCodeAt(0) === DOLLAR ? `$${text}` : text);
}

function writeKey(key: string): string {
  let written = WRITTEN_KEYS.get(key);
  if (written === undefined) {
    written = `${quoted(key)}:`;
    if (WRITTEN_KEYS.size < WRITTEN_KEYS_MAX) WRITTEN_KEYS.set(key, written);
  }
  return written;
}

function writeArray(items: readonly unknown[], sorted: boolean): string {
  let text = "[";
  for (let i = 0; i < items.length; i += 1) {
    const item = items[i];
    if (i > 0) text += ",";
    text += item === undefined ? "null" : write(item, sorted);
  }
  return `${text}]`;
}

function writeObject(value: object, sorted: boolean): string {
  // A Map, Set, Date or byte array would be written as {} or worse, and its content lost without a word.
  if (Object.prototype.toString.call(value) !== "[object Object]")
    throw new TypeError("only plain data can be encoded");
  const fields = value as Record<string, unknown>;
  const keys = Object.keys(fields);
  if (sorted) keys.sort();
  let text = "";
  for (const key of keys) {
    const field = fields[key];
    if (field === undefined) continue;
    text += (text === "" ? "{" : ",") + writeKey(key) + write(field, sorted);
  }
  return text === "" ? "{}" : `${text}}`;
}

function write(value: unknown, sorted: boolean): string {
  switch (typeof value) {
    case "string":
      return writeString(value);
    case "bigint":
      return `"$${value}"`;
    case "boolean":
      return value ? "true" : "false";
    case "number":
      // JSON.stringify writes null for NaN and Infinity; the reader would never know.
      if (!Number.isFinite(value)) throw new TypeError(`${value} cannot be encoded`);
      return String(value);
    case "object":
      if (value === null) return "null";
      return Array.isArray(value) ? writeArray(value, sorted) : writeObject(value, sorted);
    default:
      throw new TypeError(`a ${typeof value} cannot be encoded`);
  }
}

/**
 * Plain data as JSON text, bigints included, keys in their own order. As in JSON, an undefined field is left out and an
 * undefined item is null. Throws TypeError for what JSON would lose: NaN, Infinity, functions, Map, Set, Date, bytes.
 */
export function encode(value: unknown): string {
  return write(value, false);
}

/** As {@link encode}, with the keys of every object sorted by UTF-16 code unit: equal data give equal text. */
export function canonical(value: unknown): string {
  return write(value, true);
}

/** The integer of a few digits that begins at `first`; null for everything else. BigInt() of a text costs three times as much. */
function readShort(text: string, first: number): number | null {
  const { length } = text;
  if (length === first || length > first + EXACT_DIGITS_MAX) return null;
  if (text.charCodeAt(first) === ZERO && length > first + 1) return null;
  let value = 0;
  for (let at = first; at < length; at += 1) {
    const digit = text.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  return value;
}

/**
 * The bigint that was written as `text`, as a number where it has so few digits that one holds it exactly. Throws SyntaxError
 * for any other text.
 */
export function readInteger(text: string): number | bigint {
  const isNegative = text.charCodeAt(1) === MINUS;
  const short = text.charCodeAt(0) === DOLLAR ? readShort(text, isNegative ? 2 : 1) : null;
  if (short !== null) return isNegative ? 0 - short : short;
  // BigInt() would take "", " 1" and "0x1" too.
  if (!BIGINT_TEXT.test(text)) throw new SyntaxError(`"${text}" is not an encoded integer`);
  return BigInt(text.slice(1));
}

function readString(text: string): string | bigint {
  return text.charCodeAt(1) === DOLLAR ? text.slice(1) : BigInt(readInteger(text));
}

/**
 * Replaces, in place, the strings that stand for something else: a reviver costs several times as much, and so does looking up
 * each field by its name where most stand for themselves.
 */
function revive(value: object, read: (text: string) => string | bigint): void {
  const fields: unknown[] = Object.values(value);
  let keys: string[] | null = null;
  for (let at = 0; at < fields.length; at += 1) {
    const field = fields[at];
    if (typeof field === "string") {
      if (field.charCodeAt(0) !== DOLLAR) continue;
      keys ??= Object.keys(value);
      (value as Record<string, unknown>)[keys[at] as string] = read(field);
    } else if (typeof field === "object" && field !== null) {
      revive(field, read);
    }
  }
}

/**
 * The data that {@link encode} or {@link canonical} wrote. Throws SyntaxError for text that neither would write. The type
 * is the caller's claim: text from outside goes through a schema instead.
 */
export function decode<T>(text: string): T {
  const read: { value: unknown } = { value: JSON.parse(text) };
  if (text.includes('"$')) revive(read, readString);
  return read.value as T;
}

/** A bigint as it is written. */
export type EncodedBigint = `$${bigint}`;

/** Data with its bigints as they are written. */
export type Encoded<T> = T extends bigint
  ? EncodedBigint
  : T extends readonly (infer Item)[]
    ? Encoded<Item>[]
    : T extends object
      ? { [Key in keyof T]: Encoded<T[Key]> }
      : T;

/**
 * As {@link decode}, but leaves bigints as they are written, and unread: of a journalled event's most are never looked at, and
 * to make them all was an eighth of what making the read model anew took. The reader must know which fields are bigints: a text
 * "$5" looks the same.
 */
export function readEncoded<T>(text: string): Encoded<T> {
  const read: { value: unknown } = { value: JSON.parse(text) };
  // Looked for without the quote before it: quotes are everywhere, and this is done to megabytes.
  if (text.includes("$$")) revive(read, (written) => (written.charCodeAt(1) === DOLLAR ? written.slice(1) : written));
  return read.value as Encoded<T>;
}
