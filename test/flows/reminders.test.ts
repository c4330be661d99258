// Reminders of tasks: one e-mail for each due date, an hour ahead, to verified addresses alone.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { remindOfTasks } from "../../src/domains/tasks/scheduled.ts";
import { person } from "../support/people.ts";
import { stopClock, type Trader } from "../support/session.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
let pass: (ms: number) => void;
beforeAll(() => {
  pass = stopClock();
});

/** Somebody whose address is verified, or is not. */
async function reader(verified = true): Promise<Trader> {
  const who = await person();
  await env.DB.prepare("UPDATE users SET email_verified = ?, username = id, email = id || '@example.com' WHERE id = ?")
    .bind(verified ? 1 : 0, who.userId)
    .run();
  return who;
}

async function make(who: Trader, title: string, inMs: number): Promise<string> {
  const json = { title, due_at: new Date(Date.now() + inMs).toISOString() };
  return (await who.call<{ id: string }>("POST", "/v1/tasks", { json })).body.id;
}

const run = () => remindOfTasks(env, Date.now());
const mailsTo = async ({ userId }: Trader) =>
  (await env.DB.prepare("SELECT text FROM mails WHERE user_id = ?").bind(userId).all<{ text: string }>()).results;
const reminded = (who: Trader, times: number) =>
  vi.waitFor(async () => expect(await mailsTo(who)).toHaveLength(times), { timeout: 20_000, interval: 200 });

describe("a reminder", () => {
  it("is sent an hour before, once, with title and date", async () => {
    const ada = await reader();
    await make(ada, "Renew <the> keys", 2 * HOUR);
    expect(await run()).toBe(0);
    pass(HOUR);
    const dueAt = new Date(Date.now() + HOUR).toISOString();
    expect(await run()).toBe(1);
    expect(await run()).toBe(0);
    await reminded(ada, 1);
    const [mail] = await mailsTo(ada);
    expect(mail?.text).toContain("Renew <the> keys");
    expect(mail?.text).toContain(dueAt);
  });

  it("is sent for each due date, and not for one that it has been sent for", async () => {
    const bob = await reader();
    const id = await make(bob, "moving", HOUR);
    const dueAt = new Date(Date.now() + HOUR).toISOString();
    expect(await run()).toBe(1);
    const move = (due_at: string, version: number) =>
      bob.call("PATCH", `/v1/tasks/${id}`, { json: { due_at }, headers: { "If-Match": `"${version}"` } });
    expect((await move(new Date(Date.now() + HOUR / 2).toISOString(), 1)).status).toBe(200);
    expect(await run()).toBe(1);
    // Back again: it is asked for, and its e-mail has gone.
    expect((await move(dueAt, 2)).status).toBe(200);
    expect(await run()).toBe(1);
    const marker = await make(bob, "marker", HOUR);
    expect(await run()).toBe(1);
    await reminded(bob, 3);
    expect((await mailsTo(bob)).filter(({ text }) => text.includes("moving"))).toHaveLength(2);
    expect(marker).toMatch(/^tsk_/);
  });

  it("is not sent of what is done, deleted, or was due a day ago; reopened it is", async () => {
    const eve = await reader();
    const done = await make(eve, "done", HOUR);
    const deleted = await make(eve, "deleted", HOUR);
    await make(eve, "long ago", -DAY - 1);
    await eve.call("POST", `/v1/tasks/${done}/complete`);
    await eve.call("DELETE", `/v1/tasks/${deleted}`);
    expect(await run()).toBe(0);
    await eve.call("POST", `/v1/tasks/${done}/reopen`);
    expect(await run()).toBe(1);
  });

  it("is not sent to an address that nobody has verified", async () => {
    const [frank, grace] = [await reader(false), await reader()];
    await make(frank, "unread", HOUR);
    await make(grace, "read", HOUR);
    expect(await run()).toBe(2);
    await reminded(grace, 1);
    expect(await mailsTo(frank)).toEqual([]);
  });

  it("that the queue did not take is asked for by the next run, and one that could not be noted goes once", async () => {
    const quiet = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const heidi = await reader();
    await make(heidi, "persistent", HOUR);
    const refusing = { sendBatch: () => Promise.reject(new Error("overloaded")) } as unknown as Queue;
    expect(await remindOfTasks({ ...env, MAIL: refusing }, Date.now())).toBe(0);
    await env.DB.exec("CREATE TRIGGER unnoted BEFORE UPDATE ON tasks BEGIN SELECT RAISE(ABORT, 'no'); END");
    expect(await run()).toBe(0);
    await env.DB.exec("DROP TRIGGER unnoted");
    expect(await run()).toBe(1);
    quiet.mockRestore();
    await make(heidi, "marker", HOUR);
    await run();
    await reminded(heidi, 2);
  });

  it("of many is found by an index of those that wait alone", async () => {
    const seen: string[] = [];
    const prepare = (query: string) => {
      seen.push(query);
      return env.DB.prepare(query);
    };
    await remindOfTasks({ ...env, DB: { prepare } as unknown as D1Database }, Date.now());
    const plan = await env.DB.prepare(`EXPLAIN QUERY PLAN ${seen[0]}`).bind(0, 0, 1).all<{ detail: string }>();
    expect(plan.results.map(({ detail }) => detail)).toEqual([
      "SEARCH tasks USING INDEX tasks_to_remind (due_at>? AND due_at<?)",
    ]);
  });
});
