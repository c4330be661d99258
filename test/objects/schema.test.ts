// How an object's tables come from one version to the next.
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { SqlValue } from "../../src/objects/ports.ts";
import { migrate } from "../../src/objects/schema.ts";
import { accountOf, newAccountId } from "../support/objects.ts";

const FIRST = ["CREATE TABLE toys (id INTEGER PRIMARY KEY) STRICT", "INSERT INTO toys (id) VALUES (1)"];
const SECOND = ["ALTER TABLE toys ADD COLUMN colour TEXT", "UPDATE toys SET colour = 'red'"];

/** Runs `act` over the real storage of an object whose own tables are gone. */
function withStorage(act: (ports: Parameters<typeof migrate>[0]) => void): Promise<void> {
  return runInDurableObject(accountOf(newAccountId()) as DurableObjectStub, (_, { storage }) => {
    storage.sql.exec("DROP TABLE schema_version");
    act({
      sql: <Row extends Record<string, SqlValue>>(query: string, ...bindings: SqlValue[]) =>
        storage.sql.exec<Row>(query, ...bindings).toArray(),
      tx: (work) => storage.transactionSync(work),
      now: () => 7,
    });
  });
}

describe("an object's schema", () => {
  it("is made version by version, each once, whatever version it starts from", () =>
    withStorage((ports) => {
      migrate(ports, [FIRST]);
      migrate(ports, [FIRST]);
      migrate(ports, [FIRST, SECOND]);
      migrate(ports, [FIRST, SECOND]);
      expect(ports.sql("SELECT * FROM toys")).toEqual([{ id: 1, colour: "red" }]);
      const versions = [1, 2].map((version) => ({ version, at: 7 }));
      expect(ports.sql("SELECT * FROM schema_version ORDER BY version")).toEqual(versions);
    }));

  it("is never half a version: what fails can be done again", () =>
    withStorage((ports) => {
      migrate(ports, [FIRST]);
      expect(() => migrate(ports, [FIRST, [...SECOND, "UPDATE nothing SET x = 1"]])).toThrow();
      expect(ports.sql("SELECT * FROM toys")).toEqual([{ id: 1 }]);
      migrate(ports, [FIRST, SECOND]);
      expect(ports.sql("SELECT * FROM toys")).toEqual([{ id: 1, colour: "red" }]);
    }));

  it("of a newer version is left as it is", () =>
    withStorage((ports) => {
      migrate(ports, [FIRST, SECOND]);
      migrate(ports, [FIRST]);
      expect(ports.sql("SELECT max(version) AS version FROM schema_version")).toEqual([{ version: 2 }]);
    }));
});
