// How an operator mends the read model: what was given up is sent again, and all of it can be made anew from the journals.
import { eq, sql } from "drizzle-orm";
import { type MailBinding, mailQueue } from "../../bindings/mail.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { PULLED, readHeads, type Source } from "../../db/heads.ts";
import {
  balances,
  deadLetters,
  executions,
  ledgerEntries,
  orders,
  projectionHeads,
  projectionSlices,
  trades,
  transfers,
} from "../../db/read-model.ts";
import { keepTraders } from "../../db/traders.ts";
import { log } from "../../log.ts";
import type { OperatorAct } from "../../objects/protocol.ts";
import { askJournal, type Journalled, journalQueue, type ObjectBindings, sendPulls } from "../../objects/stubs.ts";
import { keepsJournal } from "./journals.ts";
import { sweep } from "./scheduled.ts";

type RepairBindings = ObjectBindings & DatabaseBinding;
type LetterBindings = RepairBindings & MailBinding;

/**
 * Puts a dead letter into the queue that it comes from once more, or has the page of a journal fetched that was one; it stays
 * listed, with the time. Applying it twice changes nothing; if it dies again, its count says so. Refuses `not_found`, and `unavailable`
 * while queue or D1 are away.
 */
export async function replayDeadLetter(env: LetterBindings, id: string, act: OperatorAct, nowMs: number) {
  const db = database(env);
  const found = await guardD1(
    db.select({ queue: deadLetters.queue, body: deadLetters.body }).from(deadLetters).where(eq(deadLetters.id, id)),
  );
  if (!found.ok) return found;
  const [letter] = found.value;
  if (letter === undefined) return refuse({ code: "not_found" });
  const sent = await sendAgain(env, letter);
  if (!sent.ok) return sent;
  const marked = await guardD1(db.update(deadLetters).set({ replayedAt: nowMs }).where(eq(deadLetters.id, id)));
  if (!marked.ok) return marked;
  logAct("dead_letter_replayed", act, { id });
  return ok({ id, replayed_at: wireTime(nowMs) });
}

const QUEUE_AWAY = refuse({
  code: "unavailable",
  detail: "The queue does not take messages at the moment.",
});

async function sendAgain(env: LetterBindings, letter: { queue: string; body: string }): Promise<Result<null>> {
  // No message holds a page: its object is asked for it once more.
  if (letter.queue === PULLED)
    return (await sendPulls(env, [JSON.parse(letter.body) as Source])) ? ok(null) : QUEUE_AWAY;
  // Named tradepost-mail-dlq, or as a deployment names it: what is not mail is the journal's.
  const queue = letter.queue.includes("-mail") ? mailQueue(env) : journalQueue(env);
  try {
    await queue.send(JSON.parse(letter.body));
    return ok(null);
  } catch (error) {
    log("error", "queue_failed", { message: String(error) });
    return QUEUE_AWAY;
  }
}

/**
 * Has an object's journal fetched, from the first event that D1 has not applied. Refuses `not_found` for what keeps no
 * journal, and `unavailable` while the object, D1 or the queue is away.
 */
export async function replayJournal(env: RepairBindings, journalled: Journalled, act: OperatorAct) {
  if (!keepsJournal(env, journalled)) return refuse({ code: "not_found" });
  const head = await askJournal(env, journalled, (journal) => journal.head());
  if (head === null) return refuse({ code: "unavailable", detail: "The object cannot be reached at the moment." });
  // An object that was never used has been made by the question; it has nothing to send.
  if (head.seq === 0) return refuse({ code: "not_found" });
  const source = { object: journalled.object, name: journalled.name, epoch: head.epoch };
  const heads = await readHeads(database(env), [source]);
  if (!heads.ok) return heads;
  if (!(await sendPulls(env, [source]))) return QUEUE_AWAY;
  logAct("journal_replayed", act, { ...source });
  return ok({ ...source, seq: head.seq, applied_seq: heads.value[0] ?? 0 });
}

/**
 * Empties what journals have made of D1, in one batch, and has all of them fetched again: those of the first two hundred
 * objects now, the others as the sweeper comes to them. Until then lists are short; nothing else is touched, and who has traded
 * where is kept. Refuses `unavailable`.
 */
export async function rebuildReadModel(env: RepairBindings, act: OperatorAct, nowMs: number) {
  const db = database(env);
  const emptied = await guardD1(
    db.batch([
      keepTraders(db, sql`true`),
      db.delete(projectionHeads),
      db.delete(projectionSlices),
      db.delete(orders),
      db.delete(executions),
      db.delete(ledgerEntries),
      db.delete(balances),
      db.delete(transfers),
      db.delete(trades),
    ]),
  );
  if (!emptied.ok) return emptied;
  logAct("read_model_rebuilt", act, {});
  const { replayed } = await sweep(env, nowMs, 0);
  return ok({ replayed });
}

function logAct(event: string, { by, reason }: OperatorAct, facts: Record<string, unknown>): void {
  log("warn", event, { by, reason, ...facts });
}
