// The table of stream tickets, whatever shape an account kept them in before it had a version of their own.
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { TICKETS_SCHEMA, Tickets } from "../../src/objects/account/tickets.ts";
import type { SqlValue } from "../../src/objects/ports.ts";
import { migrate } from "../../src/objects/schema.ts";
import { accountOf, newAccountId } from "../support/objects.ts";

const COLUMNS =
  "hash TEXT PRIMARY KEY, session_id TEXT NOT NULL, issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL";

describe("stream tickets", () => {
  it.each([
    ["no table", []],
    ["one without their tokens", [`CREATE TABLE tickets (${COLUMNS}) STRICT, WITHOUT ROWID`]],
    [
      "one that got them later",
      [
        `CREATE TABLE tickets (${COLUMNS}) STRICT, WITHOUT ROWID`,
        "ALTER TABLE tickets ADD COLUMN token_expires_at INTEGER NOT NULL DEFAULT 0",
      ],
    ],
  ])("are made and used, once, where there was %s", async (_, before) => {
    const name = newAccountId();
    await runInDurableObject(accountOf(name) as DurableObjectStub, (_, { storage }) => {
      for (const statement of ["DROP TABLE schema_version", "DROP TABLE tickets", ...before])
        storage.sql.exec(statement);
      const ports = {
        sql: <Row extends Record<string, SqlValue>>(query: string, ...bindings: SqlValue[]) =>
          storage.sql.exec<Row>(query, ...bindings).toArray(),
        tx: <T>(work: () => T) => storage.transactionSync(work),
        now: () => 7,
        sha256: (text: string) => `hash of ${text}`,
        name,
      };
      migrate(ports, [TICKETS_SCHEMA]);
      const tickets = new Tickets(ports);
      const caller = { accountId: name, sessionId: "ses_1", issuedAtMs: 3, expiresAtMs: 9 };
      const made = tickets.issue(caller, "secret");
      expect(made).toMatchObject({ ok: true, value: { expiresAt: 30_007 } });
      const ticket = made.ok ? made.value.ticket : "";
      expect(tickets.redeem(ticket)).toEqual({ ok: true, value: caller });
      expect(tickets.redeem(ticket)).toMatchObject({ ok: false, refusal: { code: "unauthenticated" } });
    });
  });
});
