// What may come in: how many bytes, of what type, how deep. Size is judged for everybody, the rest only after the
// caller is known.

import type { MiddlewareHandler } from "hono";
import type { Refusal } from "../core/result.ts";
import type { AppEnv } from "./context.ts";
import { problemResponse } from "./problem.ts";

/** A request's body: the contract's figure. */
export const BODY_BYTES_MAX = 65_536;
/** Objects and arrays inside each other: the contract's figure; a deeper one costs stack in every reader. */
export const JSON_DEPTH_MAX = 32;

const TOO_LARGE: Refusal = { code: "payload_too_large", detail: `A body has at most ${BODY_BYTES_MAX} bytes.` };
const NOT_JSON: Refusal = { code: "unsupported_media_type", detail: "Send application/json in UTF-8." };

/** Refuses a body above {@link BODY_BYTES_MAX} with 413, also one that comes in pieces without a Content-Length. */
export const sizeLimit: MiddlewareHandler<AppEnv> = async (c, next) => {
  const declared = c.req.header("content-length");
  if (declared !== undefined && c.req.header("transfer-encoding") === undefined) {
    return Number(declared) > BODY_BYTES_MAX ? problemResponse(c, TOO_LARGE) : next();
  }
  const stream = c.req.raw.body;
  if (stream === null) return next();
  const bytes = await readUpTo(stream, BODY_BYTES_MAX);
  if (bytes === undefined) return problemResponse(c, TOO_LARGE);
  c.set("bodyBytes", bytes);
  return next();
};

async function readUpTo(stream: ReadableStream<Uint8Array>, bytesMax: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.byteLength;
    if (size > bytesMax) return undefined;
    chunks.push(chunk);
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.byteLength;
  }
  return all;
}

/**
 * Reads a JSON body: 415 when it is not declared as JSON in UTF-8, 400 `malformed_json` when it is not JSON or deeper
 * than {@link JSON_DEPTH_MAX}. The validators after it get the parsed value from here, so a body is parsed once.
 */
export const jsonBody: MiddlewareHandler<AppEnv> = async (c, next) => {
  if (!declaresJson(c.req.header("content-type"), c.req.header("content-encoding")))
    return problemResponse(c, NOT_JSON);
  const parsed = parseJson(c.get("bodyBytes") ?? new Uint8Array(await c.req.raw.arrayBuffer()));
  if (!parsed.ok) return problemResponse(c, { code: "malformed_json", detail: parsed.detail });
  c.req.json = () => Promise.resolve(parsed.value as never);
  return next();
};

function declaresJson(contentType: string | undefined, contentEncoding: string | undefined): boolean {
  if (contentEncoding !== undefined && contentEncoding.toLowerCase() !== "identity") return false;
  const [essence, ...parameters] = (contentType ?? "").toLowerCase().split(";");
  if (essence?.trim() !== "application/json") return false;
  return parameters.every((one) => !one.trim().startsWith("charset=") || /^charset="?utf-8"?$/.test(one.trim()));
}

const UTF_8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

type Parsed = { ok: true; value: unknown } | { ok: false; detail: string };

/** Decodes and parses a body; the depth is judged before the parser sees it. */
export function parseJson(bytes: Uint8Array): Parsed {
  let text: string;
  try {
    text = UTF_8.decode(bytes);
  } catch {
    return { ok: false, detail: "The body is not UTF-8." };
  }
  if (depthOf(text) > JSON_DEPTH_MAX) return { ok: false, detail: `The body is deeper than ${JSON_DEPTH_MAX} levels.` };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false, detail: "The body is not JSON." };
  }
}

/** The deepest nesting of brackets outside strings; what is not JSON at all is left to the parser. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (inString) {
      if (char === 0x5c) at += 1;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (char === 0x7d || char === 0x5d) depth -= 1;
  }
  return deepest;
}
