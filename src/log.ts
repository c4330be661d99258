// The one way to write a log line: JSON, one line each, without secrets, and with nothing in it that a terminal would obey.

/** How much a line matters: `error` is for a person to look at, `warn` for who counts, `info` says that something was done. */
export type Level = "info" | "warn" | "error";

const ORDER: readonly Level[] = ["info", "warn", "error"];
/** Longest text of a fact: a stack fits, a body does not. */
const TEXT_CHARS_MAX = 4_000;
/** Facts inside facts: deeper ones are no facts for a log line. */
const DEPTH_MAX = 4;
const SECRET_NAME = /password|secret|token|authorization|cookie|api_?key|ticket|pepper|mfa_code|recovery/i;
/** What a secret of ours looks like wherever it stands: access and refresh tokens, tickets, API keys. */
const SECRET_TEXT =
  /eyJ[\w-]{10,}\.[\w-]+\.[\w-]*|\brt_ses_[\w.-]+|\btkt_\w+|\btp_(?:live|test)_\w+|\bBearer +[\w.~+/=-]+/g;
/** JSON escapes what is below a blank; the rest of what moves a cursor or turns a line is escaped here. */
const CONTROL = /[\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Whether lines of `level` are written where `least` is the least that is. */
export function isWritten(level: Level, least: Level): boolean {
  return ORDER.indexOf(level) >= ORDER.indexOf(least);
}

/** Writes one line. Facts whose name or looks say that they are secret are `[redacted]`; long ones are cut. */
export function log(level: Level, event: string, facts: Readonly<Record<string, unknown>> = {}): void {
  const write = level === "error" ? console.error : level === "warn" ? console.warn : console.log;
  write(lineOf(level, event, facts));
}

/** The text of a line. */
export function lineOf(level: Level, event: string, facts: Readonly<Record<string, unknown>>): string {
  const line = JSON.stringify({ level, event, ...(cleanOf(facts, 0) as object) });
  return line.replace(CONTROL, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function cleanOf(value: unknown, depth: number): unknown {
  if (typeof value === "string") return value.slice(0, TEXT_CHARS_MAX).replace(SECRET_TEXT, "[redacted]");
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (depth >= DEPTH_MAX) return "[deep]";
  if (Array.isArray(value)) return value.map((one) => cleanOf(one, depth + 1));
  const clean = Object.entries(value).map(([name, one]) => [
    name,
    SECRET_NAME.test(name) ? "[redacted]" : cleanOf(one, depth + 1),
  ]);
  return Object.fromEntries(clean);
}
