// What an account's object keeps for looks at its past: made of an older version's journal, kept by whoever writes one.
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { EXPLAIN_HOLDS_MAX, STATEMENT_ENTRIES_MAX } from "../../src/core/limits.ts";
import { AtBase } from "../../src/objects/account/archived.ts";
import { AccountHistory } from "../../src/objects/account/history.ts";
import type { SqlValue } from "../../src/objects/ports.ts";
import {
  accountOf,
  accountTables,
  atMarket,
  callerOf,
  checkEachTest,
  evict,
  limit,
  openAccount,
  place,
  rulesFor,
  sql,
  unwrap,
} from "../support/objects.ts";
import { olderAccount } from "../support/older.ts";

checkEachTest();

const MOVES = "SELECT asset, moved FROM moves ORDER BY seq, asset";

describe("the moves of assets", () => {
  it("are kept with each entry: more, less, or only held", async () => {
    const id = await openAccount();
    await sql(accountOf(id), "DELETE FROM moves");
    await place(id, limit("SOL-USD", "buy"));
    await place(id, atMarket("SOL-USD", "buy"));
    await accountOf(id).transfer(callerOf(id), { kind: "withdrawal", asset: "SOL", amount: 1n }, null);
    expect(await sql(accountOf(id), MOVES)).toEqual([
      { asset: "USD", moved: 0 },
      { asset: "USD", moved: 0 },
      { asset: "SOL", moved: 1 },
      { asset: "USD", moved: -1 },
      { asset: "SOL", moved: -1 },
    ]);
  });

  it("are made of the journal of an object of the version before", async () => {
    const id = await openAccount({ SOL: 1_000_000_000n });
    await place(id, atMarket("SOL-USD", "buy"));
    const seqs = await sql<{ seq: number }>(accountOf(id), "SELECT seq FROM journal ORDER BY seq");
    const seen = [];
    for (const { seq } of seqs) seen.push(await accountOf(id).stateAt(callerOf(id), { seq }));
    const moves = await sql(accountOf(id), MOVES);
    expect(moves.length).toBeGreaterThan(3);
    await olderAccount(id, 7);
    await evict(accountOf(id));
    const again = [];
    for (const { seq } of seqs) again.push(await accountOf(id).stateAt(callerOf(id), { seq }));
    expect(again).toEqual(seen);
    expect(await sql(accountOf(id), MOVES)).toEqual(moves);
  });

  it("do not keep an object from opening that has a row which is no JSON: it must be there to be restored", async () => {
    const id = await openAccount();
    await place(id, limit("SOL-USD", "buy"));
    const kind = "kind = 'order_accepted'";
    const [row] = await sql<{ body: string }>(accountOf(id), `SELECT body FROM journal WHERE ${kind}`);
    await olderAccount(id, 7);
    await sql(accountOf(id), `UPDATE journal SET body = '{' WHERE ${kind}`);
    await evict(accountOf(id));
    const { stopped } = await accountOf(id).parked({ limit: 1, cursor: null });
    expect(stopped).toContain("unreadable");
    await sql(accountOf(id), `UPDATE journal SET body = ? WHERE ${kind}`, row?.body ?? "");
    await evict(accountOf(id));
  });
});

describe("an explained balance", () => {
  it("counts the orders together that have no place among its holds", async () => {
    const id = await openAccount();
    for (let n = 0; n < EXPLAIN_HOLDS_MAX + 3; n += 1) {
      await place(id, limit("SOL-USD", "buy", { qty: rulesFor("SOL-USD").lotSize * 1_000n }));
    }
    const explained = unwrap(
      await accountOf(id).explainBalance(callerOf(id), { asset: "USD", limit: 1, cursor: null }),
    );
    expect(explained.holds).toHaveLength(EXPLAIN_HOLDS_MAX);
    expect(explained.otherHolds.count).toBe(3);
    const named = explained.holds.reduce((sum, { amount }) => sum + amount, 0n);
    expect(named + explained.otherHolds.amount).toBe(explained.value.held);
  }, 60_000);
});

describe("a statement", () => {
  it("of more entries than one may have is refused; a shorter one is not", async () => {
    const id = await openAccount();
    const { stored } = await accountTables(id);
    const ends: [last: number, ok: boolean][] = [
      [stored.seq + STATEMENT_ENTRIES_MAX - 1, true],
      [stored.seq + STATEMENT_ENTRIES_MAX, false],
    ];
    await runInDurableObject(accountOf(id) as DurableObjectStub, (_, { storage }) => {
      const rows = storage.sql.exec<{ body: string }>("SELECT body FROM journal WHERE seq = ?", stored.seq).toArray();
      storage.sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
          INSERT INTO journal (seq, first, v, at, kind, entry_kind, body)
          SELECT ?2 + i, ?2 + i, 1, ?3 + i, 'transfer', 'deposit', ?4 FROM n`,
        STATEMENT_ENTRIES_MAX,
        stored.seq,
        stored.at,
        rows[0]?.body ?? "",
      );
      const sql = <Row extends Record<string, SqlValue>>(query: string, ...bindings: SqlValue[]) =>
        storage.sql.exec<Row>(query, ...bindings).toArray();
      const now = () => stored.at + 10 * STATEMENT_ENTRIES_MAX;
      for (const [seq, fits] of ends) {
        const history = new AccountHistory({ sql, now, name: id }, () => ({ ...stored, seq }), new AtBase(sql));
        const whole = history.statement({ from: null, to: null });
        expect(whole.ok).toBe(fits);
        if (!whole.ok) {
          expect(whole.refusal).toMatchObject({ errors: [{ pointer: "/to", code: "period_too_long" }] });
        }
        const late = history.statement({ from: stored.at + 10, to: stored.at + 20 });
        expect(late).toMatchObject({ ok: true, value: { afterSeq: stored.seq + 9, lastSeq: stored.seq + 19 } });
      }
      storage.sql.exec("DELETE FROM journal WHERE seq > ?", stored.seq);
      storage.sql.exec("DELETE FROM moves WHERE seq > ?", stored.seq);
    });
  });
});
