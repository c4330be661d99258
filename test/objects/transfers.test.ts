// What an account's object keeps of transfers: over its deaths, made of an older version's journal, and once among many.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { AccountEvent, Transfer } from "../../src/core/account/state.ts";
import { decode, encode } from "../../src/core/codec.ts";
import type { TransferReview } from "../../src/objects/protocol.ts";
import {
  accountOf,
  accountTables,
  callerOf,
  checkEachTest,
  crash,
  evict,
  moneyOf,
  newAccountId,
  openAccount,
  passTime,
  sql,
  stopObject,
  unwrap,
} from "../support/objects.ts";
import { olderAccount } from "../support/older.ts";

checkEachTest();

const USD = 1_000_000n;
/** More than what vitest.config.ts has looked at. */
const MUCH = 1_000_001n * USD;
const DAY_MS = 86_400_000;

const review = (verdict: TransferReview["verdict"], by: string): TransferReview => ({
  ...{ verdict, by, account: by, reason: "a test" },
});

async function move(id: string, kind: Transfer["kind"], amount: bigint, key?: string): Promise<Transfer> {
  const idempotency = key === undefined ? null : { key, requestId: "r" };
  const wish = { kind, asset: "USD", amount };
  return unwrap((await accountOf(id).transfer(callerOf(id), wish, idempotency)).result);
}

/** Somebody with three million USD, of which a million and one wait to go out. */
async function waiting(): Promise<{ id: string; transfer: Transfer }> {
  const id = await openAccount({ USD: 3_000_000n * USD });
  const transfer = await move(id, "withdrawal", MUCH);
  expect(transfer.status).toBe("pending_review");
  return { id, transfer };
}

const one = async (id: string, transfer: Transfer) =>
  unwrap(await accountOf(id).transferOf(callerOf(id), { id: transfer.id, kind: transfer.kind }));
const used = async (id: string) => unwrap(await accountOf(id).transferLimits(callerOf(id))).used;

describe("a pending withdrawal", () => {
  it("outlives its object, with its approvals, and what of the day is used", async () => {
    const { id, transfer } = await waiting();
    unwrap(await accountOf(id).decideTransfer(transfer.id, review("approve", "usr_1")));
    await crash(accountOf(id));
    expect(await moneyOf(id, "USD")).toMatchObject({ held: MUCH });
    expect(await used(id)).toEqual({ deposit: 3_000_000n * USD, withdrawal: MUCH });
    const again = await accountOf(id).decideTransfer(transfer.id, review("approve", "usr_1"));
    expect(again).toMatchObject({ refusal: { code: "already_approved" } });
    expect(unwrap(await accountOf(id).decideTransfer(transfer.id, review("approve", "usr_2"))).status).toBe("settled");
    await evict(accountOf(id));
    expect(await one(id, transfer)).toMatchObject({ status: "settled", decisions: [{ by: "usr_1" }, { by: "usr_2" }] });
    expect(await moneyOf(id, "USD")).toMatchObject({ held: 0n });
    passTime(DAY_MS);
    expect(await used(id)).toEqual({ deposit: 0n, withdrawal: 0n });
  });

  it("is decided once by many at the same time", async () => {
    const { id, transfer } = await waiting();
    const words = [..."abcdefgh"].map((name, at) => review(at % 4 === 3 ? "reject" : "approve", `usr_${name}`));
    const done = await Promise.all([
      ...words.map((word) => accountOf(id).decideTransfer(transfer.id, word)),
      accountOf(id).cancelWithdrawal(callerOf(id), { id: transfer.id }),
    ]);
    const ends = done.flatMap((answer) => (answer.ok && answer.value.status !== "pending_review" ? [answer] : []));
    expect(ends).toHaveLength(1);
    const entries = await sql<{ entry_kind: string }>(
      accountOf(id),
      "SELECT entry_kind FROM journal WHERE body ->> '$.entry.ref' = ? ORDER BY seq",
      transfer.id,
    );
    expect(entries).toHaveLength(2);
  });

  it("is left alone while its object is stopped, or being restored", async () => {
    const { id, transfer } = await waiting();
    await stopObject(accountOf(id), "a test");
    const away = { refusal: { code: "unavailable" } };
    expect(await accountOf(id).decideTransfer(transfer.id, review("reject", "usr_1"))).toMatchObject(away);
    expect(
      await accountOf(id).decideTransfer(transfer.id, { outcome: "failed", ref: null, failure: "x" }),
    ).toMatchObject(away);
    await stopObject(accountOf(id), null);
    await sql(accountOf(id), "INSERT OR REPLACE INTO meta (key, value) VALUES ('restoring', '1')");
    await evict(accountOf(id));
    expect(await accountOf(id).decideTransfer(transfer.id, review("reject", "usr_1"))).toMatchObject(away);
    await sql(accountOf(id), "DELETE FROM meta WHERE key = 'restoring'");
    await evict(accountOf(id));
  });

  it("comes back with a snapshot that has it", async () => {
    const { id, transfer } = await waiting();
    const { data } = await accountOf(id).journal({ limit: 100, cursor: null });
    unwrap(await accountOf(id).decideTransfer(transfer.id, review("reject", "usr_1")));
    const act = { by: "usr_1", reason: "a drill" };
    unwrap(await accountOf(id).restore({ epoch: 2, journal: data, replace: true }, act));
    expect(await one(id, transfer)).toMatchObject({ status: "pending_review" });
    expect(await moneyOf(id, "USD")).toMatchObject({ held: MUCH });
    await accountOf(id).reopen(act);
    expect(unwrap(await accountOf(id).decideTransfer(transfer.id, review("reject", "usr_1"))).status).toBe("rejected");
  });

  it("that there is not is not found, nor is a deposit among withdrawals", async () => {
    const { id, transfer } = await waiting();
    const gone = { refusal: { code: "not_found" } };
    expect(await accountOf(id).decideTransfer("wdr_none", review("approve", "usr_1"))).toMatchObject(gone);
    expect(await accountOf(id).cancelWithdrawal(callerOf(id), { id: "wdr_none" })).toMatchObject(gone);
    expect(await accountOf(id).transferOf(callerOf(id), { id: transfer.id, kind: "deposit" })).toMatchObject(gone);
  });
});

describe("an object stored by the version before", () => {
  it("lists the transfers of its journal, and answers their keys as it did", async () => {
    const id = await openAccount();
    const first = await move(id, "deposit", 5n * USD, "k");
    await move(id, "withdrawal", 2n * USD);
    const lists = async () =>
      Promise.all(
        (["deposit", "withdrawal"] as const).map((kind) =>
          accountOf(id).transfers(callerOf(id), { kind, limit: 10, cursor: null }),
        ),
      );
    const before = await lists();
    await olderAccount(id, 9);
    await evict(accountOf(id));
    const plain = ({ worth: _, ...transfer }: Transfer) => transfer;
    expect((await lists()).map((page) => unwrap(page).data)).toEqual(
      before.map((page) => unwrap(page).data.map(plain)),
    );
    expect(await move(id, "deposit", 5n * USD, "k")).toEqual(plain(first));
    expect(await used(id)).toEqual({ deposit: 0n, withdrawal: 0n });
  });

  it("and written by it while both run: what it settles is listed", async () => {
    const id = await openAccount();
    const [row] = await sql<{ body: string }>(accountOf(id), "SELECT body FROM journal");
    const other = newAccountId();
    await env.ACCOUNT.getByName(other).head();
    const { today: _, ...event } = decode<AccountEvent & { kind: "transfer" }>(row?.body ?? "");
    await sql(
      accountOf(other),
      "INSERT INTO journal (seq, first, v, at, kind, entry_kind, body) VALUES (?, ?, 1, ?, 'transfer', 'deposit', ?)",
      ...[event.seq, event.first, event.at, encode(event)],
    );
    const kept = await sql<{ id: string; open: number }>(accountOf(other), "SELECT id, open FROM transfers");
    expect(kept).toEqual([{ id: event.transfer.id, open: 0 }]);
    expect(await sql(accountOf(other), "SELECT value FROM meta WHERE key = 'moved_today'")).toEqual([]);
  });
});

describe("a list of transfers", () => {
  it("comes in pages, each as it is now, newest first", async () => {
    const { id, transfer } = await waiting();
    for (let at = 0; at < 4; at += 1) await move(id, "withdrawal", BigInt(at + 1));
    unwrap(await accountOf(id).cancelWithdrawal(callerOf(id), { id: transfer.id }));
    const amounts: bigint[] = [];
    let cursor: number | null = null;
    do {
      const page = unwrap(await accountOf(id).transfers(callerOf(id), { kind: "withdrawal", limit: 2, cursor })) as {
        data: Transfer[];
        nextCursor: number | null;
      };
      amounts.push(...page.data.map(({ amount }) => amount));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(amounts).toEqual([4n, 3n, 2n, 1n, MUCH]);
    expect(await one(id, transfer)).toMatchObject({ status: "canceled" });
    const { storedHash, replayedHash } = await accountTables(id);
    expect(storedHash).toBe(replayedHash);
  });
});
