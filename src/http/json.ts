// JSON from outside: judged by one pass over its text, then parsed. What the parser would swallow is refused here.

/** Objects and arrays inside each other: the contract's figure; a deeper one costs stack in every reader. */
export const JSON_DEPTH_MAX = 32;
/** A key may be as long as the body: its echo is cut. */
const KEY_CHARS_MAX = 100;

const UTF_8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The value of a text, or a sentence about why there is none. */
export type ParsedJson = { ok: true; value: unknown } | { ok: false; detail: string };

/**
 * The value of some bytes. Refuses what is not JSON in UTF-8, what is deeper than {@link JSON_DEPTH_MAX} levels, and an
 * object that names a key twice: readers would not agree on which of its values counts.
 */
export function parseJson(bytes: Uint8Array): ParsedJson {
  let text: string;
  try {
    text = UTF_8.decode(bytes);
  } catch {
    return { ok: false, detail: "The body is not UTF-8." };
  }
  const flaw = flawOf(text);
  if (flaw !== null) return { ok: false, detail: flaw };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false, detail: "The body is not JSON." };
  }
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;

/** What is wrong with the nesting or the keys of a text; null when nothing is. Whether it is JSON is the parser's to say. */
function flawOf(text: string): string | null {
  // What is open now, outermost first: an object's keys so far, or null for an array.
  const open: (Set<string> | null)[] = [];
  let keyComes = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === BRACE_OPEN || char === BRACKET_OPEN) {
      open.push(char === BRACE_OPEN ? new Set() : null);
      if (open.length > JSON_DEPTH_MAX) return `The body is deeper than ${JSON_DEPTH_MAX} levels.`;
      keyComes = true;
    } else if (char === BRACE_CLOSE || char === BRACKET_CLOSE) {
      open.pop();
      keyComes = false;
    } else if (char === COMMA) {
      keyComes = true;
    } else if (char === QUOTE) {
      const end = endOfString(text, at);
      const keys = keyComes ? open.at(-1) : null;
      if (keys instanceof Set) {
        const key = unescaped(text.slice(at, end));
        if (keys.has(key))
          return `The key ${JSON.stringify(key.slice(0, KEY_CHARS_MAX))} is there twice in one object.`;
        keys.add(key);
      }
      keyComes = false;
      at = end - 1;
    }
  }
  return null;
}

/** The place after the string that begins at `start`; the end of the text when nothing closes it. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === BACKSLASH) at += 1;
    else if (char === QUOTE) return at + 1;
  }
  return text.length;
}

/** What a quoted string says: "\u0071ty" is the key qty. One that is no string stays as it is, for the parser to refuse. */
function unescaped(quoted: string): string {
  if (!quoted.includes("\\")) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return quoted;
  }
}
