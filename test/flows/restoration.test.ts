// How an operator's restore goes wrong, and what is refused of it before anything is lost.
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { EPOCH_STEP_MAX } from "../../src/core/limits.ts";
import {
  accountOf,
  checkEachTest,
  eventually,
  faraway,
  limit,
  marketOf,
  openAccount,
  place,
  ringUntil,
  sql,
} from "../support/objects.ts";
import { person } from "../support/people.ts";
import { expectProblem, type Trader } from "../support/session.ts";

const SYMBOL = "LINK-USD";
const MARKET = `/v1/admin/markets/${SYMBOL}/restoration`;
const WHY = { reason: "its disk is gone" };

checkEachTest();

let operator: Trader;
beforeEach(async () => {
  operator = await person(["operator"]);
});

const restore = (path: string, json: object) => operator.call("POST", path, { json: { ...json, ...WHY } });
const ofAccount = (id: string) => `/v1/admin/accounts/${id}/restoration`;
const resting = () => limit(SYMBOL, "buy", { limitPrice: faraway(SYMBOL, "buy") });

async function journalOf(stub: Parameters<typeof sql>[0]): Promise<string[]> {
  const rows = await sql<{ body: string }>(stub, "SELECT body FROM journal ORDER BY seq");
  return rows.map(({ body }) => body);
}

async function projected(id: string): Promise<void> {
  await eventually(async () => {
    expect(await env.DB.prepare("SELECT count(*) AS n FROM orders WHERE account_id = ?").bind(id).first("n")).toBe(1);
  });
}

describe("a market that is restored while D1 is being made anew", () => {
  it("waits for whom it knew itself", async () => {
    const market = marketOf(SYMBOL);
    await place(await openAccount(), resting());
    const before = await journalOf(market);
    const id = await openAccount();
    const open = await place(id, resting());
    await projected(id);
    await env.DB.prepare("DELETE FROM orders").run();
    expect((await restore(MARKET, { epoch: 2, journal: before, replace: true })).status).toBe(204);
    expect((await market.restoration()).unmet).toContain(id);
    await ringUntil(market, async () => {
      expect(await market.restoration()).toMatchObject({ restoring: false, unmet: [], breaks: [] });
    });
    const rests = await sql<{ id: string }>(market, "SELECT id FROM orders WHERE rests = 1");
    expect(rests.map((row) => row.id)).toContain(open.id);
  });

  it("waits for whom D1 has forgotten", async () => {
    const id = await openAccount();
    await place(id, resting());
    await projected(id);
    expect((await operator.call("POST", "/v1/admin/projections/rebuild", { json: WHY })).status).toBe(202);
    const known = env.DB.prepare("SELECT symbol FROM past_traders WHERE account_id = ?").bind(id);
    expect((await known.all()).results).toEqual([{ symbol: SYMBOL }]);
    const stranger = await openAccount();
    await env.DB.prepare("INSERT INTO past_traders (symbol, account_id) VALUES (?, ?)").bind(SYMBOL, stranger).run();
    const market = marketOf(SYMBOL);
    expect((await restore(MARKET, { epoch: 3, journal: await journalOf(market), replace: true })).status).toBe(204);
    expect((await market.restoration()).unmet).toContain(stranger);
    await ringUntil(market, async () => {
      expect(await market.restoration()).toMatchObject({ restoring: false, unmet: [], breaks: [] });
    });
  });
});

describe("a restore that replaces what there is", () => {
  it("says what by", async () => {
    const id = await openAccount();
    await place(id, resting());
    const before = await journalOf(accountOf(id));
    const refused = await restore(ofAccount(id), { epoch: 2, replace: true });
    expectProblem(refused, 422, "validation_failed");
    expect(refused.body.errors).toMatchObject([{ pointer: "/journal", code: "required" }]);
    expect(await journalOf(accountOf(id))).toEqual(before);
  });

  it("is of an epoch that leaves room for more", async () => {
    const id = await openAccount();
    const refused = await restore(ofAccount(id), { epoch: EPOCH_STEP_MAX + 2, journal: [], replace: true });
    expectProblem(refused, 422, "validation_failed");
    expect(refused.body.errors).toMatchObject([{ pointer: "/epoch" }]);
    expect((await accountOf(id).restoration()).epoch).toBe(1);
  });

  /** A journal's first event, changed. */
  const changed = (change: (event: Record<string, unknown>) => unknown) => (first: string) =>
    JSON.stringify(change(JSON.parse(first) as Record<string, unknown>));

  it.each<[string, (first: string) => string]>([
    ["nothing", () => "null"],
    ["a number", () => "5"],
    ["an event without a version", changed(({ v: _, ...event }) => event)],
    ["one of another version", changed((event) => ({ ...event, v: 2 }))],
    ["one without a time", changed((event) => ({ ...event, at: null }))],
    ["one without a kind", changed(({ kind: _, ...event }) => event)],
    [
      "a transfer without its id",
      changed((event) => ({ ...event, transfer: { ...(event.transfer as object), id: null } })),
    ],
    ["keys that are none", changed((event) => ({ ...event, once: [null] }))],
  ])("is of events, and not of %s", async (_, spoil) => {
    const id = await openAccount();
    const [first = "", ...others] = await journalOf(accountOf(id));
    const refused = await restore(ofAccount(id), { epoch: 2, journal: [spoil(first), ...others], replace: true });
    expectProblem(refused, 422, "validation_failed");
    expect(await journalOf(accountOf(id))).toEqual([first, ...others]);
  });
});

describe("another account's journal", () => {
  it("is nobody else's, whole or in parts", async () => {
    const [alice, bob] = [await openAccount(), await openAccount()];
    await place(alice, resting());
    await projected(alice);
    const [journal, his] = [await journalOf(accountOf(alice)), await journalOf(accountOf(bob))];
    for (const path of [ofAccount(bob), `${ofAccount(bob)}/journal`]) {
      const replace = path.endsWith("journal") ? {} : { replace: true };
      const refused = await restore(path, { epoch: 2, journal, ...replace });
      expectProblem(refused, 422, "validation_failed");
      expect(refused.body.errors).toMatchObject([{ pointer: "/journal", detail: "is another account's" }]);
    }
    expect(await journalOf(accountOf(bob))).toEqual(his);
    expect((await restore(ofAccount(alice), { epoch: 2, journal, replace: true })).status).toBe(204);
  });
});

describe("a part of a journal that is handed in", () => {
  it("is in the audit trail with its reason", async () => {
    const id = await openAccount();
    const part = { epoch: 2, journal: ["{}"], reason: "the first half" };
    expect((await operator.call("POST", `${ofAccount(id)}/journal`, { json: part })).status).toBe(200);
    await eventually(async () => {
      const row = env.DB.prepare("SELECT reason FROM audit_events WHERE act = 'journal.hand_in' AND reason = ?");
      expect(await row.bind(part.reason).first("reason")).toBe(part.reason);
    });
  });
});

describe("a page that was no journal", () => {
  it("is fetched again by its dead letter", async () => {
    const id = await openAccount();
    const page = { v: 1, object: "account", name: id, epoch: 1, from: 1, to: 1, events: ["x".repeat(200_000)] };
    await env.DB.prepare(
      "INSERT INTO dead_letters (id, queue, subject, reason, body, count, at, last_at) VALUES (?, 'pull', ?, '', ?, 1, 1, 1)",
    )
      .bind("dlt_1", `account ${id} 1 1`, JSON.stringify(page))
      .run();
    const replayed = await operator.call("POST", "/v1/admin/dead-letters/dlt_1/replay", { json: WHY });
    expect(replayed.status).toBe(202);
  });
});
