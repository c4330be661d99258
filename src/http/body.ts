// What may come in: how many bytes, of what type, and that it is JSON. Size is judged for everybody, the rest only after the
// caller is known.

import type { MiddlewareHandler } from "hono";
import type { Refusal } from "../core/result.ts";
import type { AppEnv } from "./context.ts";
import { parseJson } from "./json.ts";
import { problemResponse } from "./problem.ts";

/** A request's body: the contract's figure. */
export const BODY_BYTES_MAX = 65_536;

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
 * Reads a JSON body: 415 when it is not declared as JSON in UTF-8, 400 `malformed_json` for what
 * {@link parseJson} refuses. The validators after it get the parsed value from here, so a body is parsed once.
 */
export const jsonBody: MiddlewareHandler<AppEnv> = async (c, next) => {
  if (!declaresJson(c.req.header("content-type"), c.req.header("content-encoding")))
    return problemResponse(c, NOT_JSON);
  const parsed = parseJson(c.get("bodyBytes") ?? new Uint8Array(await c.req.raw.arrayBuffer()));
  if (!parsed.ok) return problemResponse(c, { code: "malformed_json", detail: parsed.detail });
  c.set("json", parsed.value);
  c.req.json = () => Promise.resolve(parsed.value as never);
  return next();
};

function declaresJson(contentType: string | undefined, contentEncoding: string | undefined): boolean {
  if (contentEncoding !== undefined && contentEncoding.toLowerCase() !== "identity") return false;
  const [essence, ...parameters] = (contentType ?? "").toLowerCase().split(";");
  if (essence?.trim() !== "application/json") return false;
  return parameters.every((one) => !one.trim().startsWith("charset=") || /^charset="?utf-8"?$/.test(one.trim()));
}
