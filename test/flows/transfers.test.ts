// Withdrawals that two operators must approve, limits of a day, and what is undone: over HTTP, to the read model and back.
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { WireReviewed } from "../../src/domains/ops/reviews.ts";
import {
  type Answer,
  expectProblem,
  type Trader,
  trader,
  usd,
  type WirePage,
  type WireTransfer,
} from "../support/session.ts";

/** More than this is looked at, and no more than the other moves on a day: vitest.config.ts. */
const REVIEW_OVER = "1000000";
const PER_DAY = "5000000";
const BIG = "1000000.5";

let olga: Trader;
let oscar: Trader;

beforeAll(async () => {
  olga = await trader({ roles: ["customer", "operator"], usd: "9000000" });
  oscar = await trader({ roles: ["customer", "operator"] });
});

const ask = (who: Trader, amount: string, headers: Record<string, string> = {}) =>
  who.call<WireTransfer>("POST", "/v1/account/withdrawals", { json: { asset: "USD", amount }, headers });
const decide = (who: Trader, id: string, verdict: "approve" | "reject" | "reverse", headers = {}) =>
  who.call<WireReviewed>("POST", `/v1/admin/${verdict === "reverse" ? "transfers" : "withdrawals"}/${id}/${verdict}`, {
    json: { reason: `${verdict} it` },
    headers,
  });
const cancel = (who: Trader, id: string) => who.call<WireTransfer>("DELETE", `/v1/account/withdrawals/${id}`);
const moneyOf = async (who: Trader) => {
  const { available, held } = await who.balance("USD");
  return `${available} + ${held}`;
};

/** Waits until operators are shown an account's transfers so. */
async function listed(who: Trader, query: string, statuses: string[]): Promise<WireReviewed[]> {
  return vi.waitFor(
    async () => {
      const path = `/v1/admin/${query}account_id=${who.accountId}`;
      const { body } = await olga.get<WirePage<WireReviewed>>(path);
      expect(body.data.map(({ status }) => status)).toEqual(statuses);
      return body.data;
    },
    { timeout: 15_000, interval: 100 },
  );
}

/** Somebody with a withdrawal that waits, and that operators know of. */
async function waiting(): Promise<{ who: Trader; id: string }> {
  const who = await trader({ usd: "3000000" });
  const made = await ask(who, BIG);
  expect(made.status, made.text).toBe(201);
  expect(made.body).toMatchObject({ status: "pending_review", amount: BIG });
  await listed(who, "withdrawals?status=pending_review&", ["pending_review"]);
  return { who, id: made.body.id };
}

describe("a withdrawal over the threshold", () => {
  it("is held at once, named by what is held, and settled by the second operator", async () => {
    const { who, id } = await waiting();
    expect(await moneyOf(who)).toBe("1999999.5 + 1000000.5");
    const explained = await who.get<{ withdrawals: object[]; holds: object[] }>("/v1/account/balances/USD/explain");
    expect(explained.body).toMatchObject({ holds: [], withdrawals: [{ withdrawal_id: id, amount: BIG }] });
    const first = await decide(olga, id, "approve");
    expect(first.status, first.text).toBe(200);
    expect(first.body).toMatchObject({ account_id: who.accountId, status: "pending_review", worth: BIG });
    expect(first.body.decisions).toMatchObject([{ verdict: "approve", by: olga.userId, reason: "approve it" }]);
    expectProblem(await decide(olga, id, "approve"), 409, "already_approved");
    const second = await decide(oscar, id, "approve");
    expect(second.body).toMatchObject({ status: "settled" });
    expect(await moneyOf(who)).toBe("1999999.5 + 0");
    expectProblem(await decide(oscar, id, "reject"), 409, "transfer_not_pending");
    const [row] = await listed(who, "withdrawals?", ["settled"]);
    expect(row?.decisions.map(({ by }) => by)).toEqual([olga.userId, oscar.userId]);
    const { rows } = await who.all<{ kind: string; ref: string }>("/v1/account/ledger", 50);
    expect(rows.filter(({ ref }) => ref === id).map(({ kind }) => kind)).toEqual(["hold", "withdrawal"]);
  });

  it("is as much as is looked at and no more: then it settles at once", async () => {
    const who = await trader({ usd: "3000000" });
    expect((await ask(who, REVIEW_OVER)).body.status).toBe("settled");
  });

  it("is settled once by many approvals at once", async () => {
    const { who, id } = await waiting();
    const all = await Promise.all(
      Array.from({ length: 12 }, (_, at) => decide(at % 2 === 0 ? olga : oscar, id, "approve")),
    );
    expect(all.filter(({ status }) => status === 200)).toHaveLength(2);
    for (const one of all.filter(({ status }) => status !== 200)) expectProblem(one, 409, "already_approved");
    expect(await moneyOf(who)).toBe("1999999.5 + 0");
  });

  it("tells an operator again what their key got first, and does nothing", async () => {
    const { id } = await waiting();
    const headers = { "Idempotency-Key": `approve-${id}` };
    const first = await decide(olga, id, "approve", headers);
    const again = await decide(olga, id, "approve", headers);
    expect([again.status, again.text]).toEqual([200, first.text]);
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
  });

  it("is rejected by one operator, and all is available again", async () => {
    const { who, id } = await waiting();
    expect((await decide(oscar, id, "reject")).body).toMatchObject({ status: "rejected" });
    expect(await moneyOf(who)).toBe("3000000 + 0");
    const shown = await who.get<WireTransfer>(`/v1/account/withdrawals/${id}`);
    expect(Object.keys(shown.body)).toEqual(["id", "status", "asset", "amount", "created_at", "updated_at"]);
    expect(shown.body.status).toBe("rejected");
    expectProblem(await decide(olga, id, "approve"), 409, "transfer_not_pending");
  });

  it("is taken back by its owner, once and again, and by nobody else", async () => {
    const { who, id } = await waiting();
    expectProblem(await cancel(oscar, id), 404, "not_found");
    const canceled = await cancel(who, id);
    expect(canceled.body).toMatchObject({ id, status: "canceled" });
    expect((await cancel(who, id)).text).toBe(canceled.text);
    expect(await moneyOf(who)).toBe("3000000 + 0");
    const settled = await ask(who, "1");
    expectProblem(await cancel(who, settled.body.id), 409, "transfer_not_pending");
  });

  it("is approved by nobody who owns it", async () => {
    const made = await ask(olga, BIG);
    await listed(olga, "withdrawals?status=pending_review&", ["pending_review"]);
    expectProblem(await decide(olga, made.body.id, "approve"), 403, "own_withdrawal");
    expect((await cancel(olga, made.body.id)).status).toBe(200);
  });

  it("is undone by nobody who owns it, however little it is", async () => {
    const olivia = await trader({ roles: ["customer", "operator"], usd: "10" });
    const { body } = await ask(olivia, "1");
    await listed(olivia, "withdrawals?", ["settled"]);
    expectProblem(await decide(olivia, body.id, "reverse"), 403, "own_withdrawal");
    expect((await decide(oscar, body.id, "reverse")).body).toMatchObject({ status: "reversed" });
  });

  it("replays its first answer to its key, byte for byte, whatever has come of it", async () => {
    const who = await trader({ usd: "3000000" });
    const headers = { "Idempotency-Key": "k" };
    const first = await ask(who, BIG, headers);
    await cancel(who, first.body.id);
    const again = await ask(who, BIG, headers);
    expect([again.status, again.text]).toEqual([201, first.text]);
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
    const settled = await who.call<WireTransfer>("POST", "/v1/account/deposits", {
      json: { asset: "USD", amount: "7" },
      headers,
    });
    await listed(who, "deposits?", ["settled", "settled"]);
    expect((await decide(oscar, settled.body.id, "reverse")).body).toMatchObject({ status: "reversed" });
    const replay = await who.call("POST", "/v1/account/deposits", { json: { asset: "USD", amount: "7" }, headers });
    expect(replay.text).toBe(settled.text);
  });

  it("is in nobody's hands but operators'", async () => {
    const { who, id } = await waiting();
    const support = await trader({ roles: ["support"] });
    for (const one of [who, support]) expectProblem(await decide(one, id, "approve"), 403, "forbidden");
    expect((await support.get("/v1/admin/withdrawals")).status).toBe(200);
    expectProblem(await who.get("/v1/admin/withdrawals"), 403, "forbidden");
    expectProblem(await decide(olga, id.replace(/.{4}$/, "0000"), "approve"), 404, "not_found");
    expectProblem(
      await olga.call("POST", `/v1/admin/withdrawals/${id}/approve`, { json: {} }),
      422,
      "validation_failed",
    );
    expectProblem(await olga.get("/v1/admin/withdrawals?status=gone"), 422, "validation_failed");
    expectProblem(await olga.get("/v1/admin/withdrawals?cursor=gone"), 422, "validation_failed");
  });
});

describe("the limit of a day", () => {
  interface Limits {
    deposits: { limit: string | null; used: string; remaining: string | null };
    withdrawals: { limit: string | null; used: string; remaining: string | null };
    review_over: string | null;
    resets_at: string;
  }

  it("is shown with what is used of it, and refused beyond it with its figures", async () => {
    const who = await trader({ usd: "8000000" });
    const used = await ask(who, "999999");
    const midnight = new Date(Date.parse(used.body.created_at));
    midnight.setUTCHours(24, 0, 0, 0);
    const { body } = await who.get<Limits>("/v1/account/limits");
    expect(body).toEqual({
      deposits: { limit: null, used: "8000000", remaining: null },
      withdrawals: { limit: PER_DAY, used: "999999", remaining: "4000001" },
      review_over: REVIEW_OVER,
      resets_at: midnight.toISOString(),
    });
    const refused: Answer<WireTransfer & { limit?: string; used?: string; resets_at?: string; transfer?: string }> =
      await ask(who, "4000001.000001");
    expectProblem(refused, 422, "daily_transfer_limit");
    expect(refused.body).toMatchObject({
      transfer: "withdrawal",
      limit: PER_DAY,
      used: "999999",
      resets_at: midnight.toISOString(),
    });
    const pending = await ask(who, "4000001");
    expect(pending.body.status).toBe("pending_review");
    expectProblem(await ask(who, "1"), 422, "daily_transfer_limit");
    await cancel(who, pending.body.id);
    expect((await ask(who, "1")).status).toBe(201);
  });
});

describe("undoing a transfer", () => {
  it("of a deposit leaves both entries in the statement; spent money is not there to be taken", async () => {
    const who = await trader();
    const { id } = await who.deposit("100");
    await listed(who, "deposits?", ["settled"]);
    await ask(who, "30");
    const refused = await decide(olga, id, "reverse");
    expectProblem(refused, 422, "insufficient_funds");
    expect(refused.body).toMatchObject({ asset: "USD", needed: "100", available: "70", transfer_id: id });
    await who.deposit("30");
    expect((await decide(olga, id, "reverse")).body).toMatchObject({ status: "reversed", kind: "deposit" });
    expectProblem(await decide(oscar, id, "reverse"), 409, "transfer_not_settled");
    expect(await moneyOf(who)).toBe("0 + 0");
    const statement = await who.get<{ entries: { kind: string; ref: string }[] }>("/v1/account/statements");
    const mine = statement.body.entries.filter(({ ref }) => ref === id);
    expect(mine.map(({ kind }) => kind)).toEqual(["deposit", "reversal"]);
    expect((await who.get<WireTransfer>(`/v1/account/deposits/${id}`)).body).toMatchObject({ status: "reversed" });
    const { rows } = await who.all<{ kind: string }>("/v1/account/ledger?kind=reversal", 10);
    expect(rows).toHaveLength(1);
    await listed(who, "deposits?status=reversed&", ["reversed"]);
  });

  it("of a withdrawal brings it back, once however many ask", async () => {
    const who = await trader({ usd: "100" });
    const { id } = (await ask(who, "40")).body;
    await listed(who, "withdrawals?", ["settled"]);
    const all = await Promise.all([olga, oscar, olga, oscar].map((one) => decide(one, id, "reverse")));
    expect(all.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409]);
    expect(usd((await who.balance("USD")).available)).toBe(usd("100"));
  });
});
