// What a user sees of writes that could not be done, and that they have seen it.
import { ok, type Result } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { type Conflict, taskIdOf, type WriteAct } from "../../core/write-buffer.ts";
import { problemOf } from "../../http/problem.ts";
import type { Page, PageRequest } from "../../objects/protocol.ts";
import { callObject, type ObjectBindings, writeBufferStub } from "../../objects/stubs.ts";

type Buffers = Pick<ObjectBindings, "WRITE_BUFFER">;

/** The user's conflicts, newest first. Refuses `unavailable`. */
export function listConflicts(env: Buffers, userId: string, query: PageRequest): Promise<Result<Page<Conflict>>> {
  return callObject(async () => ok(await writeBufferStub(env, userId).conflicts(query)));
}

/** Forgets one of the user's conflicts. Refuses `not_found`, and `unavailable`. */
export function dismissConflict(env: Buffers, userId: string, writeId: string): Promise<Result<null>> {
  return callObject(() => writeBufferStub(env, userId).dismiss(writeId));
}

/** A conflict as answers show it: with the words that its refusal would have been answered with. */
export function wireConflict({ write, refusal, foundAt }: Conflict) {
  const { code, detail } = problemOf(refusal, "", "");
  return {
    ...{ id: write.id, kind: write.act.kind, task_id: taskIdOf(write), wanted: wantedOf(write.act) },
    ...{ asked_at: wireTime(write.at), found_at: wireTime(foundAt), code, detail },
    ...(refusal.code === "precondition_failed" ? { version: refusal.version } : {}),
  };
}

function wantedOf(act: WriteAct): Record<string, unknown> {
  if (act.kind === "profile.change") return { ...act.change };
  if (act.kind === "task.move") return { status: act.to };
  const { title, notes, dueAt } = act.kind === "task.create" ? act.wish : act.change;
  const due = dueAt === undefined ? {} : { due_at: dueAt === null ? null : wireTime(dueAt) };
  return { ...(title === undefined ? {} : { title }), ...(notes === undefined ? {} : { notes }), ...due };
}
