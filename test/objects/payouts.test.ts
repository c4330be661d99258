// What an account owes to its payment provider, by its timers: paid out once, looked after when nothing is said, left alone when
// nobody can tell any more. The provider is test/support/stripe.ts.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { outsideStates } from "../../src/adapters/outside.ts";
import { deskOf } from "../../src/adapters/payments/choice.ts";
import { type Config, loadConfig } from "../../src/config.ts";
import type { Transfer } from "../../src/core/account/state.ts";
import {
  OUTSIDE_FAILURES_MAX,
  OUTSIDE_LOST_MS,
  OUTSIDE_OPEN_MS,
  PAYMENT_CALL_MS,
  PAYMENT_LOOK_MS,
  PAYOUT_TRIES_MS,
} from "../../src/core/limits.ts";
import {
  accountOf,
  accountTables,
  callerOf,
  checkEverything,
  crash,
  moneyOf,
  openAccount,
  passTime,
  ring,
  sql,
  stopClock,
  stopObject,
  unwrap,
} from "../support/objects.ts";
import type { StripeFault } from "../support/stripe.ts";

const CENT = 10_000n;
const STRIPE_API_URL = `${(env as unknown as { STRIPE_API_URL: string }).STRIPE_API_URL}/payouts`;
const { payments, transfers } = loadConfig({ ...env, PAYMENT_PROVIDER: "stripe", STRIPE_API_URL });
const paper = loadConfig({ ...env });

/** Objects of one file share what they are configured with. */
async function configure(id: string, config: Pick<Config, "payments" | "transfers">): Promise<void> {
  await runInDurableObject(accountOf(id) as DurableObjectStub, (object) => {
    Object.assign(loadConfig((object as unknown as { env: object }).env), config);
  });
}

let id: string;
beforeEach(async () => {
  stopClock();
  id = await openAccount({ USD: 1_000_000_000n });
  await configure(id, { payments, transfers });
  await control({ faults: [] });
  // What the test before did to it is forgotten once it has answered.
  passTime(OUTSIDE_OPEN_MS);
  await deskOf(() => payments).look(
    { id: "wdr_none", kind: "withdrawal", asset: "USD", amount: 1n, account: id },
    "po_none",
  );
});

afterEach(async () => {
  await configure(id, { payments: paper.payments, transfers: paper.transfers });
  await checkEverything();
  vi.useRealTimers();
});

interface Control {
  heard: { method: string; path: string; key: string }[];
  made: { id: string; metadata: { transfer: string } }[];
}

async function control(wish: { faults?: StripeFault[]; id?: string; set?: object } = {}): Promise<Control> {
  const answer = await fetch(`${STRIPE_API_URL}/control`, { method: "POST", body: JSON.stringify(wish) });
  return (await answer.json()) as Control;
}

const madeFor = async ({ id }: Transfer) => (await control()).made.filter(({ metadata }) => metadata.transfer === id);
const askedFor = async ({ id }: Transfer) => (await control()).heard.filter(({ key }) => key === id).length;

async function move(kind: Transfer["kind"], amount: bigint): Promise<Transfer> {
  return unwrap((await accountOf(id).transfer(callerOf(id), { kind, asset: "USD", amount }, null)).result);
}

const now = async ({ id: transfer, kind }: Transfer) =>
  unwrap(await accountOf(id).transferOf(callerOf(id), { id: transfer, kind }));

/** In how many ms a transfer's timer rings; null when it has none. */
async function due({ id: transfer }: Transfer): Promise<number | null> {
  const [row] = await sql<{ due: number }>(accountOf(id), "SELECT due FROM timers WHERE ref = ?", transfer);
  return row === undefined ? null : row.due - Date.now();
}

describe("a withdrawal that the provider is to pay out", () => {
  it("is asked for at once, then looked after each hour until it has ended", async () => {
    const withdrawal = await move("withdrawal", 500n * CENT);
    expect(await due(withdrawal)).toBe(0);
    await ring(accountOf(id));
    const [payout] = await madeFor(withdrawal);
    expect(await now(withdrawal)).toMatchObject({ status: "pending", providerRef: payout?.id });
    expect(await due(withdrawal)).toBe(PAYMENT_LOOK_MS);
    passTime(PAYMENT_LOOK_MS);
    await ring(accountOf(id));
    expect([await now(withdrawal), await due(withdrawal)]).toMatchObject([{ status: "pending" }, PAYMENT_LOOK_MS]);
    await control({ id: payout?.id ?? "", set: { status: "paid" } });
    passTime(PAYMENT_LOOK_MS);
    await ring(accountOf(id));
    expect([await now(withdrawal), await due(withdrawal)]).toMatchObject([{ status: "settled" }, null]);
    expect(await moneyOf(id, "USD")).toEqual({ available: 1_000_000_000n - 500n * CENT, held: 0n });
  });

  it("is asked for again after a death, under the same key: once", async () => {
    const withdrawal = await move("withdrawal", 500n * CENT);
    await control({ faults: ["drop_after", "drop_before"] });
    await ring(accountOf(id));
    expect(await now(withdrawal)).not.toHaveProperty("providerRef");
    await crash(accountOf(id));
    passTime(60_000);
    await ring(accountOf(id));
    expect(await askedFor(withdrawal)).toBe(3);
    expect(await madeFor(withdrawal)).toHaveLength(1);
    expect(await now(withdrawal)).toHaveProperty("providerRef");
  });

  it("is not asked for any more when its key may have been forgotten: a person must look", async () => {
    const withdrawal = await move("withdrawal", 500n * CENT);
    await control({ faults: ["500"] });
    await ring(accountOf(id));
    passTime(PAYOUT_TRIES_MS - 10_000);
    await ring(accountOf(id));
    expect(await askedFor(withdrawal)).toBe(4);
    passTime(60_000);
    await ring(accountOf(id));
    expect([await askedFor(withdrawal), await due(withdrawal)]).toEqual([4, null]);
    expect(await now(withdrawal)).toMatchObject({ status: "pending" });
    expect(await moneyOf(id, "USD")).toMatchObject({ held: 500n * CENT });
  });

  it("waits while the provider is left alone, and is asked for as soon as that is over", async () => {
    const withdrawal = await move("withdrawal", 500n * CENT);
    await control({ faults: Array.from({ length: OUTSIDE_FAILURES_MAX }, () => "drop_before" as const) });
    for (let asked = 0; asked < OUTSIDE_FAILURES_MAX; asked += 2) {
      await ring(accountOf(id));
      if (asked + 2 < OUTSIDE_FAILURES_MAX) passTime(1_000);
    }
    expect([await askedFor(withdrawal), await due(withdrawal)]).toEqual([OUTSIDE_FAILURES_MAX, OUTSIDE_OPEN_MS]);
    passTime(OUTSIDE_OPEN_MS);
    await ring(accountOf(id));
    expect(await askedFor(withdrawal)).toBe(OUTSIDE_FAILURES_MAX + 1);
    expect(await now(withdrawal)).toHaveProperty("providerRef");
  });

  it("takes nobody's place for long when its object dies while the provider is asked", async () => {
    const withdrawal = await move("withdrawal", 500n * CENT);
    await control({ faults: ["hang"] });
    ring(accountOf(id)).catch(() => {});
    await vi.waitFor(async () => expect(await askedFor(withdrawal)).toBe(1));
    await crash(accountOf(id));
    await ring(accountOf(id));
    await vi.waitFor(async () => expect(await madeFor(withdrawal)).toHaveLength(1));
    // The one that asked again is through; the one that died will never be.
    const inFlight = () => outsideStates().map((state) => state.inFlight);
    await vi.waitFor(() => expect(inFlight()).toEqual([1]));
    passTime(PAYMENT_CALL_MS);
    expect(inFlight()).toEqual([1]);
    // Waiting moves a stopped clock, too, by a little.
    passTime(OUTSIDE_LOST_MS + 5_000);
    expect(inFlight()).toEqual([0]);
  });

  it("waits while its object is stopped", async () => {
    const withdrawal = await move("withdrawal", 500n * CENT);
    await stopObject(accountOf(id), "a test");
    await ring(accountOf(id));
    expect([await askedFor(withdrawal), await due(withdrawal)]).toEqual([0, 30_000]);
    await stopObject(accountOf(id), null);
    passTime(30_000);
    await ring(accountOf(id));
    expect(await madeFor(withdrawal)).toHaveLength(1);
  });

  it("is asked for by a restored account that still has it to do, and found to be done", async () => {
    const withdrawal = await move("withdrawal", 500n * CENT);
    const { data } = await accountOf(id).journal({ limit: 100, cursor: null });
    await ring(accountOf(id));
    expect(await madeFor(withdrawal)).toHaveLength(1);
    const act = { by: "usr_1", reason: "a drill" };
    unwrap(await accountOf(id).restore({ epoch: 2, journal: data, replace: true }, act));
    await accountOf(id).reopen(act);
    passTime(60_000);
    await ring(accountOf(id));
    expect([(await madeFor(withdrawal)).length, await askedFor(withdrawal)]).toEqual([1, 2]);
    const { storedHash, replayedHash } = await accountTables(id);
    expect(storedHash).toBe(replayedHash);
  });
});

describe("a deposit that the provider collects", () => {
  it("is looked after once it has been begun there", async () => {
    const deposit = await move("deposit", 500n * CENT);
    expect(await due(deposit)).toBeNull();
    unwrap(await accountOf(id).decideTransfer(deposit.id, { outcome: "known", ref: "pi_none" }));
    expect(await due(deposit)).toBe(PAYMENT_LOOK_MS);
    passTime(PAYMENT_LOOK_MS);
    await ring(accountOf(id));
    expect([await now(deposit), await due(deposit)]).toMatchObject([{ status: "pending" }, PAYMENT_LOOK_MS]);
    const settled = { outcome: "settled", ref: "pi_none", amount: 500n * CENT } as const;
    unwrap(await accountOf(id).decideTransfer(deposit.id, settled));
    expect(await due(deposit)).toBeNull();
  });
});
