// What may come in: how many bytes, of what type, and that it is JSON. Size is judged for everybody, the rest only after the
// caller is known.

import type { Context, MiddlewareHandler } from "hono";
import { BODY_BYTES_MAX, SNAPSHOT_BYTES_MAX } from "../core/limits.ts";
import { ok, type Refusal, type Result, refuse } from "../core/result.ts";
import type { AppEnv } from "./context.ts";
import { parseJson } from "./json.ts";
import { problemResponse } from "./problem.ts";

/** Where a body may be longer than {@link BODY_BYTES_MAX}: paths that only operators have business with. */
const LARGER_BODIES: readonly [path: RegExp, bytesMax: number][] = [
  [/^\/v1\/admin\/(accounts|markets)\/[^/]+\/restoration(\/journal)?$/, SNAPSHOT_BYTES_MAX],
];

const NOT_JSON: Refusal = { code: "unsupported_media_type", detail: "Send application/json in UTF-8." };

/** Refuses a body above its path's limit with 413, also one that comes in pieces without a Content-Length. */
export const sizeLimit: MiddlewareHandler<AppEnv> = async (c, next) => {
  const bytesMax = LARGER_BODIES.find(([path]) => path.test(c.req.path))?.[1] ?? BODY_BYTES_MAX;
  const tooLarge: Refusal = { code: "payload_too_large", detail: `A body has at most ${bytesMax} bytes.` };
  const declared = c.req.header("content-length");
  if (declared !== undefined && c.req.header("transfer-encoding") === undefined) {
    return Number(declared) > bytesMax ? problemResponse(c, tooLarge) : next();
  }
  const stream = c.req.raw.body;
  if (stream === null) return next();
  const read = await whole(() => readUpTo(stream, bytesMax));
  if (!read.ok) return problemResponse(c, read.refusal);
  if (read.value === undefined) return problemResponse(c, tooLarge);
  c.set("bodyBytes", read.value);
  return next();
};

/**
 * The bytes of a request's body, which can be read once: whoever reads them after this finds them where it has put them.
 * Refuses `malformed_json` when the client hangs up in the middle of it.
 */
export async function bodyBytesOf(c: Context<AppEnv>): Promise<Result<Uint8Array>> {
  const known = c.get("bodyBytes");
  if (known !== undefined) return ok(known);
  const read = await whole(async () => new Uint8Array(await c.req.raw.arrayBuffer()));
  if (read.ok) c.set("bodyBytes", read.value);
  return read;
}

/** What is read of a body, unless its client hangs up: that is no bug of ours, and mostly nobody hears the answer. */
async function whole<T>(read: () => Promise<T>): Promise<Result<T>> {
  try {
    return ok(await read());
  } catch {
    return refuse({ code: "malformed_json", detail: "The body has ended before it was whole." });
  }
}

async function readUpTo(stream: ReadableStream<Uint8Array>, bytesMax: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.byteLength;
    if (size > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/**
 * Reads a JSON body: 415 when it is not declared as JSON in UTF-8, 400 `malformed_json` for what
 * {@link parseJson} refuses. The validators after it get the parsed value from here, so a body is parsed once.
 */
export const jsonBody: MiddlewareHandler<AppEnv> = async (c, next) => {
  if (!declaresJson(c.req.header("content-type"), c.req.header("content-encoding")))
    return problemResponse(c, NOT_JSON);
  const read = await bodyBytesOf(c);
  if (!read.ok) return problemResponse(c, read.refusal);
  const parsed = parseJson(read.value);
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
