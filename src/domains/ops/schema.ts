// What operators see of the read model and of the objects, and how they ask for it.
import { z } from "@hono/zod-openapi";
import { isTypeId } from "../../core/ids.ts";
import { findMarket } from "../../core/listings.ts";
import { symbolFilter } from "../../http/market-shape.ts";
import { BODY_CODES, pageOf, pageQuery, TOKEN_CODES, timestampOut } from "../../http/openapi.ts";
import { reasonIn } from "../../http/operator-act.ts";
import { orderOut } from "../../http/order-shape.ts";

/** What an operator's act may be refused with. */
export const ACTING_CODES = [...TOKEN_CODES, ...BODY_CODES] as const;

/** The contract's order with the account that it belongs to. */
export const adminOrderOut = orderOut.extend({ account_id: z.string() }).openapi("AdminOrder");

/** A message that could not be applied; `count` is how often it came, `body` the message as text. */
export const deadLetterOut = z
  .object({
    id: z.string(),
    queue: z.string(),
    subject: z.string(),
    reason: z.string(),
    body: z.string(),
    count: z.int(),
    at: timestampOut,
    last_at: timestampOut,
    replayed_at: timestampOut.nullable(),
  })
  .openapi("DeadLetter");

/** How far the read model has applied one object's journal. */
export const projectionOut = z
  .object({
    object: z.enum(["account", "market"]),
    name: z.string(),
    epoch: z.int(),
    applied_seq: z.int(),
    applied_at: timestampOut,
  })
  .openapi("Projection");

/** Which orders of all accounts are wanted. */
export const adminOrderQuery = pageQuery.extend({
  symbol: symbolFilter.optional(),
  status: z.enum(["open", "closed", "all"]).default("all"),
  account_id: z.string().min(1).max(64).optional(),
});

/** All objects, or one by its name. */
export const projectionQuery = pageQuery.extend({ name: z.string().min(1).max(128).optional() });

/** Any name makes an object: what cannot be an account's, and what is not listed, is not found. */
const accountId = z.string().refine((text) => isTypeId("acc", text));
const symbol = z.string().refine((text) => findMarket(text) !== undefined);

export const accountPath = z.object({ account_id: accountId });
export const marketPath = z.object({ symbol });
export const pairPath = z.object({ account_id: accountId, symbol });

/** The pairs that one object has parked, and why it stopped if it did; `waiting` counts messages not sent. */
export const parkedOut = pageOf(
  z.object({ peer: z.string(), reason: z.string(), since: timestampOut, waiting: z.int() }).openapi("ParkedPair"),
)
  .extend({ stopped: z.string().nullable() })
  .openapi("Parked");

export const restorationOut = z
  .object({ epoch: z.int(), restoring: z.boolean(), unmet: z.array(z.string()), breaks: z.array(z.string()) })
  .openapi("Restoration");

/** One event of an object's journal, as it is stored. */
export const journalEventOut = z.string().openapi("JournalEvent");

const snapshotIn = {
  epoch: z.int().min(2),
  after: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
};
const eventsIn = z.array(z.string().min(1));

/** `journal`: events as stored, behind the first `after` of those that the object keeps for this epoch. */
export const snapshotPartIn = z
  .strictObject({ ...snapshotIn, journal: eventsIn.default([]), reason: reasonIn })
  .openapi("SnapshotPartIn");

/** How many events are kept. */
export const snapshotPartOut = z.object({ events: z.int() }).openapi("SnapshotPart");

/**
 * `journal`: the snapshot's events as stored, behind the first `after` of those that were handed in before; without any, the object's
 * own storage was brought back. `replace`: what the object has stored is thrown away for them, and where there are none an empty list
 * says so.
 */
export const restoreIn = z
  .strictObject({
    ...snapshotIn,
    journal: eventsIn.optional(),
    replace: z.boolean().default(false),
    reason: reasonIn,
  })
  .openapi("RestoreIn");

/** `expected`: accounts that may know more of this market than its snapshot, besides those of which the read model has an order there. */
export const restoreMarketIn = restoreIn
  .extend({ expected: z.array(accountPath.shape.account_id).default([]) })
  .openapi("RestoreMarketIn");

/** Whose journal: an account by its id, a market as `<venue>/<symbol>`. */
export const replayIn = z
  .strictObject({
    object: z.enum(["account", "market"]),
    name: z.string().min(1).max(128),
    reason: reasonIn,
  })
  .openapi("JournalReplayIn");

/** Where the object's journal is, and the read model before what follows is fetched. */
export const replayOut = z
  .object({
    object: z.enum(["account", "market"]),
    name: z.string(),
    epoch: z.int(),
    seq: z.int(),
    applied_seq: z.int(),
  })
  .openapi("JournalReplay");

export const deadLetterPath = z.object({ id: z.string().min(1).max(64) });
export const replayedOut = z.object({ id: z.string(), replayed_at: timestampOut }).openapi("DeadLetterReplay");
/** How many journals are fetched. */
export const rebuildOut = z.object({ replayed: z.int() }).openapi("ReadModelRebuild");
