// The account stream: what a socket asks, what it is sent. How long it lives is in open-sockets.ts.
import { z } from "zod";
import type { AccountEvent, AccountState } from "../../core/account/state.ts";
import { type Channel, streamMessages } from "../../core/account/stream.ts";
import { PAGE_ROWS_DEFAULT, SOCKET_MESSAGE_BYTES_MAX, STREAM_REPLAY_EVENTS_MAX } from "../../core/limits.ts";
import type { RefusalCode } from "../../core/result.ts";
import { wireBalance, wireFill, wireOrder, wireStreamData, wireTime } from "../../core/wire.ts";
import type { AccountView } from "../protocol.ts";
import type { Absence } from "./absence.ts";
import type { ApiKeys } from "./api-keys.ts";
import type { AccountReads } from "./reads.ts";

/** What a socket has subscribed to and how far it has been told; kept with the socket through hibernation. */
export interface Subscription {
  channels: Channel[];
  lastSeq: number;
}

/** All that a socket needs to go on: it survives hibernation with it. Times in ms. */
export interface KeptSocket {
  sessionId: string;
  /** When the token runs out that the socket was opened with, or last renewed by. */
  expiresAtMs: number;
  /** When its client last said something that the platform did not answer by itself. */
  heardAtMs: number;
  /** Its client's messages that time has not forgiven yet; a fraction. */
  backlog: number;
  subscription: Subscription | null;
  /** The name under which it is in charge of the account's open orders, while it is. */
  guard?: string;
}

/** One socket. What is put into `kept` is kept. */
export interface AccountSocket {
  kept: KeptSocket;
  send: (text: string) => void;
  close: (code: number, reason: string) => void;
}

/** What the stream reads of its account. */
export interface StreamSource {
  state: Readonly<AccountState>;
  reads: AccountReads;
  view: () => AccountView;
  absence: Pick<Absence, "guard" | "unguard">;
  keys: Pick<ApiKeys, "mayTrade">;
}

const Message = z.discriminatedUnion("op", [
  z.strictObject({
    op: z.literal("subscribe"),
    channels: z
      .array(z.enum(["orders", "fills", "balances"]))
      .min(1)
      .max(3),
    resume_from: z.int().min(0).optional(),
    cancel_on_disconnect: z.boolean().optional(),
  }),
  z.strictObject({ op: z.literal("ping") }),
  z.strictObject({ op: z.literal("auth"), token: z.string() }),
]);

const WRONG_OP = "Send an object whose op is subscribe, auth or ping.";
const WRONG_FIELDS: Readonly<Record<string, string>> = {
  channels: "channels must be a list of one to three of orders, fills and balances.",
  resume_from: "resume_from must be the seq of the last message seen, a whole number from 0.",
  cancel_on_disconnect: "cancel_on_disconnect must be true or false.",
  token: "token must be an access token, in a string.",
};

/** What is wrong with a message, in a sentence that names the field. */
function faultOf([issue]: readonly z.core.$ZodIssue[]): string {
  if (issue?.code === "unrecognized_keys") return `There is no field ${JSON.stringify(issue.keys[0]?.slice(0, 100))}.`;
  const field = issue?.path[0];
  return (typeof field === "string" ? WRONG_FIELDS[field] : undefined) ?? WRONG_OP;
}

/**
 * Answers one message of a client; bytes are taken as the text that they hold. A message that cannot be understood gets an
 * error and changes nothing; one above 16 KiB closes the socket. Answers the token that the client wants to go on with,
 * for the caller to judge, or null.
 */
export function receive(socket: AccountSocket, sent: string | ArrayBuffer, source: StreamSource): string | null {
  const bytes = typeof sent === "string" ? new TextEncoder().encode(sent) : sent;
  if (bytes.byteLength > SOCKET_MESSAGE_BYTES_MAX) {
    socket.close(1009, "message over 16 KiB");
    return null;
  }
  const parsed = parse(bytes);
  const message = Message.safeParse(parsed?.value);
  if (parsed === null) sendError(socket, "malformed_json", "The message is not JSON in UTF-8.");
  else if (!message.success) sendError(socket, "validation_failed", faultOf(message.error.issues));
  else if (message.data.op === "auth") return message.data.token;
  else if (message.data.op === "ping") socket.send('{"type":"pong"}');
  else if (message.data.cancel_on_disconnect === true && !source.keys.mayTrade(socket.kept.sessionId))
    sendError(socket, "missing_scope", "cancel_on_disconnect needs an API key with the scope trade.");
  else {
    takeCharge(socket, message.data.cancel_on_disconnect, source);
    subscribe(socket, [...new Set(message.data.channels)], message.data.resume_from ?? null, source);
  }
  return null;
}

/** Puts a socket in charge of the open orders, or takes it out; a client that says nothing of it changes nothing. */
function takeCharge(socket: AccountSocket, wanted: boolean | undefined, { absence }: StreamSource): void {
  const { guard, ...kept } = socket.kept;
  if (wanted === true) socket.kept = { ...kept, guard: absence.guard(guard) };
  if (wanted !== false || guard === undefined) return;
  absence.unguard(guard);
  socket.kept = kept;
}

function parse(bytes: Uint8Array | ArrayBuffer): { value: unknown } | null {
  try {
    return { value: JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)) };
  } catch {
    // Not JSON: the client is told so, which is all there is to do.
    return null;
  }
}

/** Tells a client what was wrong with its message, with the code that HTTP has for it. */
export function sendError(socket: AccountSocket, code: RefusalCode, detail: string): void {
  socket.send(JSON.stringify({ type: "error", code, detail }));
}

function subscribe(socket: AccountSocket, channels: Channel[], resumeFrom: number | null, source: StreamSource): void {
  const { seq, base } = source.state;
  const oldest = Math.max(base.seq, seq - STREAM_REPLAY_EVENTS_MAX);
  if (resumeFrom !== null && resumeFrom <= seq && resumeFrom >= oldest) {
    keepSubscription(socket, { channels, lastSeq: resumeFrom });
    publish(socket, source.reads.eventsAfter(resumeFrom, STREAM_REPLAY_EVENTS_MAX));
    return;
  }
  for (const channel of channels) {
    if (resumeFrom !== null) socket.send(JSON.stringify({ type: "gap", channel, oldest_seq: oldest }));
    socket.send(JSON.stringify({ type: "snapshot", channel, seq, data: snapshot(channel, source) }));
  }
  keepSubscription(socket, { channels, lastSeq: seq });
}

function keepSubscription(socket: AccountSocket, subscription: Subscription): void {
  socket.kept = { ...socket.kept, subscription };
}

function snapshot(channel: Channel, source: StreamSource): unknown[] {
  if (channel === "orders") return [...source.state.orders.values()].map(wireOrder);
  if (channel === "balances") return source.view().balances.map(wireBalance);
  return source.reads.fills({ limit: PAGE_ROWS_DEFAULT, cursor: null, symbol: null, orderId: null }).data.map(wireFill);
}

/** Sends what a socket has subscribed to of some events, each message with its own number and the one before it. */
export function publish(socket: AccountSocket, events: readonly AccountEvent[]): void {
  const { subscription } = socket.kept;
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
  if (lastSeq !== subscription.lastSeq) keepSubscription(socket, { channels, lastSeq });
}
