// The envelope of journal slices: what a message from the queue is, and whether this version can apply it.
import { z } from "zod";
import type { AccountEvent } from "../core/account/state.ts";
import { type Encoded, readEncoded } from "../core/codec.ts";
import { isEventHead } from "../core/event-head.ts";
import type { MarketEvent } from "../core/market/state.ts";
import type { Source } from "../db/heads.ts";
import { accountRows, marketRows, type Rows } from "./rows.ts";

/** One journalled event: the stream numbers that it takes, and its rows. */
export interface SliceEvent {
  first: number;
  seq: number;
  rows: Rows;
}

/** A slice that can be applied: events that follow each other from `from` to `to`, and their bodies as they were sent. */
export interface Slice {
  source: Source;
  from: number;
  to: number;
  events: SliceEvent[];
  bodies: string[];
}

/**
 * `later`: from a newer version of the product, so it is asked for again (protocol rule 16). `invalid`: from none; `subject`
 * names the slice as far as it can be told.
 */
export type ReadSlice =
  | { kind: "slice"; slice: Slice }
  | { kind: "later"; reason: string }
  | { kind: "invalid"; reason: string; subject: string | null };

const seq = z.int().positive();
const versioned = z.looseObject({ v: z.int() });
const envelope = z.object({
  object: z.string().min(1).max(32),
  name: z.string().min(1).max(128),
  epoch: z.int().positive(),
  from: seq,
  to: seq,
  events: z.array(z.string()).min(1),
});

const pull = z.object({
  v: z.literal(2),
  kind: z.literal("pull"),
  object: z.enum(["account", "market"]),
  name: z.string().min(1).max(128),
  epoch: z.int().positive(),
});

/** Says what a message of the journal queue is: a slice, or the wish that a journal be fetched. Never throws. */
export function readMessage(body: unknown): ReadSlice | { kind: "pull"; source: Source } {
  const wish = pull.safeParse(body);
  if (!wish.success) return readSlice(body);
  const { object, name, epoch } = wish.data;
  return { kind: "pull", source: { object, name, epoch } };
}

/** Says what a slice is. Never throws. */
export function readSlice(body: unknown): ReadSlice {
  const version = versioned.safeParse(body);
  if (version.success && version.data.v !== 1) return { kind: "later", reason: `slice version ${version.data.v}` };
  const parsed = envelope.safeParse(body);
  if (!version.success || !parsed.success) return { kind: "invalid", reason: "not a journal slice", subject: null };
  const { object, name, epoch, from, to, events: bodies } = parsed.data;
  if (object !== "account" && object !== "market") return { kind: "later", reason: `object ${object}` };
  const source: Source = { object, name, epoch };
  const events: SliceEvent[] = [];
  for (const text of bodies) {
    const read = readEvent(source, text);
    if (read.kind === "later") return read;
    if (read.kind === "invalid") return { ...read, subject: subjectOf({ source, from }) };
    events.push(read.event);
  }
  if (!followEachOther(events, from, to)) {
    return { kind: "invalid", reason: "events that do not follow each other", subject: subjectOf({ source, from }) };
  }
  return { kind: "slice", slice: { source, from, to, events, bodies } };
}

/** What a dead letter is filed under: whichever part of an object's journal is stuck, once. */
export function subjectOf({ source, from }: Pick<Slice, "source" | "from">): string {
  return `${source.object} ${source.name} ${source.epoch} ${from}`;
}

type ReadEvent =
  | { kind: "event"; event: SliceEvent }
  | { kind: "later"; reason: string }
  | { kind: "invalid"; reason: string };

function readEvent(source: Source, text: string): ReadEvent {
  try {
    const decoded = readEncoded<unknown>(text);
    if (!isEventHead(decoded)) return { kind: "invalid", reason: "a body that is no event" };
    if (decoded.v !== 1) return { kind: "later", reason: `event version ${decoded.v}` };
    // What the head promises of the rest is the writer's word; a broken one throws here or breaks a constraint in D1.
    const rows =
      source.object === "account"
        ? accountRows(source, decoded as object as Encoded<AccountEvent>)
        : marketRows(source, decoded as object as Encoded<MarketEvent>);
    if (rows === null) return { kind: "later", reason: `event kind ${decoded.kind}` };
    const first = decoded.first ?? (source.object === "market" ? decoded.seq : undefined);
    if (first === undefined) return { kind: "invalid", reason: "an event without its first stream number" };
    return { kind: "event", event: { first, seq: decoded.seq, rows } };
  } catch (error) {
    return { kind: "invalid", reason: `an event that cannot be read: ${String(error)}` };
  }
}

function followEachOther(events: readonly SliceEvent[], from: number, to: number): boolean {
  let last = from - 1;
  for (const event of events) {
    if (event.first !== last + 1 || event.seq < event.first) return false;
    last = event.seq;
  }
  return last === to;
}
