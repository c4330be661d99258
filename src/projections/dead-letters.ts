// What could not be applied is kept for a person to look at, and said out loud. Nothing is dropped here.
import { sql } from "drizzle-orm";
import { typeId } from "../core/ids.ts";
import { DEAD_LETTER_RETRY_SECONDS } from "../core/limits.ts";
import { type Database, database, type Guarded, guardD1 } from "../db/client.ts";
import { sourceKey } from "../db/heads.ts";
import { deadLetters } from "../db/read-model.ts";
import { log } from "../log.ts";
import { readMessage, subjectOf } from "./slice.ts";

/** A message that could not be applied, and why. `subject` null: it does not say whose it is. */
export interface DeadLetter {
  queue: string;
  subject: string | null;
  reason: string;
  body: unknown;
}

/** Stores a dead letter; one of the same queue and subject counts up the row that is there. */
export async function storeDeadLetter(db: Database, letter: DeadLetter, atMs: number): Promise<Guarded<unknown>> {
  const { queue, reason } = letter;
  const body = JSON.stringify(letter.body) ?? String(letter.body);
  const subject = letter.subject ?? `sha256 ${await sha256(body)}`;
  const id = typeId("dlt", atMs, crypto.getRandomValues(new Uint8Array(10)));
  log("error", "dead_letter", { queue, subject, reason });
  const row = { id, queue, subject, reason, body, count: 1, at: atMs, lastAt: atMs };
  const set = {
    reason,
    body,
    count: sql`${deadLetters.count} + 1`,
    lastAt: sql`max(${deadLetters.lastAt}, excluded.last_at)`,
  };
  return guardD1(
    db
      .insert(deadLetters)
      .values(row)
      .onConflictDoUpdate({ target: [deadLetters.queue, deadLetters.subject], set }),
  );
}

/** Takes what a queue has given up on. While D1 is away the letters stay in their queue. */
export async function consumeDeadLetters(batch: MessageBatch, env: { DB: D1Database }): Promise<void> {
  const db = database(env);
  for (const message of batch.messages) {
    const letter = { queue: batch.queue, ...judged(batch.queue, message.body), body: message.body };
    const stored = await storeDeadLetter(db, letter, Date.now());
    if (stored.ok) message.ack();
    else message.retry({ delaySeconds: DEAD_LETTER_RETRY_SECONDS });
  }
}

/** Whose a message is and why it died, as far as it says so: the queues of others are not this file's to read. */
function judged(queue: string, body: unknown): Pick<DeadLetter, "subject" | "reason"> {
  if (!queue.includes("journal")) return { subject: null, reason: "not done in all its tries" };
  const read = readMessage(body);
  const reason = "not applied in all its tries";
  if (read.kind === "slice") return { subject: subjectOf(read.slice), reason };
  if (read.kind === "pull") return { subject: sourceKey(read.source), reason };
  return { subject: read.kind === "invalid" ? read.subject : null, reason: read.reason };
}

async function sha256(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
