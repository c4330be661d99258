// One that follows an account's stream through every fault: comes back with resume_from, and writes down what it hears.

import type { Customer } from "./customer.ts";
import { sleep } from "./exchange.ts";
import type { StreamLine } from "./history.ts";

const CHANNELS = ["orders", "fills", "balances"];
const OPEN_LIMIT_MS = 5_000;
const PING_EVERY_MS = 2_000;
const SILENCE_MAX_MS = 8_000;
const COME_BACK_MS = 30;

interface Message {
  type: "snapshot" | "event" | "gap" | "error" | "pong";
  channel: "orders" | "fills" | "balances";
  seq: number;
  prev_seq: number;
  code: string;
  data: { id: string; status: string; asset: string; available: string; held: string };
}

/** Follows one account until it is closed. */
export class Follower {
  readonly lines: StreamLine[] = [];
  /** What it was told to be wrong, in words; nothing when all is well. */
  readonly complaints: string[] = [];
  readonly #customer: Customer;
  #socket: WebSocket | null = null;
  #lastSeq: number | null = null;
  #heardAt = 0;
  #closing = false;
  #pings = 0;
  #pongs = 0;
  readonly #following: Promise<void>;

  constructor(customer: Customer) {
    this.#customer = customer;
    this.#following = this.#follow();
  }

  async #follow(): Promise<void> {
    for (let first = true; !this.#closing; first = false) {
      if (!first) await sleep(COME_BACK_MS);
      const ticket = await this.#ticket();
      if (ticket !== null) await this.#listen(ticket);
    }
  }

  async #ticket(): Promise<string | null> {
    const { exchange } = this.#customer;
    const token = await this.#customer.token();
    const answer = await exchange.send({ method: "POST", path: "/v1/stream/tickets", token, body: "{}" });
    return answer?.status === 201 ? (JSON.parse(answer.text) as { ticket: string }).ticket : null;
  }

  /** Resolves when the socket is gone, by whatever end. */
  #listen(ticket: string): Promise<void> {
    const address = `${this.#customer.exchange.socketBase}/v1/stream/account?ticket=${encodeURIComponent(ticket)}`;
    const socket = new WebSocket(address);
    this.#socket = socket;
    this.#heardAt = performance.now();
    [this.#pings, this.#pongs] = [0, 0];
    return new Promise((resolve) => {
      let open = false;
      const watch = setInterval(() => {
        const silence = performance.now() - this.#heardAt;
        if (silence > (open ? SILENCE_MAX_MS : OPEN_LIMIT_MS)) gone();
        else if (open) this.#ping();
      }, PING_EVERY_MS);
      socket.addEventListener("open", () => {
        open = true;
        const from = this.#lastSeq;
        this.lines.push({ type: "subscribed", resumeFrom: from });
        socket.send(
          JSON.stringify({ op: "subscribe", channels: CHANNELS, ...(from === null ? {} : { resume_from: from }) }),
        );
      });
      // A socket that is given up may still have something in its buffer: the next one hears it again.
      socket.addEventListener("message", ({ data }) => this.#socket === socket && this.#hear(String(data)));
      const gone = () => {
        clearInterval(watch);
        if (this.#socket === socket) this.#socket = null;
        socket.close();
        resolve();
      };
      socket.addEventListener("close", gone);
      socket.addEventListener("error", gone);
    });
  }

  #hear(text: string): void {
    this.#heardAt = performance.now();
    const message = JSON.parse(text) as Message;
    const { type, channel, seq, prev_seq: prevSeq, data } = message;
    if (type === "pong") {
      this.#pongs += 1;
      return;
    }
    if (type === "error") return void this.complaints.push(`the stream said ${message.code}`);
    if (type === "gap") return void this.lines.push({ type });
    this.#lastSeq = seq;
    if (type === "snapshot") this.lines.push({ type, seq });
    else if (channel === "fills") this.lines.push({ type: "fill", seq, prevSeq, id: data.id });
    else if (channel === "orders") this.lines.push({ type: "order", seq, prevSeq, id: data.id, status: data.status });
    else {
      const { asset, available, held } = data;
      this.lines.push({ type: "balance", seq, prevSeq, asset, available, held });
    }
  }

  /** With blanks: the platform itself answers the exact bytes of a ping, ahead of what its object has yet to say. */
  #ping(): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send('{ "op": "ping" }');
    this.#pings += 1;
  }

  /** Resolves once everything that the server had to say by now has been heard. Throws after `limitMs`. */
  async catchUp(limitMs = 30_000): Promise<void> {
    const giveUpAt = performance.now() + limitMs;
    for (let asked: WebSocket | null = null, wanted = 0; performance.now() < giveUpAt; await sleep(COME_BACK_MS)) {
      if (this.#socket === null || this.#lastSeq === null) continue;
      if (asked !== this.#socket) {
        this.#ping();
        [asked, wanted] = [this.#socket, this.#pings];
      }
      if (wanted > 0 && this.#pongs >= wanted) return;
    }
    throw new Error("a stream did not come back");
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#socket?.close();
    await this.#following;
  }
}
