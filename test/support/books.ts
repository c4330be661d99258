// The books as tests look at them: a whole check at once, and what operators and the public see of it.
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import { checkBooks } from "../../src/domains/books/scheduled.ts";
import type { Invariants } from "../../src/domains/books/schema.ts";
import { headsOf } from "./readmodel.ts";
import { call, type Trader } from "./session.ts";

/** A break as operators see it. */
export interface SeenBreak {
  id: string;
  status: string;
  kind: string;
  name: string;
  subject: string;
  detail: { expected: string; found: string };
  reason: string | null;
}

/** Does a check from its beginning to its end, however long ago the last one was; answers what the public sees of it. */
export async function wholeCheck(clock = Date.now): Promise<Invariants> {
  await env.DB.prepare("DELETE FROM checks").run();
  const row = await checkBooks(env, clock);
  expect(row?.phase).toBe("done");
  return invariants();
}

/** A whole check that reached everybody: an object of a busy machine may be late for one, and is then not judged by it. */
export async function judgedCheck(): Promise<Invariants> {
  for (let tries = 0; ; tries += 1) {
    const said = await wholeCheck();
    if (said.unjudged.length === 0 || tries === 10) return said;
  }
}

/** What the public sees. */
export async function invariants(): Promise<Invariants> {
  const { status, body, text } = await call<Invariants>("GET", "/v1/system/invariants");
  expect(status, text).toBe(200);
  return body as Invariants;
}

/** Breaks as an operator lists them. */
export async function breaksBy(operator: Trader, status = "open"): Promise<SeenBreak[]> {
  return (await operator.all<SeenBreak>(`/v1/admin/breaks?status=${status}`, 200)).rows;
}

/** Waits until D1 has all that some objects have journalled. */
export async function applied(names: readonly string[]): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const heads = await headsOf();
    const behind = [];
    for (const name of names) {
      const stub = name.startsWith("acc_") ? env.ACCOUNT.getByName(name) : env.MARKET.getByName(name);
      if (heads[name] !== (await stub.head()).seq) behind.push(name);
    }
    if (behind.length === 0) return;
    if (tries === 300) throw new Error(`D1 is behind: ${behind.join(", ")}`);
    await scheduler.wait(50);
  }
}
