// API keys in tests: made by a trader's session, and calls by one, signed where it must be as a client's author would.
import { createHash, createHmac } from "node:crypto";
import { type Answer, type CallOptions, call, type Trader } from "./session.ts";

/** A key at its making. */
export interface MadeKey {
  id: string;
  key: string;
  name: string;
  scopes: string[];
  ip_allow: string[];
  signing: boolean;
  signing_secret?: string;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
}

/** Makes a key; the test fails when that is refused. */
export async function newKey(of: Trader, wish: Record<string, unknown> = {}): Promise<MadeKey> {
  const json = { name: "a robot", scopes: ["read", "trade"], ...wish };
  const made = await of.call<MadeKey>("POST", "/v1/api-keys", { json });
  if (made.status !== 201) throw new Error(`key: ${made.text}`);
  return made.body;
}

/** Any call by key. */
export function byKey<T = Record<string, unknown>>(
  { key }: { key: string },
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer<T>> {
  return call<T>(method, path, { ...options, headers: { "X-Api-Key": key, ...options.headers } });
}

/** What a client signs, made from the words of docs/api-keys.md alone. */
export function signatureOf(
  secret: string,
  method: string,
  pathAndQuery: string,
  body: string,
  nonce: string,
  timestamp: string,
): string {
  const [path = "", query = ""] = pathAndQuery.split("?");
  const bodyHash = createHash("sha256").update(body).digest("hex");
  const lines = ["tradepost-v1", method, path, query.split("&").sort().join("&"), timestamp, nonce, bodyHash];
  return createHmac("sha256", Buffer.from(secret, "base64url")).update(lines.join("\n")).digest("hex");
}

/** The headers of a signed call; `body` as it is sent. */
export function signed(
  { key, signing_secret = "" }: MadeKey,
  method: string,
  path: string,
  { body = "", nonce = crypto.randomUUID(), at = Date.now() }: { body?: string; nonce?: string; at?: number } = {},
): Record<string, string> {
  return {
    "X-Api-Key": key,
    "X-Timestamp": String(at),
    "X-Nonce": nonce,
    "X-Signature": signatureOf(signing_secret, method, path, body, nonce, String(at)),
  };
}
