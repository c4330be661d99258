// One user's write buffer on the platform's own storage, with a database that does what each test says.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { BACKOFF_FIRST_MS, BACKOFF_MAX_MS, BUFFER_ALERT_FAILURES, BUFFER_DRAIN_MAX } from "../../src/core/limits.ts";
import type { Outcome, Write } from "../../src/core/write-buffer.ts";
import type { SqlValue } from "../../src/objects/ports.ts";
import { WriteBufferLogic, type WriteBufferPorts } from "../../src/objects/write-buffer/logic.ts";

const START = 1_800_000_000_000;
let buffers = 0;

interface Seen {
  ports: WriteBufferPorts;
  clock: { now: number };
  alarms: number[];
  alerts: string[];
  applied: string[];
  tables: () => string[];
}

/** Runs `work` with the ports of a new buffer; `apply` is what the database says to each try. */
function withBuffer(
  apply: (write: Write, tries: number) => Outcome | Promise<Outcome>,
  work: (buffer: WriteBufferLogic, seen: Seen) => Promise<void>,
): Promise<void> {
  buffers += 1;
  const stub = env.WRITE_BUFFER.getByName(`usr_${buffers}`) as DurableObjectStub;
  return runInDurableObject(stub, async (_, { storage }) => {
    const clock = { now: START };
    const [alarms, alerts, applied]: [number[], string[], string[]] = [[], [], []];
    const sql = <Row extends Record<string, SqlValue>>(query: string, ...bindings: SqlValue[]) =>
      storage.sql.exec<Row>(query, ...bindings).toArray();
    const ports: WriteBufferPorts = {
      sql,
      tx: (run) => storage.transactionSync(run),
      now: () => clock.now,
      alarm: { set: (at) => void alarms.push(at) },
      alert: (message) => void alerts.push(message),
      apply: async (write) => {
        applied.push(write.id);
        return apply(write, applied.length);
      },
    };
    const named =
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*' AND name NOT GLOB 'sqlite_*'";
    const tables = () => sql<{ name: string }>(named).map(({ name }) => name);
    await work(new WriteBufferLogic(ports), { ports, clock, alarms, alerts, applied, tables });
  });
}

const write = (n: number): Write => ({
  id: `wrt_${n}`,
  userId: "usr_1",
  at: START,
  act: { kind: "profile.change", change: { locale: `x-${n}` } },
});
const writes = (count: number) => Array.from({ length: count }, (_, n) => write(n));
const away = (): Outcome => ({ kind: "away" });
const done = (): Outcome => ({ kind: "done" });

describe("a write buffer", () => {
  it("in which nothing has ever waited keeps no table, whatever it is asked", () =>
    withBuffer(done, async (buffer, { tables, alarms }) => {
      expect(buffer.waiting()).toEqual([]);
      expect(buffer.conflicts({ limit: 10, cursor: null })).toEqual({ data: [], nextCursor: null });
      expect(buffer.dismiss("wrt_1")).toMatchObject({ ok: false, refusal: { code: "not_found" } });
      expect(buffer.forget()).toEqual({ ok: true, value: null });
      await buffer.drain();
      expect([tables(), alarms]).toEqual([[], []]);
    }));

  it("takes each write for itself, and once", () =>
    withBuffer(done, async (buffer) => {
      const all = [write(1), write(2), write(3), write(4)];
      expect(buffer.append(all.slice(0, 2))).toEqual({ waiting: all.slice(0, 2), refused: [] });
      expect(buffer.append(all.slice(1, 3))).toEqual({ waiting: all.slice(0, 3), refused: [] });
      const other: Write = { ...write(3), act: { kind: "profile.change", change: { locale: "x-other" } } };
      expect(buffer.append([other, write(4)])).toEqual({
        waiting: all,
        refused: [{ id: "wrt_3", refusal: { code: "idempotency_key_reused" } }],
      });
      expect(buffer.waiting()).toEqual(all);
    }));

  it("does a hundred in a row, in order, then lets others have a word", () =>
    withBuffer(done, async (buffer, { applied, alarms }) => {
      const all = writes(BUFFER_DRAIN_MAX + 50);
      buffer.append(all);
      await buffer.alarm();
      expect(applied).toHaveLength(BUFFER_DRAIN_MAX);
      expect(alarms.at(-1)).toBe(START + BACKOFF_FIRST_MS);
      await buffer.alarm();
      expect(applied).toEqual(all.map(({ id }) => id));
      expect(buffer.waiting()).toEqual([]);
    }));

  it("rests longer and longer while the database is away, and says so once", () =>
    withBuffer(away, async (buffer, { clock, alarms, alerts, applied }) => {
      buffer.append([write(1)]);
      const pauses: number[] = [];
      for (let tries = 1; tries <= BUFFER_ALERT_FAILURES + 1; tries += 1) {
        await buffer.alarm();
        pauses.push((alarms.at(-1) ?? 0) - clock.now);
        // Who asks meanwhile does not have it tried again.
        await buffer.drain();
        expect(applied).toHaveLength(tries);
        clock.now = alarms.at(-1) ?? 0;
      }
      expect(pauses.slice(0, 8)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, BACKOFF_MAX_MS, BACKOFF_MAX_MS]);
      expect(alerts).toEqual([`writes wait after ${BUFFER_ALERT_FAILURES} tries`]);
    }));

  it("keeps a write whose try throws, says so, and goes on with it", () =>
    withBuffer(
      (_, tries) => {
        if (tries === 1) throw new Error("a bug");
        return done();
      },
      async (buffer, { alerts, clock }) => {
        buffer.append(writes(2));
        await buffer.alarm();
        expect(alerts).toEqual(["write wrt_0 cannot be tried: Error: a bug"]);
        expect(buffer.waiting()).toHaveLength(2);
        clock.now += BACKOFF_MAX_MS;
        await buffer.alarm();
        expect(buffer.waiting()).toEqual([]);
      },
    ));

  it("has one turn at a time, and rings again when its alarm rang while one was ending", async () => {
    let answer: (outcome: Outcome) => void = () => {};
    const asked = new Promise<Outcome>((resolve) => {
      answer = resolve;
    });
    await withBuffer(
      () => asked,
      async (buffer, { applied, alarms }) => {
        buffer.append([write(1)]);
        const turn = buffer.drain();
        const ring = buffer.alarm();
        answer(away());
        await Promise.all([turn, ring]);
        expect(applied).toEqual(["wrt_1"]);
        // Set by the turn that rests, and by the ring that found it ending.
        expect(alarms.filter((at) => at === START + 2 * BACKOFF_FIRST_MS)).toHaveLength(2);
      },
    );
  });

  it("that begins anew with something in it sets its alarm, whatever became of the one before", () =>
    withBuffer(done, async (buffer, { ports, alarms }) => {
      buffer.append([write(1)]);
      alarms.length = 0;
      const next = new WriteBufferLogic(ports);
      expect([next.waiting(), alarms]).toEqual([[write(1)], [START + BACKOFF_FIRST_MS]]);
    }));

  it("forgets everything while a write is tried, and takes off nothing else for it", () =>
    withBuffer(
      () => ({ kind: "refused", refusal: { code: "not_found" } }),
      async (buffer) => {
        buffer.append([write(1)]);
        const turn = buffer.alarm();
        buffer.forget();
        buffer.append([write(2)]);
        await turn;
        expect(buffer.conflicts({ limit: 10, cursor: null }).data.map(({ write: { id } }) => id)).toEqual(["wrt_2"]);
      },
    ));
});
