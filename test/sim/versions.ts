// The version before and the version after, taking turns on the wire and on the journals (protocol rule 16): now and then a
// message passes, or a row is stored, as one of them would write it.
import { decode, encode } from "../../src/core/codec.ts";
import type { SqlValue } from "../../src/objects/ports.ts";
import type { Timeline } from "./timeline.ts";

type Fields = Record<string, unknown>;

/** What one version says to the other, and how likely it is not said by this one. */
export class Versions {
  readonly #timeline: Timeline;
  readonly #rate: () => number;

  constructor(timeline: Timeline, rate: () => number) {
    this.#timeline = timeline;
    this.#rate = rate;
  }

  /** A call as some version makes it. `unknown`: it asks for something that only a later one knows. */
  call<T>(call: T): { call: T; unknown: boolean } {
    const said = this.#said(call);
    const list = listOf(said as Fields);
    const unknown = list.length > 0 && this.#timeline.strikes("said_unknown_kind", this.#rate() / 4);
    if (unknown) makeUnknown(list);
    return { call: said, unknown };
  }

  /** An answer as some version gives it. */
  answer<T>(answer: T): T {
    const said = this.#said(answer);
    const list = listOf(said as Fields);
    if (list.length > 0 && this.#timeline.strikes("answered_unknown_kind", this.#rate() / 4)) makeUnknown(list);
    return said;
  }

  #said<T>(message: T): T {
    if (this.#timeline.strikes("said_by_version_before", this.#rate())) leaveOut(message as Fields);
    else if (this.#timeline.strikes("said_by_version_after", this.#rate())) addUnknown(message as Fields);
    return message;
  }

  /** A statement's bindings: what is stored in a journal may have fields that only a later version knows. */
  stored(query: string, bindings: SqlValue[]): SqlValue[] {
    if (!query.startsWith("INSERT INTO journal")) return bindings;
    if (!this.#timeline.strikes("stored_by_version_after", this.#rate())) return bindings;
    const body = decode<Fields>(String(bindings.at(-1)));
    return [...bindings.slice(0, -1), encode({ ...body, later: { amount: 1n, why: "$" } })];
  }
}

/** The fields that the code says the version before leaves out. */
function leaveOut(message: Fields): void {
  // An answer, in which the epoch is what is left out; a call of the version before names it.
  if ("outcome" in message) delete message["epoch"];
  else delete message["to"];
  for (const command of listOf(message)) {
    const order = command["order"];
    if (typeof order === "object" && order !== null) delete (order as Fields)["origin"];
  }
}

function addUnknown(message: Fields): void {
  message["later"] = { amount: 1n };
  for (const one of listOf(message)) {
    one["later"] = "unknown";
    for (const part of ["order", "fill"]) {
      const inner = one[part];
      if (typeof inner === "object" && inner !== null) (inner as Fields)["later"] = 1;
    }
  }
}

/** The commands or reports of a message. */
function listOf({ commands, reports }: Fields): Fields[] {
  return [commands, reports].flatMap((list) => (Array.isArray(list) ? (list as Fields[]) : []));
}

/** The last one becomes something that only a later version knows. */
function makeUnknown(list: Fields[]): void {
  const last = list.at(-1);
  if (last === undefined) return;
  if ("execType" in last) last["execType"] = "amended";
  else last["kind"] = "amend";
}
