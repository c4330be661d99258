// From the queue into the audit trail, at least once: an event has its id, and comes to stand there once.
import { AUDIT_RETRIES_MAX, SLICE_RETRY_FIRST_SECONDS, SLICE_RETRY_MAX_SECONDS } from "../../core/limits.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { auditEvents } from "../../db/edge-tables.ts";
import { log } from "../../log.ts";
import { auditMessage } from "./schema.ts";

/**
 * Writes a batch of events. While D1 is away they come again, later and later; what is no event, and what has come again for
 * most of a day, is a line in the log with all it says.
 */
export async function consumeAudit(batch: MessageBatch, env: DatabaseBinding): Promise<void> {
  const db = database(env);
  for (const message of batch.messages) {
    const event = auditMessage.safeParse(message.body);
    if (!event.success) {
      log("error", "audit_not_understood", { message: event.error.message, audit: message.body });
      message.ack();
      continue;
    }
    const { v: _, ...row } = event.data;
    const written = await guardD1(db.insert(auditEvents).values(row).onConflictDoNothing());
    if (written.ok) message.ack();
    else if (message.attempts > AUDIT_RETRIES_MAX) {
      log("error", "audit_not_written", { audit: row });
      message.ack();
    } else message.retry({ delaySeconds: pauseAfter(message.attempts) });
  }
}

function pauseAfter(attempts: number): number {
  return Math.min(SLICE_RETRY_MAX_SECONDS, SLICE_RETRY_FIRST_SECONDS * 2 ** Math.min(attempts, 10));
}
