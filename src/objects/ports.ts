// What an object's logic needs of the world. The shells fill it with the platform, the simulator with its own.
import type { Sha256 } from "../core/ledger.ts";
import type { MakeId } from "../core/messages.ts";
import type { JournalSlice } from "./protocol.ts";

/** What a column holds or a statement is bound to; amounts go through core/money.ts. */
export type SqlValue = string | number | null;

/** Runs one statement of the object's own SQLite, synchronously, and answers its rows. */
export type Sql = <Row extends Record<string, SqlValue>>(query: string, ...bindings: SqlValue[]) => Row[];

/** The ports every object has. */
export interface ObjectPorts {
  /** The object's name: an account id, or `<venue>/<symbol>`. */
  name: string;
  sql: Sql;
  /** Runs `work` as one transaction: all of it or nothing. After a throw, memory is read again from what is stored. */
  tx: <T>(work: () => T) => T;
  /** Milliseconds since the epoch. */
  now: () => number;
  makeId: MakeId;
  sha256: Sha256;
  /** The one alarm: `set` in the transaction that makes it due. */
  alarm: { set: (atMs: number) => void };
  queue: JournalQueue;
  /** Whether so much is stored that only cancels may be taken any more, as of a moment ago. */
  isFull: () => boolean;
  /** Says that something must be looked at by a person: a broken invariant, a parked pair. */
  alert: (message: string) => void;
}

/** The way to the read model. */
export interface JournalQueue {
  /** Hands over one slice; resolves once the queue has taken it. */
  send: (slice: JournalSlice) => Promise<void>;
  /** Asks for a flush in a short while: many commits go as one slice. */
  wake: () => void;
}
