import { describe, expect, it } from "vitest";
import type { ProviderFact } from "../../src/core/account/reviews.ts";
import { type AccountState, balanceOf, type Transfer } from "../../src/core/account/state.ts";
import { accountStateHash } from "../../src/core/account/state-hash.ts";
import { applyTransfer, canFollow, type TransferStatus } from "../../src/core/account/transfer-events.ts";
import { accountBreaks } from "../../src/core/invariants.ts";
import { TRANSFERS_PENDING_MAX } from "../../src/core/limits.ts";
import { UNITS_MAX } from "../../src/core/money.ts";
import { referencePrice } from "../../src/core/prices.ts";
import type { Result } from "../../src/core/result.ts";
import { PAPER_POLICY, providerOf, type TransferPolicy, transferPolicyOf } from "../../src/core/transfer-policy.ts";
import { listed, NOON, SEED, sha256 } from "../support/book.ts";
import { CoreWorld } from "../support/core-world.ts";
import { expectHistory } from "../support/history.ts";
import { money, sol, usd, value } from "../support/pair.ts";
import { randomOf } from "../support/random.ts";

const DAY_MS = 86_400_000;
const REVIEWED: TransferPolicy = { ...PAPER_POLICY, reviewOver: usd("100") };
const PROVIDED: TransferPolicy = { ...PAPER_POLICY, provider: "stripe" };
const BOTH: TransferPolicy = { ...REVIEWED, provider: "stripe" };

function world(policy: TransferPolicy): CoreWorld {
  const made = new CoreWorld(["ann", "bob"], [listed("SOL-USD")]);
  value(made.transfer("ann", "deposit", "USD", usd("10000")));
  value(made.transfer("ann", "deposit", "SOL", sol("10")));
  made.policy = policy;
  return made;
}

const stateOf = (of: CoreWorld): AccountState => of.customer("ann").state;
const codeOf = (result: Result<unknown>) => (result.ok ? "ok" : result.refusal.code);
const withdrawal = (of: CoreWorld, amount: string) => value(of.transfer("ann", "withdrawal", "USD", usd(amount)));
const deposit = (of: CoreWorld, amount: string) => value(of.transfer("ann", "deposit", "USD", usd(amount)));
const settledBy = (amount: string, ref = "pi_1"): ProviderFact => ({ outcome: "settled", ref, amount: usd(amount) });
const failedBy = (failure: string, ref: string | null = "pi_1"): ProviderFact => ({ outcome: "failed", ref, failure });
const whole = (of: CoreWorld) => expect(of.breaks(true)).toEqual([]);
const kinds = (of: CoreWorld, ref: string) =>
  of.accountEvents("ann").flatMap((event) => ("entry" in event && event.entry?.ref === ref ? [event.entry.kind] : []));

describe("a withdrawal worth more than is to be looked at", () => {
  it("holds its amount at once and waits; one worth as much settles", () => {
    const w = world(REVIEWED);
    expect(withdrawal(w, "100")).toMatchObject({ status: "settled" });
    const pending = withdrawal(w, "100.000001");
    expect(pending).toMatchObject({ status: "pending_review", worth: usd("100.000001") });
    expect(money(w, "ann", "USD")).toBe("USD 9799.999999 + 100.000001");
    expect(kinds(w, pending.id)).toEqual(["hold"]);
    whole(w);
  });

  it("goes by what it is worth, of other assets too; what leaves its hold leaves the position", () => {
    const w = world(REVIEWED);
    const price = referencePrice(listed("SOL-USD"), SEED, NOON);
    expect(value(w.transfer("ann", "withdrawal", "SOL", sol("0.1")))).toMatchObject({ status: "settled" });
    const pending = value(w.transfer("ann", "withdrawal", "SOL", sol("1")));
    expect(pending).toMatchObject({ status: "pending_review", worth: price });
    const before = stateOf(w).positions.get("SOL-USD")?.qty ?? 0n;
    w.review("ann", pending.id, "approve", "one");
    w.review("ann", pending.id, "approve", "two");
    expect(stateOf(w).positions.get("SOL-USD")?.qty).toBe(before - sol("1"));
    whole(w);
  });

  it("is settled by the second approval, of another operator: then its hold is outside", () => {
    const w = world(REVIEWED);
    const { id } = withdrawal(w, "500");
    expect(value(w.review("ann", id, "approve", "one"))).toMatchObject({ status: "pending_review", updatedAt: NOON });
    expect(money(w, "ann", "USD")).toBe("USD 9500 + 500");
    const decisions = ["one", "two"].map((by) => ({ verdict: "approve", by, reason: `${by} says so`, at: NOON }));
    expect(value(w.review("ann", id, "approve", "two"))).toMatchObject({ status: "settled", decisions });
    expect(money(w, "ann", "USD")).toBe("USD 9500 + 0");
    expect(kinds(w, id)).toEqual(["hold", "withdrawal"]);
    expect(stateOf(w).transfers.size).toBe(0);
    whole(w);
  });

  it.each<[string, (of: CoreWorld, id: string) => Result<Transfer>, TransferStatus]>([
    ["rejected by one operator", (of, id) => of.review("ann", id, "reject", "one"), "rejected"],
    ["canceled by its owner", (of, id) => of.cancelTransfer("ann", id), "canceled"],
  ])("%s gives its hold back, and the day what it used of it", (_how, act, status) => {
    const w = world({ ...REVIEWED, perDay: { deposit: null, withdrawal: usd("600") } });
    const { id } = withdrawal(w, "500");
    expect(codeOf(w.transfer("ann", "withdrawal", "USD", usd("101")))).toBe("daily_transfer_limit");
    expect(value(act(w, id))).toMatchObject({ id, status });
    expect(money(w, "ann", "USD")).toBe("USD 10000 + 0");
    expect(kinds(w, id)).toEqual(["hold", "release"]);
    expect(withdrawal(w, "600")).toMatchObject({ status: "pending_review" });
    whole(w);
  });

  it("rejected on another day gives that day nothing back", () => {
    const w = world({ ...REVIEWED, perDay: { deposit: null, withdrawal: usd("600") } });
    const { id } = withdrawal(w, "500");
    w.now += DAY_MS;
    withdrawal(w, "50");
    w.review("ann", id, "reject", "one");
    expect(stateOf(w).movedToday).toMatchObject({ withdrawal: usd("50") });
  });

  it("is canceled once; asked again it is answered as it is", () => {
    const w = world(REVIEWED);
    const { id } = withdrawal(w, "500");
    const canceled = value(w.cancelTransfer("ann", id));
    const { seq } = stateOf(w);
    expect(value(w.cancelTransfer("ann", id))).toEqual(canceled);
    expect(stateOf(w).seq).toBe(seq);
  });

  it.each<[string, string, (of: CoreWorld, id: string) => Result<unknown>]>([
    ["own_withdrawal", "by its owner", (of, id) => of.review("ann", id, "approve", "ann")],
    ["own_withdrawal", "to be undone by its owner", (of, id) => of.review("ann", id, "reverse", "ann")],
    ["already_approved", "by the same operator twice", (of, id) => of.review("ann", id, "approve", "one")],
    [
      "account_frozen",
      "of a frozen account",
      (of, id) => {
        of.happen("ann", { kind: "status_changed", status: "frozen", reason: "asked" });
        return of.review("ann", id, "approve", "two");
      },
    ],
    [
      "transfer_not_pending",
      "once it is rejected",
      (of, id) => {
        of.review("ann", id, "reject", "two");
        return of.review("ann", id, "approve", "three");
      },
    ],
    ["transfer_not_settled", "to be undone before it is done", (of, id) => of.review("ann", id, "reverse", "two")],
  ])("is refused %s, %s, and nothing changes", (code, _when, act) => {
    const w = world(REVIEWED);
    const { id } = withdrawal(w, "500");
    w.review("ann", id, "approve", "one");
    const refused = act(w, id);
    expect(codeOf(refused)).toBe(code);
    expect(w.transferOf("ann", id).decisions?.filter(({ verdict }) => verdict === "approve")).toHaveLength(1);
    whole(w);
  });

  it("that has ended is neither rejected nor canceled; a deposit never is", () => {
    const w = world(REVIEWED);
    const { id } = withdrawal(w, "50");
    expect(codeOf(w.review("ann", id, "reject", "one"))).toBe("transfer_not_pending");
    expect(codeOf(w.cancelTransfer("ann", id))).toBe("transfer_not_pending");
    const paid = deposit(w, "5");
    expect(codeOf(w.review("ann", paid.id, "approve", "one"))).toBe("not_found");
    expect(codeOf(w.cancelTransfer("ann", paid.id))).toBe("not_found");
  });

  it("tells an operator who asks again that they have approved, also when it is settled", () => {
    const w = world(REVIEWED);
    const { id } = withdrawal(w, "500");
    w.review("ann", id, "approve", "one");
    w.review("ann", id, "approve", "two");
    expect(codeOf(w.review("ann", id, "approve", "two"))).toBe("already_approved");
    expect(codeOf(w.review("ann", id, "approve", "three"))).toBe("transfer_not_pending");
  });

  it(`is refused when ${TRANSFERS_PENDING_MAX} wait already; what settles at once is not`, () => {
    const w = world({ ...PAPER_POLICY, reviewOver: usd("1") });
    for (let i = 0; i < TRANSFERS_PENDING_MAX; i += 1) withdrawal(w, "2");
    expect(codeOf(w.transfer("ann", "withdrawal", "USD", usd("2")))).toBe("too_many_pending_transfers");
    expect(codeOf(w.transfer("ann", "withdrawal", "USD", usd("1")))).toBe("ok");
  });
});

describe("the limit of a day", () => {
  const LIMITED: TransferPolicy = { ...PAPER_POLICY, perDay: { deposit: usd("1000"), withdrawal: usd("300") } };

  it("counts what comes in and what goes out apart, in USD worth, to the unit", () => {
    const w = world(PAPER_POLICY);
    w.now += DAY_MS;
    w.policy = LIMITED;
    deposit(w, "400");
    const price = referencePrice(listed("SOL-USD"), SEED, w.now);
    value(w.transfer("ann", "deposit", "SOL", sol("1")));
    const left = usd("600") - price;
    const used = String((Number(usd("400") + price) / 1e6).toString());
    expect(w.transfer("ann", "deposit", "USD", left + 1n)).toMatchObject({
      refusal: { code: "daily_transfer_limit", transfer: "deposit", limit: "1000", used },
    });
    expect(codeOf(w.transfer("ann", "deposit", "USD", left))).toBe("ok");
    expect(codeOf(w.transfer("ann", "withdrawal", "USD", usd("300")))).toBe("ok");
    expect(w.transfer("ann", "withdrawal", "USD", 1n)).toMatchObject({
      refusal: { code: "daily_transfer_limit", transfer: "withdrawal", used: "300", resetsAt: NOON + DAY_MS * 1.5 },
    });
    expect(w.accountEvents("ann").at(-1)).toMatchObject({ kind: "refused" });
  });

  it("begins anew at 00:00 UTC, not a moment before", () => {
    const w = world(PAPER_POLICY);
    w.policy = LIMITED;
    w.now = NOON + DAY_MS / 2 - 1;
    withdrawal(w, "300");
    expect(codeOf(w.transfer("ann", "withdrawal", "USD", 1n))).toBe("daily_transfer_limit");
    w.now += 1;
    expect(codeOf(w.transfer("ann", "withdrawal", "USD", usd("300")))).toBe("ok");
    expect(codeOf(w.transfer("ann", "withdrawal", "USD", 1n))).toBe("daily_transfer_limit");
  });

  it("is judged before funds are, and after what one transfer may be worth", () => {
    const w = world(PAPER_POLICY);
    w.policy = LIMITED;
    expect(codeOf(w.transfer("ann", "withdrawal", "USD", usd("20000")))).toBe("daily_transfer_limit");
    expect(codeOf(w.transfer("ann", "withdrawal", "USD", usd("20000000")))).toBe("amount_out_of_range");
    w.policy = PAPER_POLICY;
    expect(codeOf(w.transfer("ann", "withdrawal", "USD", usd("20000")))).toBe("insufficient_funds");
  });

  it("is not given back by what is undone later", () => {
    const w = world(PAPER_POLICY);
    w.policy = LIMITED;
    const { id } = withdrawal(w, "300");
    value(w.review("ann", id, "reverse", "one"));
    expect(codeOf(w.transfer("ann", "withdrawal", "USD", 1n))).toBe("daily_transfer_limit");
  });
});

describe("undoing what was settled", () => {
  it("of a deposit is an entry the other way that names it, once", () => {
    const w = world(PAPER_POLICY);
    const { id } = deposit(w, "70");
    expect(value(w.review("ann", id, "reverse", "one"))).toMatchObject({ status: "reversed" });
    expect(money(w, "ann", "USD")).toBe("USD 10000 + 0");
    expect(kinds(w, id)).toEqual(["deposit", "reversal"]);
    expect(w.review("ann", id, "reverse", "two")).toMatchObject({
      refusal: { code: "transfer_not_settled", detail: "This has been reversed already." },
    });
    expect(kinds(w, id)).toEqual(["deposit", "reversal"]);
    whole(w);
  });

  it("of a deposit that is spent is refused, and says whose money is missing", () => {
    const w = world(PAPER_POLICY);
    const { id } = deposit(w, "70");
    withdrawal(w, "10000.000001");
    const missing = { asset: "USD", needed: "70", available: "69.999999", transferId: id };
    expect(w.review("ann", id, "reverse", "one")).toMatchObject({
      refusal: { code: "insufficient_funds", ...missing },
    });
    expect(w.transferOf("ann", id)).toMatchObject({ status: "settled" });
  });

  it.each(["USD", "SOL"] as const)("of a withdrawal of %s brings it back", (asset) => {
    const w = world(PAPER_POLICY);
    const before = money(w, "ann", asset);
    const { id } = value(w.transfer("ann", "withdrawal", asset, 5_000_000n));
    value(w.review("ann", id, "reverse", "one"));
    expect(money(w, "ann", asset)).toBe(before);
    expect(kinds(w, id)).toEqual(["withdrawal", "reversal"]);
    expectHistory(w);
    whole(w);
  });

  it("of a withdrawal is refused when the balance could pass its bound", () => {
    const w = world(PAPER_POLICY);
    const { id } = withdrawal(w, "10000");
    w.depositInParts("ann", "USD", UNITS_MAX, usd("10000000"));
    expect(codeOf(w.review("ann", id, "reverse", "one"))).toBe("amount_out_of_range");
  });

  it("works on a frozen account: it is no wish of its owner's", () => {
    const w = world(PAPER_POLICY);
    const { id } = deposit(w, "70");
    w.happen("ann", { kind: "status_changed", status: "frozen", reason: "asked" });
    expect(codeOf(w.review("ann", id, "reverse", "one"))).toBe("ok");
  });
});

describe("fiat that a provider moves", () => {
  it("comes in when the provider says so; until then it is awaited, and room is kept for it", () => {
    const w = world(PROVIDED);
    const asked = deposit(w, "250");
    expect(asked).toMatchObject({ status: "pending", provider: "stripe" });
    expect(money(w, "ann", "USD")).toBe("USD 10000 + 0");
    expect(kinds(w, asked.id)).toEqual([]);
    expect(stateOf(w).credits.get("USD")).toBe(usd("250"));
    whole(w);
    expect(value(w.hear("ann", asked.id, settledBy("250")))).toMatchObject({ status: "settled", providerRef: "pi_1" });
    expect(money(w, "ann", "USD")).toBe("USD 10250 + 0");
    expect(stateOf(w).credits.get("USD")).toBe(0n);
    whole(w);
  });

  it("is fiat alone: crypto stays paper", () => {
    const w = world(PROVIDED);
    expect(value(w.transfer("ann", "deposit", "SOL", sol("1")))).toMatchObject({ status: "settled" });
    expect(providerOf(PROVIDED, "SOL")).toBeNull();
    expect(providerOf(PROVIDED, "nothing that is listed")).toBeNull();
  });

  it("goes out from its hold once the provider has paid; what it cannot pay is released", () => {
    const w = world(PROVIDED);
    const [paid, failed] = [withdrawal(w, "10"), withdrawal(w, "20")];
    expect(paid).toMatchObject({ status: "pending" });
    expect(money(w, "ann", "USD")).toBe("USD 9970 + 30");
    expect(value(w.hear("ann", paid.id, settledBy("10", "po_1")))).toMatchObject({ status: "settled" });
    const fact = failedBy("account_closed", null);
    expect(value(w.hear("ann", failed.id, fact))).toMatchObject({ status: "failed", failure: "account_closed" });
    expect(money(w, "ann", "USD")).toBe("USD 9990 + 0");
    whole(w);
  });

  it("is handed to the provider by the last approval", () => {
    const w = world(BOTH);
    const { id } = withdrawal(w, "500");
    w.review("ann", id, "approve", "one");
    expect(value(w.review("ann", id, "approve", "two"))).toMatchObject({ status: "pending" });
    expect(money(w, "ann", "USD")).toBe("USD 9500 + 500");
    expect(codeOf(w.cancelTransfer("ann", id))).toBe("transfer_not_pending");
    value(w.hear("ann", id, settledBy("500")));
    expect(kinds(w, id)).toEqual(["hold", "withdrawal"]);
  });

  it("whose name there is told is remembered once", () => {
    const w = world(PROVIDED);
    const { id } = deposit(w, "5");
    expect(value(w.hear("ann", id, { outcome: "known", ref: "pi_7" }))).toMatchObject({ providerRef: "pi_7" });
    const { seq } = stateOf(w);
    w.hear("ann", id, { outcome: "known", ref: "pi_7" });
    expect(stateOf(w).seq).toBe(seq);
    w.hear("ann", id, { outcome: "known", ref: "pi_8" });
    w.hear("ann", id, settledBy("5", "pi_9"));
    expect(w.transferOf("ann", id)).toMatchObject({ status: "settled", providerRef: "pi_7" });
    expect(value(w.hear("ann", id, { outcome: "known", ref: "pi_8" }))).toMatchObject({ providerRef: "pi_7" });
  });

  it.each<[string, "deposit" | "withdrawal", ProviderFact[], TransferStatus, string]>([
    ["paid twice", "deposit", [settledBy("5"), settledBy("5")], "settled", "USD 10005 + 0"],
    ["paid, then failed", "deposit", [settledBy("5"), failedBy("late")], "settled", "USD 10005 + 0"],
    ["failed, then paid", "deposit", [failedBy("slow"), settledBy("5")], "settled", "USD 10005 + 0"],
    ["failed twice", "deposit", [failedBy("slow"), failedBy("slow")], "failed", "USD 10000 + 0"],
    ["paid twice", "withdrawal", [settledBy("5"), settledBy("5")], "settled", "USD 9995 + 0"],
    ["paid, then failed", "withdrawal", [settledBy("5"), failedBy("no account")], "reversed", "USD 10000 + 0"],
    ["failed, then paid", "withdrawal", [failedBy("no account"), settledBy("5")], "failed", "USD 10000 + 0"],
    [
      "paid, failed, and both again",
      "withdrawal",
      [settledBy("5"), failedBy("x"), settledBy("5"), failedBy("x")],
      "reversed",
      "USD 10000 + 0",
    ],
  ])("%s, a %s ends as it must", (_what, kind, facts, status, left) => {
    const w = world(PROVIDED);
    const { id } = value(w.transfer("ann", kind, "USD", usd("5")));
    for (const fact of facts) value(w.hear("ann", id, fact));
    expect(w.transferOf("ann", id).status).toBe(status);
    expect(money(w, "ann", "USD")).toBe(left);
    expectHistory(w);
    whole(w);
  });

  it("is refused of another amount than was asked for, and where no provider has it", () => {
    const w = world(PROVIDED);
    const { id } = deposit(w, "5");
    const detail = `4.99 USD were moved for ${id}, which is of 5`;
    expect(w.hear("ann", id, settledBy("4.99"))).toMatchObject({
      refusal: { code: "validation_failed", errors: [{ code: "other_amount", detail }] },
    });
    w.policy = PAPER_POLICY;
    expect(codeOf(w.hear("ann", deposit(w, "5").id, settledBy("5")))).toBe("not_found");
  });

  it("says nothing of a withdrawal that still waits for operators", () => {
    const w = world(BOTH);
    const { id } = withdrawal(w, "500");
    for (const fact of [settledBy("500"), failedBy("x")]) w.hear("ann", id, fact);
    expect(w.transferOf("ann", id)).toMatchObject({ status: "pending_review" });
  });

  it("that failed keeps no room: settled after all, it may find none", () => {
    const w = world(PROVIDED);
    const { id } = deposit(w, "5");
    w.hear("ann", id, failedBy("slow"));
    w.policy = PAPER_POLICY;
    w.depositInParts("ann", "USD", UNITS_MAX - usd("10000"), usd("10000000"));
    expect(codeOf(w.hear("ann", id, settledBy("5")))).toBe("amount_out_of_range");
  });

  it("pending counts where a balance could pass its bound", () => {
    const w = world(PAPER_POLICY);
    w.depositInParts("ann", "USD", UNITS_MAX - usd("10005"), usd("10000000"));
    w.policy = PROVIDED;
    deposit(w, "5");
    expect(codeOf(w.transfer("ann", "deposit", "USD", 1n))).toBe("amount_out_of_range");
  });
});

describe("what follows what", () => {
  const STATUSES: TransferStatus[] = [
    ...(["pending_review", "pending", "settled", "rejected", "canceled", "failed", "reversed"] as const),
  ];

  it("is this, and nothing else", () => {
    const table = STATUSES.map((from) => [from, STATUSES.filter((to) => canFollow(from, to)).join(" ")]);
    expect(Object.fromEntries(table)).toEqual({
      pending_review: "pending_review pending settled rejected canceled",
      pending: "pending settled failed",
      settled: "reversed",
      rejected: "",
      canceled: "",
      failed: "settled",
      reversed: "",
    });
  });

  it("and a journal that says otherwise is not applied", () => {
    const w = world(REVIEWED);
    const { id } = withdrawal(w, "500");
    const [event] = w.accountEvents("ann").slice(-1);
    if (event === undefined || event.kind !== "transfer_requested") throw new Error("no request");
    expect(() => applyTransfer(stateOf(w), event)).toThrow(`transfer ${id} exists`);
    const failed = { ...event.transfer, status: "failed" as const };
    const change = { ...event, kind: "transfer_changed" as const, position: null, transfer: failed };
    expect(() => applyTransfer(stateOf(w), change)).toThrow(`pending_review to failed: ${id}`);
  });
});

describe("a row that the version before has journalled", () => {
  it("says nothing of what its day has used, and takes nothing from what is known of it", () => {
    const w = world(PAPER_POLICY);
    deposit(w, "5");
    const row = w.accountEvents("ann").at(-1);
    if (row?.kind !== "transfer") throw new Error("nothing was journalled of the deposit");
    const { today, ...older } = row;
    const used = { ...stateOf(w).movedToday };
    expect(today).toEqual(used);
    applyTransfer(stateOf(w), { ...older, transfer: { ...older.transfer, id: "dep_before" } });
    expect(stateOf(w).movedToday).toEqual(used);
  });
});

describe("the checker and the hash", () => {
  it.each<[string, RegExp, (state: AccountState, one: Transfer) => void]>([
    ["a hold that is forgotten", /held, what it is held for comes to 0/, ({ transfers }) => transfers.clear()],
    ["another's place", /is kept as wdr_x/, ({ transfers }, one) => transfers.set("wdr_x", one)],
    ["one that has ended", /is settled and still kept/, ({ transfers }, one) => set(transfers, one, "settled")],
    ["one of nothing", /is of 0/, ({ transfers }, one) => transfers.set(one.id, { ...one, amount: 0n })],
  ])("speaks of %s", (_what, wanted, change) => {
    const w = world(REVIEWED);
    const one = withdrawal(w, "500");
    change(stateOf(w), one);
    expect(accountBreaks(stateOf(w)).join("\n")).toMatch(wanted);
  });

  it("tell apart what is pending, and what of the day is used; a journal of before gives the hash that it gave", () => {
    const w = world(REVIEWED);
    const hash = () => accountStateHash(stateOf(w), sha256);
    const one = withdrawal(w, "500");
    const before = hash();
    set(stateOf(w).transfers, one, "pending");
    expect(hash()).not.toBe(before);
    set(stateOf(w).transfers, one, "pending_review");
    stateOf(w).movedToday = { ...stateOf(w).movedToday, withdrawal: 1n };
    expect(hash()).not.toBe(before);
  });
});

function set(transfers: AccountState["transfers"], one: Transfer, status: TransferStatus): void {
  transfers.set(one.id, { ...one, status });
}

describe("an environment's policy", () => {
  it("of a local run stands in nobody's way, elsewhere it is strict; figures of its own come in its place", () => {
    expect(transferPolicyOf(true, {}, null)).toEqual(PAPER_POLICY);
    const strict = transferPolicyOf(false, {}, "stripe");
    expect(strict).toEqual({
      perDay: { deposit: usd("50000"), withdrawal: usd("20000") },
      reviewOver: usd("5000"),
      provider: "stripe",
    });
    expect(transferPolicyOf(false, { deposit: null, withdrawal: 5n, reviewOver: null }, null)).toEqual({
      perDay: { deposit: null, withdrawal: 5n },
      reviewOver: null,
      provider: null,
    });
  });
});

describe("whatever owners, operators and a provider do in whatever order", () => {
  it.each([11, 12, 13])("no invariant breaks and the journal replays, seed %d, 1,500 acts", (seed) => {
    const w = world(BOTH);
    w.policy = { ...BOTH, perDay: { deposit: usd("20000"), withdrawal: usd("20000") } };
    const random = randomOf(seed);
    const ids: string[] = [];
    for (let i = 0; i < 1_500; i += 1) {
      w.now += random.once(15) ? random.int(DAY_MS) : random.int(1_000);
      const dice = random.int(10);
      const id = ids.length === 0 ? undefined : random.once(3) ? random.pick(ids) : ids.at(-1 - random.int(3));
      if (dice < 3 || id === undefined) {
        const asset = random.pick(["USD", "USD", "SOL"]);
        const amount = BigInt(1 + random.int(900_000_000));
        const made = w.transfer("ann", random.pick(["deposit", "withdrawal"]), asset, amount);
        if (made.ok) ids.push(made.value.id);
      } else if (dice < 6) {
        w.review("ann", id, random.pick(["approve", "approve", "reject", "reverse"]), random.pick(["a", "b", "ann"]));
      } else if (dice < 7) w.cancelTransfer("ann", id);
      else if (dice < 8) w.place("ann", { qty: sol("0.5"), limitPrice: usd("175") });
      else {
        const { amount } = w.transferOf("ann", id);
        const ref = random.pick(["x", "y"]);
        w.hear(
          "ann",
          id,
          random.pick<ProviderFact>([{ outcome: "settled", ref, amount }, failedBy("f"), failedBy("g", null)]),
        );
      }
      w.settle();
      whole(w);
    }
    const statuses = new Set([...w.customer("ann").transfers.values()].map(({ status }) => status));
    expect(statuses.size).toBe(7);
    expectHistory(w);
    expect(balanceOf(stateOf(w), "held", "USD")).toBeGreaterThan(0n);
  });
});
