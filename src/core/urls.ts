// Which URLs the product may call, and where it may send a browser: decided by their text alone.

import { RETURN_TO_CHARS_MAX } from "./limits.ts";

/** A name with a dot in it whose last part is no number: no address of any notation, and nothing inside a network. */
const NAMED_HOST = /^(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*$/;
const THIS_MACHINE: ReadonlySet<string> = new Set(["localhost", "127.0.0.1"]);

/**
 * Whether the product may call a URL outside: https on its usual port, a host with a name, no credentials in it. A `local`
 * run may also call its own machine, in plain http and on any port.
 */
export function mayCall(url: URL, local: boolean): boolean {
  if (url.username !== "" || url.password !== "") return false;
  const { protocol, hostname, port } = url;
  if (local && THIS_MACHINE.has(hostname)) return protocol === "http:" || protocol === "https:";
  return protocol === "https:" && port === "" && NAMED_HOST.test(hostname);
}

/** Printable ASCII without what parsers read in more than one way, and without a fragment. */
const PLAIN = /^[!$-;=?-[\]_a-z~]+$/;

/**
 * Where a browser is sent that asks to come back to `text`: a path on the origin of `home`, or a URL of that origin or of one
 * in `origins`, exactly as written there. Null for anything else, longer than {@link RETURN_TO_CHARS_MAX}, or ambiguous.
 */
export function returnTarget(text: string, home: string, origins: readonly string[]): string | null {
  if (text.length > RETURN_TO_CHARS_MAX || !PLAIN.test(text)) return null;
  const own = new URL(home).origin;
  const path = text.startsWith("/") && !text.startsWith("//");
  const whole = path ? own + text : text;
  // Followed by the end, a path or a query: no parser reads another host out of what follows.
  const listed = [own, ...origins].some((one) => {
    return whole === one || whole.startsWith(`${one}/`) || whole.startsWith(`${one}?`);
  });
  return listed ? new URL(whole).href : null;
}

/** Whether a text is an origin, exactly as a browser sends it; plain http only for this machine. */
export function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { origin, protocol, hostname } = new URL(text);
  const near = protocol === "http:" && (hostname === "localhost" || hostname === "127.0.0.1");
  return origin === text && (protocol === "https:" || near);
}
