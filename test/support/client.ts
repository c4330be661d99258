// A caller of the app in tests: builds requests, reads JSON answers, remembers what the account objects were told.

import { env } from "cloudflare:workers";
import { createApp } from "../../src/app.ts";
import { ok, type Result } from "../../src/core/result.ts";
import { emailVerified, mail } from "../../src/domains/identity/gate.ts";
import type { AuditEvent } from "../../src/http/audit.ts";
import type { Ports } from "../../src/http/context.ts";
import type { Limits } from "../../src/http/limits.ts";

/** An answer as tests look at it: status, headers and the parsed body (null when there is none). */
export interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

/** What the stand-in for account objects heard; `answer` is what it says next. */
export interface RevokerLog {
  sessions: string[];
  accounts: string[];
  refusedUses: string[];
  answer: Result<null>;
}

/** The app over a stand-in for account objects, with what its audit trail has heard; `limits` are those that a test wants to hear of. */
export function appWithRevokerLog(limits: Partial<Limits> = {}) {
  const trail: AuditEvent[] = [];
  const log: RevokerLog = { sessions: [], accounts: [], refusedUses: [], answer: ok(null) };
  const ports: Ports = {
    ...OPEN_PORTS,
    limits: () => ({ ...NO_LIMITS, ...limits }),
    audit: () => async (event) => void trail.push(event),
    sessionAuthority: () => ({
      admit: async () => ok(null),
      noteRefusedUse: async (sessionId) => {
        log.refusedUses.push(sessionId);
      },
      revokeSession: async (_accountId, sessionId) => {
        log.sessions.push(sessionId);
        return log.answer;
      },
      revokeKeys: async () => log.answer,
      revokeAll: async (accountId) => {
        log.accounts.push(accountId);
        return log.answer;
      },
    }),
  };
  return { app: createApp(ports), log, trail };
}

/** Limits that nobody meets. */
const NO_LIMITS: Limits = {
  take: async () => ok(null),
  failures: async () => ok(null),
  settle: async () => ok(null),
};

/** Nobody is shut out, and nobody keeps a trail. */
const OPEN_PORTS: Omit<Ports, "sessionAuthority"> = {
  limits: () => NO_LIMITS,
  addressGate: () => () => false,
  onceStore: () => ({ begin: async () => ok(null), end: async () => undefined }),
  writeBuffers: () => ({
    look: async () => ok([]),
    append: async () => ok({ waiting: [], refused: [] }),
    forget: async () => ok(null),
  }),
  audit: () => async () => undefined,
  mail,
  emailVerified,
};

/** Ports of an app whose routes end no sessions, and to which all count. */
export const NO_PORTS: Ports = {
  ...OPEN_PORTS,
  sessionAuthority: () => ({
    admit: async () => ok(null),
    noteRefusedUse: async () => {},
    revokeSession: () => Promise.reject(new Error("no route of this app ends sessions")),
    revokeKeys: () => Promise.reject(new Error("no route of this app ends keys")),
    revokeAll: () => Promise.reject(new Error("no route of this app ends sessions")),
  }),
};

/** Sends one request; a plain object as `json` is sent as a JSON body. */
export async function call(
  app: { request: ReturnType<typeof createApp>["request"] },
  method: string,
  path: string,
  options: { json?: unknown; raw?: BodyInit; token?: string; headers?: Record<string, string>; env?: object } = {},
): Promise<Answer> {
  const headers = new Headers(options.headers);
  if (options.token !== undefined) headers.set("Authorization", `Bearer ${options.token}`);
  if (options.json !== undefined && !headers.has("Content-Type")) headers.set("Content-Type", "application/json");
  const body = options.raw ?? (options.json === undefined ? undefined : JSON.stringify(options.json));
  const response = await app.request(
    path,
    { method, headers, ...(body === undefined ? {} : { body }) },
    { ...env, ...options.env },
  );
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? {} : JSON.parse(text) };
}
