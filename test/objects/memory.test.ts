// What an object goes by after a transaction that was rolled back, whatever becomes of reading it again.
import { runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { InvariantError } from "../../src/core/result.ts";
import { Memory, type MemoryPorts } from "../../src/objects/memory.ts";
import type { SqlValue } from "../../src/objects/ports.ts";
import { emptyTables } from "../../src/objects/schema.ts";
import { accountOf, evict, openAccount, sql } from "../support/objects.ts";

const never = () => {
  throw new Error("not asked for");
};

/** A memory of one number, which `load` reads. Its tables are empty. */
function memoryOf(load: () => number, alerts: string[] = []): Memory<{ units: number }> {
  const ports: MemoryPorts<{ units: number }> = {
    ...{ name: "x", title: "thing x", now: () => 0, makeId: never, sha256: never },
    sql: () => [],
    tx: (work) => work(),
    alarm: { set: () => undefined },
    queue: { send: never, wake: never },
    isFull: () => false,
    alert: (message) => void alerts.push(message),
    load: () => ({ units: load() }),
    empty: () => ({ units: 0 }),
    meta: () => undefined,
    setMeta: () => undefined,
  };
  return new Memory(ports);
}

it("is read again after a rollback, and when that fails by whoever asks next: never what was rolled back", () => {
  let away = false;
  const memory = memoryOf(() => {
    if (away) throw new Error("SQLITE_FULL: database or disk is full");
    return 5;
  });
  const failing = () =>
    memory.tx(() => {
      memory.kept.units = 7;
      away = true;
      throw new Error("SQLITE_IOERR: disk I/O error");
    });
  expect(failing).toThrow("SQLITE_FULL");
  expect(() => memory.kept).toThrow("SQLITE_FULL");
  away = false;
  expect(memory.kept.units).toBe(5);
  expect(memory.stopped).toBeNull();
});

it("that turns out to be spoiled says so once, and is whole again when it is written anew", () => {
  const alerts: string[] = [];
  const memory = memoryOf(() => {
    throw new InvariantError("row 3 does not decode");
  }, alerts);
  expect(memory.readable).toBeNull();
  expect(() => memory.kept).toThrow(InvariantError);
  expect(() => memory.tx(() => memory.kept)).toThrow("unreadable: row 3 does not decode");
  expect(alerts).toEqual(["thing x is unreadable: row 3 does not decode"]);
  memory.tx(() => memory.forget());
  expect({ kept: memory.kept, stopped: memory.stopped }).toEqual({ kept: { units: 0 }, stopped: null });
});

it("tables are emptied though a body is there that SQLite itself cannot read", async () => {
  const id = await openAccount();
  const left = await runInDurableObject(accountOf(id) as DurableObjectStub, (_, { storage }) => {
    const exec = <Row extends Record<string, SqlValue>>(query: string, ...bindings: SqlValue[]) =>
      storage.sql.exec<Row>(query, ...bindings).toArray();
    exec("DROP INDEX journal_transfers");
    exec("UPDATE journal SET body = 'cut'");
    storage.transactionSync(() => emptyTables(exec));
    return ["journal", "orders", "meta", "tickets"].flatMap((table) => exec(`SELECT * FROM ${table}`));
  });
  expect(left).toEqual([]);
  expect(await sql(accountOf(id), "SELECT count(*) > 0 AS kept FROM schema_version")).toEqual([{ kept: 1 }]);
  await evict(accountOf(id));
});
