// The KV namespace of sessions: which have ended, and what their bearers look like. KV may be a minute late and says
// "not there" of what it has not heard of, so it can only add a refusal; that a session counts, only its account knows.

import { log } from "../log.ts";

/** The environment as far as sessions at the edge are concerned. */
export interface SessionsBinding {
  SESSIONS: KVNamespace;
}

/** What KV is asked and told. No method throws, and none waits long: without KV everything works. */
export interface EdgeSessions {
  /** Whether a session is known to have ended. False says nothing: KV may not have heard of it yet, or be away. */
  isBlacklisted(sessionId: string): Promise<boolean>;
  /** Puts a session on the blacklist for `ttlMs`, which is what is left of its last access token. */
  blacklist(sessionId: string, ttlMs: number): Promise<void>;
  /** Keeps what is known of a session's bearer for `ttlMs`. */
  keep(sessionId: string, bearer: object, ttlMs: number): Promise<void>;
  /** What was last kept of a session's bearer; null when nothing is known. */
  read(sessionId: string): Promise<unknown>;
}

/** A request waits no longer for KV: all that it would gain is to be refused sooner. */
const KV_READ_TIMEOUT_MS = 500;
/** Nobody waits for what is written. */
const KV_WRITE_TIMEOUT_MS = 10_000;
/** The platform takes no shorter life of an entry. */
const KV_TTL_SECONDS_MIN = 60;
/** How long the edge may remember what it read, "not there" included: the platform takes no less. */
const KV_CACHE_SECONDS = 30;

/** The sessions' namespace of this environment. */
export function edgeSessions(env: SessionsBinding): EdgeSessions {
  const put = (key: string, value: string, ttlMs: number) => {
    const expirationTtl = Math.max(KV_TTL_SECONDS_MIN, Math.ceil(ttlMs / 1_000));
    return quietly(KV_WRITE_TIMEOUT_MS, () => env.SESSIONS.put(key, value, { expirationTtl }));
  };
  const get = (key: string): Promise<unknown> =>
    quietly(KV_READ_TIMEOUT_MS, () => env.SESSIONS.get(key, { type: "json", cacheTtl: KV_CACHE_SECONDS }));
  return {
    isBlacklisted: async (sessionId) => (await get(endedKey(sessionId))) !== null,
    blacklist: async (sessionId, ttlMs) => {
      await put(endedKey(sessionId), "1", ttlMs);
    },
    keep: async (sessionId, bearer, ttlMs) => {
      await put(bearerKey(sessionId), JSON.stringify(bearer), ttlMs);
    },
    read: (sessionId) => get(bearerKey(sessionId)),
  };
}

const endedKey = (sessionId: string) => `ended:${sessionId}`;
const bearerKey = (sessionId: string) => `session:${sessionId}`;

/** What `work` answers; null when it fails or takes too long. */
async function quietly(timeoutMs: number, work: () => Promise<unknown>): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("KV did not answer in time")), timeoutMs);
  });
  try {
    return (await Promise.race([work(), timeout])) ?? null;
  } catch (error) {
    log("warn", "kv_failed", { message: String(error) });
    return null;
  } finally {
    clearTimeout(timer);
  }
}
