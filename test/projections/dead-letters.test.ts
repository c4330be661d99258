// What cannot be applied hurts nothing else, and is kept until a person, or a newer version, has looked at it.

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { consumeJournal } from "../../src/projections/consumer.ts";
import { consumeDeadLetters } from "../../src/projections/dead-letters.ts";
import { type Journal, play, sliceOf, slicesOf } from "./history.ts";
import { batchOf, deliver, dump, faultyD1, rows, spoiled, wipe } from "./queue.ts";

const [alice, bob, market] = play(11, 60).journals as [Journal, Journal, Journal];

beforeEach(wipe);

describe("what cannot be applied", () => {
  it("does not hurt its neighbours", async () => {
    const gap = { ...sliceOf(alice, 0, 5), to: 999 };
    const poison = spoiled(sliceOf(bob, 0, 5), 0, (body) =>
      body.replace(/"amount":"\$\d+","status"/, '"amount":"$-5","status"'),
    );
    const outcomes = await deliver([
      { junk: true },
      "text",
      null,
      gap,
      poison,
      ...slicesOf(market, 12),
      sliceOf(alice, 0, 5),
    ]);
    expect(outcomes.slice(0, 5)).toEqual(["acked", "acked", "acked", "acked", "retried"]);
    expect(new Set(outcomes.slice(5))).toEqual(new Set(["acked"]));
    const heads = (await dump()).projection_heads.map(({ name }) => name);
    expect(heads.sort()).toEqual([alice.name, market.name].sort());
    const letters = await rows("SELECT subject, reason, count FROM dead_letters ORDER BY subject");
    expect(letters.length).toBe(4);
    expect(letters.find(({ subject }) => String(subject).startsWith("account"))).toMatchObject({
      subject: `account ${alice.name} 1 1`,
      reason: "events that do not follow each other",
    });
  });

  it("waits for the version that understands it", async () => {
    const good = sliceOf(alice, 0, 3);
    const newKind = spoiled(good, 1, (body) => body.replace('"kind":"transfer"', '"kind":"dividend"'));
    const newEvent = spoiled(good, 1, (body) => body.replace('"v":1', '"v":2'));
    expect(newKind.events[1]).toContain("dividend");
    const { batch, fates } = batchOf([{ ...good, v: 2 }, { ...good, object: "vault" }, newKind, newEvent]);
    await consumeJournal(batch, env);
    expect(fates.map(({ outcome, delaySeconds }) => [outcome, delaySeconds])).toEqual(fates.map(() => ["retried", 60]));
    expect(await rows("SELECT * FROM dead_letters")).toEqual([]);
  });

  it("ignores fields that it does not know", async () => {
    const good = sliceOf(alice, 0, 6);
    const wider = { ...good, traced: "x", events: good.events.map((body) => body.replace("{", '{"note":"$1",')) };
    expect(await deliver([wider])).toEqual(["acked"]);
    const found = await dump();
    await wipe();
    await deliver([good]);
    expect(found).toEqual(await dump());
  });

  it("is kept as a dead letter once the queue gives up, one row for one subject", async () => {
    const bodies = [sliceOf(alice, 0, 5), sliceOf(alice, 0, 9), { junk: 1 }, { ...sliceOf(bob, 0, 2), v: 7 }];
    const { batch, fates } = batchOf(bodies, "tradepost-journal-dlq");
    await consumeDeadLetters(batch, env);
    expect(fates.map(({ outcome }) => outcome)).toEqual(["acked", "acked", "acked", "acked"]);
    const letters = await rows("SELECT * FROM dead_letters ORDER BY reason");
    expect(letters.map(({ reason, count }) => [reason, count])).toEqual([
      ["not a journal slice", 1],
      ["not applied in all its tries", 2],
      ["slice version 7", 1],
    ]);
    expect(JSON.parse(String(letters[1]?.body))).toEqual(bodies[1]);
    expect(String(letters[0]?.id)).toMatch(/^dlt_/);
  });

  it("stays in the dead-letter queue while D1 is away", async () => {
    const { batch, fates } = batchOf([{ junk: 1 }], "tradepost-journal-dlq");
    await consumeDeadLetters(batch, { DB: faultyD1(() => true) });
    expect(fates).toMatchObject([{ outcome: "retried", delaySeconds: 300 }]);
  });
});
