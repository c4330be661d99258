// The write buffer in a simulated world: real requests' code, real object logic and the real writes to D1, with a D1 that fails
// before and after what it does, does it late, or is away for a minute. One seed is one run.
import { typeId } from "../../src/core/ids.ts";
import { ok, type Result, refuse } from "../../src/core/result.ts";
import type { Write } from "../../src/core/write-buffer.ts";
import { database } from "../../src/db/client.ts";
import { applyProfileWrite, writeProfile } from "../../src/domains/identity/writes.ts";
import {
  changeTask,
  createTask,
  listTasks,
  moveTask,
  readTask,
  type TasksContext,
} from "../../src/domains/tasks/service.ts";
import { applyTaskWrite } from "../../src/domains/tasks/writes.ts";
import { type OwnBuffer, writeOrKeep } from "../../src/http/write-buffer.ts";
import { WriteBufferLogic } from "../../src/objects/write-buffer/logic.ts";
import { type D1Fate, SimulatedD1 } from "./d1.ts";
import { type FaultRates, faultsOf, NO_FAULTS } from "./faults.ts";
import { type LivePorts, type Logic, type Platform, SimulatedObject, type Tamper } from "./object.ts";
import { Timeline } from "./timeline.ts";

const D1_OUTAGE_MS_MAX = 60_000;
const D1_LATE_MS_MAX = 90_000;
const EVICT_MS = 700;
const USERS = ["usr_1", "usr_2", "usr_3"];
const ACTS = 25;
const PAUSE_MS_MAX = 4_000;
const ACT_MS_MAX = 400_000;
const REST_MS = 600_000;

/** Bugs that a run must find. */
export type BufferCanary = "forgets_marks" | "forgets_a_write" | "overtakes" | "forgets_conflicts";

interface Buffered extends Logic {
  buffer: WriteBufferLogic;
}

/** What a user knows of one of their tasks; not sure of once an act had no answer, or two were under way at once. */
interface KnownTask {
  id: string;
  sure: boolean;
  title: string;
  status: "open" | "done";
  version: number;
  isDeleted: boolean;
  /** Titles in the order in which they were acknowledged. */
  acknowledged: string[];
}

interface User {
  id: string;
  tasks: KnownTask[];
  sure: boolean;
  locale: string;
}

/** What was broken, and how often each point was reached. */
export interface BufferReport {
  breaks: string[];
  counts: Record<string, number>;
}

class BufferWorld extends Timeline implements Platform {
  faults: FaultRates;
  readonly breaks: string[] = [];
  readonly #canary: BufferCanary | undefined;
  readonly #d1: SimulatedD1;
  readonly #buffers = new Map<string, SimulatedObject<Buffered>>();
  readonly #users: User[] = USERS.map((id) => ({ id, tasks: [], sure: true, locale: "en" }));
  #d1AwayUntil = 0;
  #titles = 0;

  constructor(seed: number, canary?: BufferCanary) {
    super(seed);
    this.faults = faultsOf(seed);
    this.#canary = canary;
    this.#d1 = new SimulatedD1(() => this.#fate(), {
      later: (work) => this.later(this.random.unit() * D1_LATE_MS_MAX, work),
      hides: (query) => canary === "forgets_marks" && /^select "id" from "applied_writes"/i.test(query),
    });
    this.#d1.enroll(USERS);
    this.#d1.log();
    this.later(EVICT_MS, () => this.#disturb());
  }

  clock = () => this.now;
  enqueue = () => undefined;

  alerted(name: string, message: string): void {
    this.count(message.startsWith("writes wait") ? "alerted_waiting" : "alerted");
    if (!message.startsWith("writes wait") && !message.includes("is dead")) this.alerts.push(`${name}: ${message}`);
  }

  async play(): Promise<void> {
    for (const user of this.#users) this.#go(user, ACTS);
    await this.run(this.now + ACT_MS_MAX);
    this.faults = NO_FAULTS;
    await this.run(this.now + REST_MS);
    this.#judge();
    this.#d1.close();
    for (const object of this.#buffers.values()) object.close();
  }

  #fate(): D1Fate {
    const { faults } = this;
    if (faults === NO_FAULTS) return "answers";
    if (this.strikes("d1_outage", faults.d1Outage))
      this.#d1AwayUntil = this.now + this.random.unit() * D1_OUTAGE_MS_MAX;
    if (this.now < this.#d1AwayUntil || this.strikes("d1_failed", faults.d1Fails)) return "fails";
    if (this.strikes("d1_late", faults.d1AnswerLost / 2)) return "lands_late";
    return this.strikes("d1_answer_lost", faults.d1AnswerLost) ? "answer_lost" : "answers";
  }

  #disturb(): void {
    this.later(EVICT_MS, () => this.#disturb());
    for (const object of this.#buffers.values()) if (this.strikes("evicted", this.faults.evicted)) object.crash();
  }

  #object(userId: string): SimulatedObject<Buffered> {
    const known = this.#buffers.get(userId);
    if (known !== undefined) return known;
    const made = new SimulatedObject<Buffered>(userId, this, (ports) => this.#logic(ports), this.#tamper);
    this.#buffers.set(userId, made);
    return made;
  }

  #tamper: Tamper = (query, bindings) => {
    if (this.#canary === "forgets_conflicts" && query.startsWith("INSERT INTO conflicts")) return null;
    return this.#canary === "forgets_a_write" && query.startsWith("INSERT INTO writes") && this.chance(0.2)
      ? null
      : bindings;
  };

  #logic(ports: LivePorts): Buffered {
    const env = { DB: this.#d1.binding };
    const apply = async (write: Write) => {
      const outcome = await (write.act.kind === "profile.change"
        ? applyProfileWrite(env, write)
        : applyTaskWrite(env, write));
      ports.alive();
      this.count(`drained_${outcome.kind}`);
      return outcome;
    };
    const buffer = new WriteBufferLogic({ ...ports, apply });
    return { buffer, alarm: () => buffer.alarm(), journal: { flush: async () => undefined } };
  }

  /** A call to a user's buffer: it may be lost on the way, or its answer. */
  #call<T>(userId: string, work: (buffer: WriteBufferLogic) => T | Promise<T>): Promise<Result<T>> {
    return new Promise((resolve) => {
      const lost = () => resolve(refuse({ code: "unavailable" }));
      const delay = () => this.random.unit() * Math.min(this.faults.delayMsMax, 200);
      if (this.strikes("request_lost", this.faults.requestLost / 5)) return void this.later(delay(), lost);
      this.later(delay(), async () => {
        try {
          const value = await work(this.#object(userId).logic.buffer);
          const isLost = this.strikes("answer_lost", this.faults.answerLost / 5);
          this.later(delay(), () => (isLost ? lost() : resolve(ok(value))));
        } catch {
          this.later(delay(), lost);
        }
      });
    });
  }

  #buffer(userId: string): OwnBuffer {
    return {
      waiting: async () => {
        if (this.#canary === "overtakes") return ok([]);
        return this.#call(userId, (buffer) => {
          // As the shell does, which waits for a moment only.
          void buffer.drain();
          return buffer.waiting();
        });
      },
      append: async (writes) => {
        return this.#call(userId, (buffer) => buffer.append(structuredClone(writes)));
      },
      forget: async () => ok(null),
    };
  }

  #context(user: User): TasksContext {
    return {
      env: { DB: this.#d1.binding },
      buffer: this.#buffer(user.id),
      userId: user.id,
      nowMs: Math.floor(this.now),
    };
  }

  #go(user: User, left: number): void {
    if (left === 0) return;
    this.later(this.random.unit() * PAUSE_MS_MAX, async () => {
      const two = this.chance(0.1);
      const live = user.tasks.filter(({ isDeleted }) => !isDeleted);
      const task = live[this.random.int(Math.max(1, live.length))];
      if (two && task !== undefined) {
        this.count("two_at_once");
        task.sure = false;
        user.sure = false;
        await Promise.all([this.#act(user, task), this.#act(user, task)]);
      } else await this.#act(user, task);
      this.#go(user, left - 1);
    });
  }

  async #act(user: User, task: KnownTask | undefined): Promise<void> {
    const wish = this.random.int(10);
    if (task === undefined || wish < 2) return this.#create(user);
    if (wish < 5) return this.#change(user, task);
    if (wish < 7) return this.#move(user, task);
    if (wish < 8) return this.#choose(user);
    return wish < 9 ? this.#read(user, task) : this.#list(user);
  }

  #newTitle(): string {
    this.#titles += 1;
    return `title ${this.#titles}`;
  }

  async #create(user: User): Promise<void> {
    const title = this.#newTitle();
    const made = await createTask(this.#context(user), { title, notes: "", dueAt: null }, undefined);
    if (!made.ok) return void this.count(`create_${made.refusal.code}`);
    this.count(`create_${made.value.kind}`);
    const { id } = made.value.kind === "done" ? made.value.task : made.value.known;
    user.tasks.push({ id, sure: true, title, status: "open", version: 1, isDeleted: false, acknowledged: [title] });
  }

  async #change(user: User, task: KnownTask): Promise<void> {
    const title = this.#newTitle();
    const changed = await changeTask(this.#context(user), task.id, ok(task.version), { title });
    this.#heard(task, "change", changed);
    if (!changed.ok) return;
    task.acknowledged.push(title);
    Object.assign(task, { title, version: task.version + 1 });
  }

  async #move(user: User, task: KnownTask): Promise<void> {
    const to = (["done", "open", "deleted"] as const)[this.random.int(20) === 0 ? 2 : this.random.int(2)] ?? "done";
    const moved = await moveTask(this.#context(user), task.id, to);
    this.#heard(task, "move", moved);
    if (!moved.ok) return;
    if (to === "deleted") Object.assign(task, { isDeleted: true, version: task.version + 1 });
    else Object.assign(task, { status: to, version: task.version + (task.status === to ? 0 : 1) });
  }

  #heard(task: KnownTask, what: string, result: Result<{ kind: string }>): void {
    this.count(`${what}_${result.ok ? result.value.kind : result.refusal.code}`);
    if (result.ok) {
      if (task.isDeleted && task.sure && result.value.kind === "done")
        this.breaks.push(`${task.id} was ${what}d once deleted`);
      return;
    }
    if (result.refusal.code !== "unavailable" && task.sure && !task.isDeleted)
      this.breaks.push(`${what} of ${task.id} is refused without a reason: ${result.refusal.code}`);
    if (result.refusal.code === "unavailable") task.sure = false;
  }

  async #choose(user: User): Promise<void> {
    const locale = `x-${this.#newTitle()}`;
    const nowMs = Math.floor(this.now);
    const id = typeId(
      "wrt",
      nowMs,
      Uint8Array.from({ length: 10 }, () => this.random.int(256)),
    );
    const change = { locale };
    const write: Write = { id, userId: user.id, at: nowMs, act: { kind: "profile.change", change } };
    const db = database({ DB: this.#d1.binding });
    const chosen = await writeOrKeep(this.#buffer(user.id), write, () => writeProfile(db, write, change, nowMs));
    if (chosen.ok) user.locale = locale;
    else user.sure = false;
    this.count(chosen.ok ? "chosen" : "choose_unavailable");
  }

  /** What is read shows what was acknowledged before. */
  async #read(user: User, task: KnownTask): Promise<void> {
    const found = await readTask(this.#context(user), task.id);
    this.count(found.ok ? "read" : `read_${found.refusal.code}`);
    if (!found.ok) {
      if (found.refusal.code === "not_found" && task.sure && !task.isDeleted) this.breaks.push(`${task.id} is gone`);
      return;
    }
    const { title, status, version } = found.value;
    if (task.sure) this.#expect(`${task.id} reads`, { title, status, version, isDeleted: false }, task);
    // Whatever came of it, from here on the user knows.
    else Object.assign(task, { version });
  }

  async #list(user: User): Promise<void> {
    // What is made at the same time may be there or not.
    const known = user.tasks.filter(({ sure }) => sure);
    const page = await listTasks(this.#context(user), { limit: 200, filter: { status: "all" }, sort: "created_at" });
    this.count(page.ok ? "listed" : `list_${page.refusal.code}`);
    if (!page.ok) return;
    const rows = new Map(page.value.data.map((row) => [row.id, row]));
    if (rows.size !== page.value.data.length) this.breaks.push("a list has a task twice");
    for (const task of known) {
      const row = rows.get(task.id);
      if ((row === undefined) !== task.isDeleted)
        this.breaks.push(`${task.id} is wrongly listed: ${row === undefined}`);
      if (row !== undefined) this.#expect(`${task.id} is listed`, { ...row, isDeleted: false }, task);
    }
  }

  #expect(what: string, got: Omit<KnownTask, "id" | "sure" | "acknowledged">, task: KnownTask): void {
    const shape = ({ title, status, version, isDeleted }: typeof got) =>
      JSON.stringify([title, status, version, isDeleted]);
    if (shape(got) !== shape(task)) this.breaks.push(`${what} ${shape(got)}, not ${shape(task)}`);
  }

  #judge(): void {
    this.breaks.push(...this.alerts);
    for (const user of this.#users) {
      const { buffer } = this.#object(user.id).logic;
      const conflicts = buffer.conflicts({ limit: 1_000, cursor: null }).data;
      this.count("conflict", conflicts.length);
      if (buffer.waiting().length > 0) this.breaks.push(`${user.id} still waits for ${buffer.waiting().length} writes`);
      const lost = new Set(conflicts.map(({ write }) => JSON.stringify(write.act)));
      for (const task of user.tasks) this.#judgeTask(task, [...lost]);
      const locales = this.#d1.rows(`SELECT locale FROM users WHERE id = '${user.id}'`);
      if (user.sure && locales[0]?.["locale"] !== user.locale) this.breaks.push(`${user.id} lost a locale`);
    }
    const twice = this.#d1.rows("SELECT title FROM task_log WHERE is_new GROUP BY title HAVING count(*) > 1");
    for (const { title } of twice) this.breaks.push(`${String(title)} was done twice`);
    const locales = this.#d1.rows("SELECT locale FROM locale_log GROUP BY locale HAVING count(*) > 1");
    for (const { locale } of locales) this.breaks.push(`${String(locale)} was done twice`);
  }

  #judgeTask(task: KnownTask, lost: readonly string[]): void {
    const log = this.#d1.rows(`SELECT title, version, is_new FROM task_log WHERE id = '${task.id}' ORDER BY seq`);
    if (log.some(({ version }, at) => version !== at + 1)) this.breaks.push(`${task.id} has skipped a version`);
    const done = log.filter(({ is_new }) => is_new === 1).map(({ title }) => String(title));
    const places = task.acknowledged.map((title) => done.indexOf(title));
    for (const [at, place] of places.entries()) {
      const title = task.acknowledged[at] ?? "";
      const inConflict = lost.some((act) => act.includes(`"${title}"`));
      if (inConflict && task.sure) this.breaks.push(`${title} is in conflict without a reason`);
      if (place < 0 && !inConflict) this.breaks.push(`${title} of ${task.id} is lost`);
    }
    const [row] = this.#d1.rows(`SELECT title, status, version, deleted_at FROM tasks WHERE id = '${task.id}'`);
    if (!task.sure || row === undefined) return;
    const kept = places.filter((place) => place >= 0);
    if (kept.some((place, at) => place < (kept[at - 1] ?? -1))) this.breaks.push(`${task.id} was written out of order`);
    const { title, status, version, deleted_at } = row;
    const got = { title, status, version, isDeleted: deleted_at !== null } as unknown as KnownTask;
    this.#expect(`${task.id} is stored as`, got, task);
  }
}

/** Plays one seed, and says what was broken. */
export async function runBufferSeed(seed: number, canary?: BufferCanary): Promise<BufferReport> {
  const world = new BufferWorld(seed, canary);
  await world.play();
  return { breaks: world.breaks, counts: world.counts };
}
