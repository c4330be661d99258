// Writes of one user that wait for the database: in which order they go, what tasks look like meanwhile, and what becomes of a
// write that cannot be done any more. The object that keeps them only does what is decided here.
import { BUFFER_BYTES_MAX, BUFFER_WRITES_MAX } from "./limits.ts";
import { ok, type Refusal, type Result, refuse } from "./result.ts";
import { changeTask, moveTask, newTask, type Task, type TaskChange, type TaskMove, type TaskWish } from "./tasks.ts";

/** What of a profile can be changed while the database is away; what is left out stays. */
export interface ProfileChange {
  locale?: string | undefined;
  notifications?: { [K in NotificationKind]?: boolean | undefined } | undefined;
}

const NOTIFICATION_KINDS = ["new_device", "orders", "news"] as const;
type NotificationKind = (typeof NOTIFICATION_KINDS)[number];

/** What a write does. A task's id is made before it is written: done again it is the same row. */
export type WriteAct =
  | { kind: "task.create"; taskId: string; wish: TaskWish }
  | { kind: "task.change"; taskId: string; expected: number; change: TaskChange }
  | { kind: "task.move"; taskId: string; to: TaskMove }
  | { kind: "profile.change"; change: ProfileChange };

/** A write of a user, under an id of its own by which it is done once. `at` is when it was asked for, in ms. */
export interface Write {
  id: string;
  userId: string;
  at: number;
  act: WriteAct;
}

/** A write that could not be done when its turn came, and why. `foundAt` in ms. */
export interface Conflict {
  seq: number;
  write: Write;
  refusal: Refusal;
  foundAt: number;
}

/** What trying a write has shown: it is done, now or before; it cannot be done; or nobody knows, since the database is away. */
export type Outcome = { kind: "done" } | { kind: "refused"; refusal: Refusal } | { kind: "away" };

const FULL: Refusal = {
  code: "unavailable",
  detail: "Too many of your changes wait, for the database or for you: GET /v1/writes/conflicts shows the latter.",
};

/** The task that a write is about; null for a profile's. */
export function taskIdOf({ act }: Write): string | null {
  return act.kind === "profile.change" ? null : act.taskId;
}

/** A task after one write of those that wait, by the rules that hold in the database too. A task that is there is not made again. */
export function writtenTask(task: Task | undefined, { userId, at, act }: Write): Result<Task> {
  switch (act.kind) {
    case "task.create":
      return task === undefined ? newTask({ id: act.taskId, userId }, act.wish, at) : ok(task);
    case "task.change":
      return changeTask(task, act.expected, act.change, at);
    case "task.move":
      return moveTask(task, act.to, at);
    case "profile.change":
      return refuse({ code: "not_found" });
  }
}

/** A task as it will be once what waits is done. What will be refused then changes nothing. */
export function foreseenTask(task: Task | undefined, waiting: readonly Write[]): Task | undefined {
  return waiting.reduce((before: Task | undefined, write) => {
    const after = writtenTask(before, write);
    return after.ok ? after.value : before;
  }, task);
}

/**
 * What of a task is known without the database: all of it where its creation waits, else what the writes that wait say. A version
 * is known right after a change that named one.
 */
export function foreseenFields(taskId: string, waiting: readonly Write[]): Partial<Task> & { id: string } {
  const own = waiting.filter((write) => taskIdOf(write) === taskId);
  const whole = own.some(({ act }) => act.kind === "task.create") ? foreseenTask(undefined, own) : undefined;
  if (whole !== undefined) return whole;
  let known: Partial<Task> & { id: string } = { id: taskId };
  for (const { act, at } of own) {
    const { version: _, ...rest } = known;
    if (act.kind === "task.move")
      known = { ...rest, ...(act.to === "deleted" ? { deletedAt: at } : { status: act.to }) };
    if (act.kind !== "task.change") continue;
    const { title, notes, dueAt } = act.change;
    const said = { ...(title === undefined ? {} : { title }), ...(notes === undefined ? {} : { notes }) };
    known = { ...rest, ...said, ...(dueAt === undefined ? {} : { dueAt }), version: act.expected + 1 };
  }
  return known;
}

/** A profile's choices as they will be once what waits is done. */
export function foreseenProfile<P extends { locale: string; notifications: Record<NotificationKind, boolean> }>(
  profile: P,
  waiting: readonly Write[],
): P {
  let { locale } = profile;
  const notifications = { ...profile.notifications };
  for (const { act } of waiting) {
    if (act.kind !== "profile.change") continue;
    locale = act.change.locale ?? locale;
    for (const kind of NOTIFICATION_KINDS)
      notifications[kind] = act.change.notifications?.[kind] ?? notifications[kind];
  }
  return { ...profile, locale, notifications };
}

/** How full a buffer is: bytes of what waits, and conflicts that their owner has not dismissed. */
export interface Fullness {
  bytes: number;
  conflicts: number;
}

/** What came of writes that were to wait: all that wait now, and those that were refused, with the reason. */
export interface Kept {
  waiting: Write[];
  refused: { id: string; refusal: Refusal }[];
}

/**
 * Whether a write is to wait behind the others: false for one that waits already. Refuses the id of one that does something else
 * (`idempotency_key_reused`: ids are made of keys), `unavailable` when there is no room, and what the writes before it show
 * already: `not_found` for a task that they delete, `precondition_failed` for a version that they have moved on from.
 */
export function judgeWrite(waiting: readonly Write[], full: Fullness, write: Write): Result<boolean> {
  const known = waiting.find(({ id }) => id === write.id);
  if (known !== undefined) {
    const isSame = JSON.stringify(known.act) === JSON.stringify(write.act);
    return isSame ? ok(false) : refuse({ code: "idempotency_key_reused" });
  }
  if (waiting.length + full.conflicts >= BUFFER_WRITES_MAX || full.bytes > BUFFER_BYTES_MAX) return refuse(FULL);
  const own = waiting.filter((one) => taskIdOf(one) !== null && taskIdOf(one) === taskIdOf(write));
  const last = own.at(-1)?.act;
  if (last === undefined || write.act.kind === "profile.change") return ok(true);
  if (own[0]?.act.kind === "task.create") {
    const judged = writtenTask(foreseenTask(undefined, own), write);
    return judged.ok ? ok(true) : judged;
  }
  if (own.some(({ act }) => act.kind === "task.move" && act.to === "deleted")) {
    return refuse({ code: "not_found", detail: "There is no such task." });
  }
  const isLate =
    last.kind === "task.change" && write.act.kind === "task.change" && write.act.expected !== last.expected + 1;
  return isLate ? refuse({ code: "precondition_failed", version: last.expected + 1 }) : ok(true);
}

/** What is to be taken off a buffer after its first write was tried: done, or in conflict. */
export interface Step {
  done: Write[];
  conflicts: { write: Write; refusal: Refusal }[];
}

/**
 * What trying the first of the waiting writes leads to. One that is refused takes the later changes of the same task with it: they
 * were made on what it would have left, and a version that fits by chance must not let them pass. Moves are tried for
 * themselves, since they ask for no version. Nothing while nobody knows.
 */
export function afterTry(waiting: readonly Write[], tried: Write, outcome: Outcome): Step {
  const isThere = waiting.some(({ id }) => id === tried.id);
  if (!isThere || outcome.kind === "away") return { done: [], conflicts: [] };
  if (outcome.kind === "done") return { done: [tried], conflicts: [] };
  const based = waiting.filter(
    (write) => write.id !== tried.id && write.act.kind === "task.change" && taskIdOf(write) === taskIdOf(tried),
  );
  const { refusal } = outcome;
  return { done: [], conflicts: [tried, ...based].map((write) => ({ write, refusal })) };
}
