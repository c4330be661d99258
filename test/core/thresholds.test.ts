// Which orders have ended, and when to wake for the next: the same as sorting all of them each time, without doing so.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Thresholds } from "../../src/core/market/thresholds.ts";
import { deskWith, NOON } from "../support/book.ts";
import { randomOf } from "../support/random.ts";

/** The same by the shortest way: everything is sorted at each question. */
class Naive {
  readonly ends = new Map<string, number>();

  first(): number | null {
    return this.due(Number.POSITIVE_INFINITY)[0]?.at ?? null;
  }

  due(now: number): { id: string; at: number }[] {
    const all = [...this.ends].map(([id, at]) => ({ id, at }));
    return all.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
  }
}

describe("the ends of orders", () => {
  it("are none at first", () => {
    const thresholds = new Thresholds();
    expect([thresholds.first(), thresholds.due(Number.MAX_SAFE_INTEGER), thresholds.size]).toEqual([null, [], 0]);
    thresholds.delete("nobody");
    expect(thresholds.first()).toBeNull();
  });

  it("come lowest first, those at one number as they came, up to and with the number asked for", () => {
    const thresholds = new Thresholds();
    for (const [id, at] of [
      ["b", 20],
      ["a", 10],
      ["c", 20],
      ["d", 30],
      ["e", 10],
    ] as const) {
      thresholds.set(id, at);
    }
    expect(thresholds.due(9)).toEqual([]);
    expect(thresholds.due(20).map(({ id }) => id)).toEqual(["a", "e", "b", "c"]);
    expect(thresholds.due(20)).toHaveLength(4);
    expect([...thresholds.keys()]).toEqual(["b", "a", "c", "d", "e"]);
    expect([thresholds.get("b"), thresholds.get("x"), thresholds.first()]).toEqual([20, undefined, 10]);
  });

  it("are the same as those of a list that is sorted anew, whatever is set, deleted and asked", () => {
    const act = fc.oneof(
      fc.record({ kind: fc.constant("set" as const), at: fc.nat(50) }),
      fc.record({ kind: fc.constant("delete" as const), at: fc.nat(400) }),
      fc.record({ kind: fc.constant("ask" as const), at: fc.nat(50) }),
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 400 }), (acts) => {
        const thresholds = new Thresholds();
        const naive = new Naive();
        acts.forEach(({ kind, at }, index) => {
          if (kind === "set") {
            thresholds.set(`o${index}`, at);
            naive.ends.set(`o${index}`, at);
          } else if (kind === "delete") {
            thresholds.delete(`o${at}`);
            naive.ends.delete(`o${at}`);
          } else expect(thresholds.due(at)).toEqual(naive.due(at));
          expect(thresholds.first()).toBe(naive.first());
          expect(thresholds.size).toBe(naive.ends.size);
        });
      }),
      { numRuns: 300 },
    );
  });

  it("come in their order out of many, also when most were deleted before their time", () => {
    const random = randomOf(7);
    const thresholds = new Thresholds();
    const naive = new Naive();
    for (let index = 0; index < 500; index += 1) {
      const at = random.int(200);
      thresholds.set(`o${index}`, at);
      naive.ends.set(`o${index}`, at);
      const gone = `o${random.int(500)}`;
      if (random.once(2)) for (const ends of [thresholds, naive.ends]) ends.delete(gone);
      expect(thresholds.first()).toBe(naive.first());
    }
    for (let now = 0; naive.ends.size > 0; now += 1) {
      expect(thresholds.due(now)).toEqual(naive.due(now));
      for (const { id } of naive.due(now)) {
        thresholds.delete(id);
        naive.ends.delete(id);
        expect(thresholds.first()).toBe(naive.first());
      }
    }
  });

  it("may move: the last one set counts", () => {
    const thresholds = new Thresholds();
    thresholds.set("a", 10);
    thresholds.set("b", 20);
    thresholds.set("a", 30);
    expect(thresholds.due(40).map(({ id }) => id)).toEqual(["b", "a"]);
    thresholds.delete("b");
    expect([thresholds.first(), thresholds.size]).toEqual([30, 1]);
  });

  it("may be very many: the next one is found without looking at all, deleted ones are not kept", {
    timeout: 30_000,
  }, () => {
    const thresholds = new Thresholds();
    for (let index = 0; index < 300_000; index += 1) thresholds.set(`o${index}`, 1_000_000 - index);
    expect(thresholds.first()).toBe(700_001);
    // Looking at all of them at each turn would take minutes.
    for (let turn = 0; turn < 10_000; turn += 1) {
      const due = thresholds.due(700_000).length;
      thresholds.set("young", 900_000);
      thresholds.delete("young");
      // One `expect` for each of so many turns would take longer than they do.
      if (due !== 0 || thresholds.first() !== 700_001) throw new Error("another one is first");
    }
    for (let index = 0; index < 300_000; index += 1) thresholds.delete(`o${index}`);
    expect([thresholds.size, thresholds.first()]).toEqual([0, null]);
  });
});

describe("orders that end in the same millisecond", () => {
  it("are reported in the order in which they came, by their times first", () => {
    const desk = deskWith("| 190 | a1:1");
    const until = (ms: number) => `gtd until:${NOON + ms}`;
    desk.sendAll([`b1 buy 1 @ 170 ${until(900)}`, `c1 buy 1 @ 171 ${until(800)}`, `d1 buy 1 @ 172 ${until(900)}`]);
    desk.send("cancel c1");
    desk.sendAll([`e1 buy 1 @ 173 ${until(900)}`, `f1 buy 1 @ 174 ${until(1_000)}`]);
    desk.state.step = Number.MAX_SAFE_INTEGER;
    desk.now = NOON + 900;
    expect(desk.advance()).toEqual(["b1 expired: gtd", "d1 expired: gtd", "e1 expired: gtd"]);
    expect(desk.state.expiring.first()).toBe(NOON + 1_000);
  });
});
