// What stands for the events that a journal has been cut by: the state that they led to, item by item, in their own numbers. So a cut
// journal is a journal: whoever replays, copies or projects it needs to know no more (docs/adr/0032-retention.md).
import { encode } from "./codec.ts";
import { BASE_PART_CHARS } from "./limits.ts";

/**
 * Where a journal begins: up to `seq` its events are gone, of which the last was not after `at`, in ms. `by`: the event that says so; 0
 * where a base alone tells it.
 */
export interface Base {
  seq: number;
  at: number;
  by: number;
}

/** Nothing has been cut. */
export const UNCUT: Base = { seq: 0, at: 0, by: 0 };

/** Where a journal begins after it has said that it was cut: an older cut, which it goes on telling, takes nothing back. */
export function baseAfter(base: Base, { through, before, seq }: Cut & { seq: number }): Base {
  const isNews = through > base.seq || (through === base.seq && base.by === 0);
  return isNews ? { seq: through, at: before, by: seq } : base;
}

/**
 * A journal says itself that it has been cut: up to the event `through`, all that was at or before the time `before`, in ms. The read
 * model forgets the same by it.
 */
export interface Cut {
  kind: "cut";
  through: number;
  before: number;
}

/** Items put together to parts of at most {@link BASE_PART_CHARS}, but at least one item each. */
function partsOf<Item>(items: readonly Item[]): Item[][] {
  const parts: Item[][] = [];
  let room = 0;
  for (const item of items) {
    const chars = encode(item).length;
    const last = parts.at(-1);
    if (last !== undefined && chars <= room) last.push(item);
    else {
      parts.push([item]);
      room = BASE_PART_CHARS;
    }
    room -= chars;
  }
  return parts;
}

/** An event that stands for others. `more`: the base goes on in the next one. */
export interface StandIn<Item> {
  kind: "kept" | "base";
  items: Item[];
  more?: true;
  first: number;
  seq: number;
  v: 1;
  at: number;
}

/**
 * The events that take the numbers after `after` up to `through`, in which there is first what is `kept` for ever, then the `base`. The
 * first takes all numbers that the others do not: who stands before its end meets all of them. Null when there are not enough numbers.
 */
export function standIns<Kept, Item>(
  { after, through, at }: { after: number; through: number; at: number },
  kept: readonly Kept[],
  base: readonly Item[],
): StandIn<Kept | Item>[] | null {
  const bases = partsOf(base);
  const parts = [
    ...partsOf(kept).map((items) => ({ kind: "kept" as const, items })),
    ...bases.map((items, nth) => ({
      kind: "base" as const,
      items,
      ...(nth < bases.length - 1 ? { more: true as const } : {}),
    })),
  ];
  if (parts.length > through - after) return null;
  return parts.map((part, nth) => {
    const seq = through - parts.length + 1 + nth;
    return { ...part, first: nth === 0 ? after + 1 : seq, seq, v: 1, at };
  });
}

/** Events without a base at their end that goes on in what is not there. */
export function wholeBase<Event extends { kind: string }>(events: readonly Event[]): readonly Event[] {
  const last = events.at(-1);
  if (last === undefined || !isOpenBase(last)) return events;
  return events.slice(0, events.findIndex(isOpenBase));
}

/** Whether a journal cannot end with an event: what stands for others goes on in the next one, up to the end of the base. */
export function goesOn(event: { kind: string }): boolean {
  return event.kind === "kept" || isOpenBase(event);
}

function isOpenBase(event: { kind: string }): boolean {
  return event.kind === "base" && "more" in event;
}

/** Why reports after one can no longer be told: the next that is there is a later one. Null when it is there, or there is none. */
export function goneConflict(after: number, last: number, next: number | undefined): string | null {
  if (after >= last || next === after + 1) return null;
  return `conflict: report ${after + 1} has been archived, and is told no more`;
}
