// The API keys of one account: as hashes, with what each may do. Asked in the call that uses one, so that a revoked key is
// refused from the next call on and no other place need be asked.
import { isKeyId, type KeyProof, type PresentedKey, sameDigest } from "../../core/api-keys.ts";
import { contains, parseBlock, parseIp } from "../../core/ip.ts";
import {
  API_KEY_STREAM_MS,
  API_KEY_TOUCH_MS,
  API_KEYS_PER_ACCOUNT_MAX,
  NONCES_PER_ACCOUNT_MAX,
  SIGNATURE_WINDOW_MS,
} from "../../core/limits.ts";
import type { Scope } from "../../core/permissions.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import type { ObjectPorts } from "../ports.ts";
import type { ApiKey, NewApiKey, Page, PageRequest, StreamCaller } from "../protocol.ts";

/** Keys and the nonces of signed calls, as a version of the account's schema. */
export const API_KEYS_SCHEMA = [
  `CREATE TABLE IF NOT EXISTS api_keys (id TEXT PRIMARY KEY, hash TEXT NOT NULL, user_id TEXT NOT NULL, name TEXT NOT NULL,
    scopes TEXT NOT NULL, ip_allow TEXT NOT NULL, signing INTEGER NOT NULL, created_at INTEGER NOT NULL,
    expires_at INTEGER, last_used_at INTEGER) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS api_nonces (key_id TEXT NOT NULL, nonce TEXT NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (key_id, nonce)) STRICT, WITHOUT ROWID`,
  "CREATE INDEX IF NOT EXISTS api_nonces_until ON api_nonces (until)",
];

type Row = {
  id: string;
  hash: string;
  user_id: string;
  name: string;
  scopes: string;
  ip_allow: string;
  signing: number;
  created_at: number;
  expires_at: number | null;
  last_used_at: number | null;
};

const unauthenticated = (detail: string): Refusal => ({ code: "unauthenticated", detail });
const UNKNOWN = unauthenticated("There is no such API key.");
const EXPIRED = unauthenticated("This API key has expired.");
const UNSIGNED = unauthenticated("Calls by this API key must be signed.");
const STALE = unauthenticated("X-Timestamp is too far from the time here.");
const REPLAYED = unauthenticated("This X-Nonce has been used.");
const ELSEWHERE: Refusal = { code: "forbidden", detail: "This API key may not be used from this address." };
const NEVER: Refusal = { code: "forbidden", detail: "This is not done by API key: sign in." };
const TOO_MANY: Refusal = {
  code: "too_many_api_keys",
  detail: `An account has at most ${API_KEYS_PER_ACCOUNT_MAX} API keys.`,
};

/** All keys of one account. */
export class ApiKeys {
  readonly #ports: Pick<ObjectPorts, "sql" | "now">;

  constructor(ports: Pick<ObjectPorts, "sql" | "now">) {
    this.#ports = ports;
  }

  /**
   * Lets a call by key in, once: a signed one uses its nonce up. Answers whose key it is. Refuses `unauthenticated` for a key
   * that is unknown or expired and for a call that is not signed as it must be; then `forbidden` and `missing_scope`.
   */
  enter(id: string, key: PresentedKey): Result<{ userId: string }> {
    const known = this.#known(id, key);
    if (!known.ok) return known;
    const fresh = this.#fresh(known.value, key.proof);
    if (!fresh.ok) return fresh;
    this.#touch(known.value);
    const lack = lackOf(known.value, key);
    return lack === null ? ok({ userId: known.value.user_id }) : refuse(lack);
  }

  /** Whether a call that was let in may still act. Refuses as {@link enter}, but for what is signed. */
  judge(id: string, key: PresentedKey): Result<null> {
    const known = this.#known(id, key);
    const lack = known.ok ? lackOf(known.value, key) : known.refusal;
    return lack === null ? ok(null) : refuse(lack);
  }

  #known(id: string, { hash }: PresentedKey): Result<Row> {
    const row = this.#find(id);
    if (row === undefined || !sameDigest(row.hash, hash)) return refuse(UNKNOWN);
    return row.expires_at !== null && row.expires_at <= this.#ports.now() ? refuse(EXPIRED) : ok(row);
  }

  #find(id: string): Row | undefined {
    return this.#ports.sql<Row>("SELECT * FROM api_keys WHERE id = ?", id)[0];
  }

  #fresh(row: Row, proof: KeyProof | null): Result<null> {
    if (proof === "ticket" || (proof === null && row.signing === 0)) return ok(null);
    if (proof === null) return refuse(UNSIGNED);
    const { sql, now } = this.#ports;
    if (Math.abs(now() - proof.atMs) > SIGNATURE_WINDOW_MS) return refuse(STALE);
    sql("DELETE FROM api_nonces WHERE until < ?", now());
    const [count] = sql<{ n: number }>("SELECT count(*) AS n FROM api_nonces");
    if ((count?.n ?? 0) >= NONCES_PER_ACCOUNT_MAX) return refuse({ code: "rate_limited", retryAfterSeconds: 1 });
    const taken = sql<{ nonce: string }>(
      "INSERT INTO api_nonces (key_id, nonce, until) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING nonce",
      row.id,
      proof.nonce,
      proof.atMs + SIGNATURE_WINDOW_MS,
    );
    return taken.length === 1 ? ok(null) : refuse(REPLAYED);
  }

  /** A write for each order would cost as much as the order. */
  #touch({ id, last_used_at: before }: Row): void {
    const { sql, now } = this.#ports;
    if (before !== null && now() - before < API_KEY_TOUCH_MS) return;
    sql("UPDATE api_keys SET last_used_at = ? WHERE id = ?", now(), id);
  }

  /** Keeps a new key. Refuses `too_many_api_keys`. */
  create(key: NewApiKey): Result<ApiKey> {
    const { sql, now } = this.#ports;
    const [count] = sql<{ n: number }>("SELECT count(*) AS n FROM api_keys");
    if ((count?.n ?? 0) >= API_KEYS_PER_ACCOUNT_MAX) return refuse(TOO_MANY);
    const [row] = sql<Row>(
      `INSERT INTO api_keys (id, hash, user_id, name, scopes, ip_allow, signing, created_at, expires_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *`,
      key.id,
      key.hash,
      key.userId,
      key.name,
      JSON.stringify(key.scopes),
      JSON.stringify(key.ipAllow),
      key.signing ? 1 : 0,
      now(),
      key.expiresAt,
    );
    return row === undefined ? refuse(UNKNOWN) : ok(viewOf(row));
  }

  /** The keys, the newest first, expired ones included. */
  page({ limit, cursor }: PageRequest): Page<ApiKey> {
    const from = cursor ?? 0;
    const rows = this.#ports.sql<Row>("SELECT * FROM api_keys ORDER BY id DESC LIMIT ? OFFSET ?", limit + 1, from);
    const nextCursor = rows.length > limit ? from + limit : null;
    return { data: rows.slice(0, limit).map(viewOf), nextCursor };
  }

  /** Forgets a key, or with null all; answers which. */
  revoke(id: string | null): string[] {
    const rows = this.#ports.sql<{ id: string }>("DELETE FROM api_keys WHERE id = coalesce(?, id) RETURNING id", id);
    return rows.map((row) => row.id);
  }

  /** How a stream is opened with a ticket; one made by key has that key with it. Refuses `unauthenticated` once it has gone. */
  ticketed(redeemed: Result<StreamCaller>): Result<StreamCaller> {
    if (!redeemed.ok || !isKeyId(redeemed.value.sessionId)) return redeemed;
    const row = this.#find(redeemed.value.sessionId);
    if (row === undefined) return refuse({ code: "unauthenticated" });
    const key: PresentedKey = { hash: row.hash, scope: "read", ip: "", proof: "ticket" };
    return ok({ ...redeemed.value, key });
  }

  /** Whether a session, or a key with the scope for it, may place and cancel orders. */
  mayTrade(id: string): boolean {
    const row = isKeyId(id) ? this.#find(id) : undefined;
    return !isKeyId(id) || (JSON.parse(row?.scopes ?? "[]") as Scope[]).includes("trade");
  }

  /** Who opens a stream, with the end of one that is opened by key now; who comes by a session or a ticket has one. */
  lasting(caller: StreamCaller): StreamCaller {
    if (caller.key === undefined || caller.key.proof === "ticket") return caller;
    const longest = this.#ports.now() + API_KEY_STREAM_MS;
    return { ...caller, expiresAtMs: Math.min(longest, this.#find(caller.sessionId)?.expires_at ?? longest) };
  }
}

/** What keeps a call by this key from its act, if anything does. */
function lackOf(row: Row, { scope, ip }: PresentedKey): Refusal | null {
  const allowed: string[] = JSON.parse(row.ip_allow);
  if (allowed.length > 0 && !allowed.some((block) => liesIn(block, ip))) return ELSEWHERE;
  if (scope === null) return NEVER;
  const scopes: string[] = JSON.parse(row.scopes);
  return scopes.includes(scope)
    ? null
    : { code: "missing_scope", detail: `This needs an API key with the scope ${scope}.` };
}

function liesIn(allowed: string, text: string): boolean {
  const [block, ip] = [parseBlock(allowed), parseIp(text)];
  return block !== undefined && ip !== undefined && contains(block, ip);
}

function viewOf(row: Row): ApiKey {
  return {
    id: row.id,
    name: row.name,
    scopes: JSON.parse(row.scopes) as Scope[],
    ipAllow: JSON.parse(row.ip_allow) as string[],
    signing: row.signing === 1,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
  };
}
