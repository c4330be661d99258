// The account stream: what a socket asks, what it is sent. Everything a socket needs to go on is kept with the socket.
import { z } from "zod";
import type { AccountEvent, AccountState } from "../../core/account/state.ts";
import { type Channel, streamMessages } from "../../core/account/stream.ts";
import { PAGE_ROWS_DEFAULT, SOCKET_MESSAGE_BYTES_MAX, STREAM_REPLAY_EVENTS_MAX } from "../../core/limits.ts";
import { wireBalance, wireFill, wireOrder, wireStreamData, wireTime } from "../../core/wire.ts";
import type { AccountView, Subscription } from "../protocol.ts";
import type { AccountReads } from "./reads.ts";

/** One socket: what it has subscribed to survives hibernation with it. */
export interface AccountSocket {
  subscription: Subscription | null;
  send: (text: string) => void;
  close: (code: number, reason: string) => void;
}

/** What the stream reads of its account. */
export interface StreamSource {
  state: Readonly<AccountState>;
  reads: AccountReads;
  view: () => AccountView;
}

const Message = z.discriminatedUnion("op", [
  z.strictObject({
    op: z.literal("subscribe"),
    channels: z
      .array(z.enum(["orders", "fills", "balances"]))
      .min(1)
      .max(3),
    resume_from: z.int().min(0).optional(),
    cancel_on_disconnect: z.literal(false).optional(),
  }),
  z.strictObject({ op: z.literal("ping") }),
]);

/** Answers one message of a client. A message that cannot be understood gets an error and changes nothing. */
export function receive(socket: AccountSocket, text: string, source: StreamSource): void {
  if (new TextEncoder().encode(text).byteLength > SOCKET_MESSAGE_BYTES_MAX) {
    socket.close(1009, "message over 16 KiB");
    return;
  }
  const parsed = parse(text);
  const message = Message.safeParse(parsed?.value);
  if (parsed === null) sendError(socket, "malformed_json", "The message is not JSON.");
  else if (!message.success)
    sendError(socket, "validation_failed", message.error.issues[0]?.message ?? "Unknown message.");
  else if (message.data.op === "ping") socket.send('{"type":"pong"}');
  else subscribe(socket, [...new Set(message.data.channels)], message.data.resume_from ?? null, source);
}

function parse(text: string): { value: unknown } | null {
  try {
    return { value: JSON.parse(text) };
  } catch {
    // Not JSON: the client is told so, which is all there is to do.
    return null;
  }
}

function sendError(socket: AccountSocket, code: string, detail: string): void {
  socket.send(JSON.stringify({ type: "error", code, detail }));
}

function subscribe(socket: AccountSocket, channels: Channel[], resumeFrom: number | null, source: StreamSource): void {
  const { seq } = source.state;
  if (resumeFrom !== null && resumeFrom <= seq && seq - resumeFrom <= STREAM_REPLAY_EVENTS_MAX) {
    socket.subscription = { channels, lastSeq: resumeFrom };
    publish(socket, source.reads.eventsAfter(resumeFrom, STREAM_REPLAY_EVENTS_MAX));
    return;
  }
  const oldest = Math.max(0, seq - STREAM_REPLAY_EVENTS_MAX);
  for (const channel of channels) {
    if (resumeFrom !== null) socket.send(JSON.stringify({ type: "gap", channel, oldest_seq: oldest }));
    socket.send(JSON.stringify({ type: "snapshot", channel, seq, data: snapshot(channel, source) }));
  }
  socket.subscription = { channels, lastSeq: seq };
}

function snapshot(channel: Channel, source: StreamSource): unknown[] {
  if (channel === "orders") return [...source.state.orders.values()].map(wireOrder);
  if (channel === "balances") return source.view().balances.map(wireBalance);
  return source.reads.fills({ limit: PAGE_ROWS_DEFAULT, cursor: null, symbol: null, orderId: null }).data.map(wireFill);
}

/** Sends what a socket has subscribed to of some events, each message with its own number and the one before it. */
export function publish(socket: AccountSocket, events: readonly AccountEvent[]): void {
  const subscription = socket.subscription;
  if (subscription === null) return;
  const { channels } = subscription;
  let { lastSeq } = subscription;
  for (const event of events) {
    streamMessages(event).forEach((message, index) => {
      const seq = event.first + index;
      if (seq <= lastSeq || !channels.includes(message.channel)) return;
      const { channel } = message;
      const data = wireStreamData(message);
      socket.send(JSON.stringify({ type: "event", channel, seq, prev_seq: lastSeq, ts: wireTime(event.at), data }));
      lastSeq = seq;
    });
  }
  socket.subscription = { channels, lastSeq };
}
