// A client of the account stream in tests: a real WebSocket out of an upgrade's answer, read message by message.
import { exports } from "cloudflare:workers";
import { ORIGIN } from "./session.ts";

const PATIENCE_MS = 5_000;

export interface StreamMessage {
  type: "snapshot" | "event" | "gap" | "error" | "pong" | "auth";
  channel: "orders" | "fills" | "balances";
  seq: number;
  prev_seq: number;
  oldest_seq: number;
  ts: string;
  expires_at: string;
  code: string;
  // biome-ignore format: what is in it depends on the channel; a test says what it expects.
  data: Record<string, unknown> & Record<string, unknown>[];
}

/** Asks for the account stream and answers what the Worker answers: an upgrade, or a problem. */
export function upgrade(
  options: { token?: string; query?: string; upgrade?: boolean; headers?: Record<string, string> } = {},
): Promise<Response> {
  const headers = new Headers(options.headers);
  if (options.upgrade !== false) headers.set("Upgrade", "websocket");
  if (options.token !== undefined) headers.set("Authorization", `Bearer ${options.token}`);
  return exports.default.fetch(new Request(`${ORIGIN}/v1/stream/account${options.query ?? ""}`, { headers }));
}

/** An open stream. Messages are kept in the order of their arrival until a test asks for them. */
export class AccountStream {
  readonly #socket: WebSocket;
  readonly #arrived: string[] = [];
  #wake: () => void = () => undefined;
  /** Settles once the other side has closed. */
  readonly closed: Promise<{ code: number; reason: string }>;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }));
    });
    socket.addEventListener("message", ({ data }) => {
      this.#arrived.push(String(data));
      this.#wake();
    });
    socket.accept();
  }

  /** Opens a stream, by header or by ticket; throws when the Worker does not upgrade. */
  static async open(by: { token: string } | { ticket: string }): Promise<AccountStream> {
    const answer = await ("token" in by ? upgrade(by) : upgrade({ query: `?ticket=${by.ticket}` }));
    if (answer.status !== 101 || !answer.webSocket) throw new Error(`${answer.status}: ${await answer.text()}`);
    return new AccountStream(answer.webSocket);
  }

  /** Sends text or bytes as they are, anything else as JSON. */
  send(message: unknown): void {
    const raw = typeof message === "string" || message instanceof ArrayBuffer;
    this.#socket.send(raw ? message : JSON.stringify(message));
  }

  /** The next message's bytes; throws when none comes. */
  async nextText(): Promise<string> {
    const until = performance.now() + PATIENCE_MS;
    while (this.#arrived.length === 0) {
      const left = until - performance.now();
      if (left <= 0) throw new Error("no message came");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, left);
      });
    }
    return this.#arrived.shift() ?? "";
  }

  /** What has arrived and nobody has asked for. */
  get unread(): readonly string[] {
    return this.#arrived;
  }

  async next(): Promise<StreamMessage> {
    return JSON.parse(await this.nextText()) as StreamMessage;
  }

  /** The next `count` messages, in order. */
  async take(count: number): Promise<StreamMessage[]> {
    const taken: StreamMessage[] = [];
    while (taken.length < count) taken.push(await this.next());
    return taken;
  }

  /** All that has arrived by the time that a ping sent now is answered. */
  async drain(): Promise<StreamMessage[]> {
    // Blanks: the platform itself answers the exact bytes of a ping, ahead of what its object has yet to say.
    this.send('{ "op": "ping" }');
    const drained: StreamMessage[] = [];
    for (let one = await this.next(); one.type !== "pong"; one = await this.next()) drained.push(one);
    return drained;
  }

  /** Puts this stream in charge of its account's open orders, or takes it out. */
  async inCharge(wanted = true): Promise<void> {
    this.send({ op: "subscribe", channels: ["orders"], cancel_on_disconnect: wanted });
    await this.drain();
  }

  /** Subscribes and answers what comes back until the first pong. */
  async subscribe(channels: string[], resumeFrom?: number): Promise<StreamMessage[]> {
    this.send({ op: "subscribe", channels, ...(resumeFrom === undefined ? {} : { resume_from: resumeFrom }) });
    return this.drain();
  }

  close(code = 1000): void {
    this.#socket.close(code, "done");
  }
}
