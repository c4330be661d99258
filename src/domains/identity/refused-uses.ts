// How often ended sessions were tried: counted in the isolate and written together, since a refusal must stay cheaper than
// what it refuses.

import { eq, sql } from "drizzle-orm";
import { type Database, guardD1 } from "../../db/client.ts";
import { sessions } from "../../db/tables.ts";

/** How long uses of one session gather before they are written. */
const GATHER_MS = 1_000;
/** A request that was cut off leaves its count behind; nobody counts into it for longer than this. */
const GATHERING_MAX_MS = 10_000;

const gathering = new Map<string, { count: number; since: number }>();

/** Counts one use; an isolate writes each session once a second at most, and loses what it has when it ends. Never throws. */
export async function noteRefusedUse(db: Database, sessionId: string): Promise<void> {
  const known = gathering.get(sessionId);
  if (known !== undefined && Date.now() - known.since < GATHERING_MAX_MS) {
    known.count += 1;
    return;
  }
  const mine = { count: 1, since: Date.now() };
  gathering.set(sessionId, mine);
  await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
  if (gathering.get(sessionId) === mine) gathering.delete(sessionId);
  const refusedUses = sql`${sessions.refusedUses} + ${mine.count}`;
  await guardD1(db.update(sessions).set({ refusedUses }).where(eq(sessions.id, sessionId)));
}
