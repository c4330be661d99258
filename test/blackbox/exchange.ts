// The server as a user reaches it: HTTP over loopback, keep-alive, every wait bounded.
import { createHash } from "node:crypto";
import { Agent, request } from "node:http";

/** Longer than the two seconds after which a POST is answered 202; what is later counts as unanswered. */
const ANSWER_LIMIT_MS = 5_000;
const SOCKETS_MAX = 128;

/** One request; `key` goes as Idempotency-Key. */
export interface Ask {
  method: "GET" | "POST" | "DELETE";
  path: string;
  token?: string;
  key?: string | null;
  body?: string;
}

/** A whole answer: a connection that broke half-way has none. */
export interface Answer {
  status: number;
  retryAfter: string | null;
  /** Whether it says that it is the first answer to its key, given again. */
  replayed: boolean;
  text: string;
}

/** A client of one server, which may be away at any time. */
export class Exchange {
  readonly #port: () => number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX, scheduling: "lifo" });

  constructor(port: () => number) {
    this.#port = port;
  }

  /** Where a WebSocket is opened. */
  get socketBase(): string {
    return `ws://127.0.0.1:${this.#port()}`;
  }

  /** Sends once. Null when no whole answer came within {@link ANSWER_LIMIT_MS}: whether it was done is then unknown. */
  send(ask: Ask): Promise<Answer | null> {
    const headers: Record<string, string | number> = {};
    if (ask.token !== undefined) headers.Authorization = `Bearer ${ask.token}`;
    if (typeof ask.key === "string") headers["Idempotency-Key"] = ask.key;
    if (ask.body !== undefined) {
      headers["Content-Type"] = "application/json";
      headers["Content-Length"] = Buffer.byteLength(ask.body);
    }
    const options = { agent: this.#agent, host: "127.0.0.1", port: this.#port(), path: ask.path, headers };
    return new Promise((resolve) => {
      const asking = request({ ...options, method: ask.method }, (incoming) => {
        const pieces: Buffer[] = [];
        incoming.on("data", (piece: Buffer) => pieces.push(piece));
        incoming.on("error", () => settle(null));
        incoming.on("end", () => {
          const { statusCode = 0, headers: said } = incoming;
          const retryAfter = said["retry-after"] ?? null;
          const replayed = said["idempotency-replayed"] === "true";
          settle({ status: statusCode, retryAfter, replayed, text: Buffer.concat(pieces).toString("utf8") });
        });
      });
      const limit = setTimeout(() => asking.destroy(), ANSWER_LIMIT_MS);
      const settle = (answer: Answer | null) => {
        clearTimeout(limit);
        resolve(answer);
      };
      asking.on("error", () => settle(null));
      asking.on("close", () => settle(null));
      asking.end(ask.body);
    });
  }

  /** Sends until it is answered with one of these statuses, and answers its JSON. Throws after `limitMs`. */
  async insist<T>(ask: Ask | (() => Promise<Ask>), statuses: readonly number[], limitMs = 60_000): Promise<T> {
    const giveUpAt = performance.now() + limitMs;
    for (;;) {
      const now = typeof ask === "function" ? await ask() : ask;
      const answer = await this.send(now);
      if (answer !== null && statuses.includes(answer.status)) return JSON.parse(answer.text) as T;
      if (performance.now() > giveUpAt)
        throw new Error(`${now.method} ${now.path} was answered ${answer?.status} ${answer?.text.slice(0, 300)}`);
      await sleep(50);
    }
  }

  /** Every row of a list, page after page. */
  async list<T>(path: string, token: () => Promise<string>): Promise<T[]> {
    const rows: T[] = [];
    let cursor: string | null = null;
    do {
      const more: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const where: string = `${path}${path.includes("?") ? "&" : "?"}limit=200${more}`;
      const ask = async (): Promise<Ask> => ({ method: "GET", path: where, token: await token() });
      const page: { data: T[]; next_cursor: string | null } = await this.insist(ask, [200]);
      rows.push(...page.data);
      cursor = page.next_cursor;
    } while (cursor !== null);
    return rows;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** A short name of some bytes: equal for equal ones. */
export function fingerprint(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 16);
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
