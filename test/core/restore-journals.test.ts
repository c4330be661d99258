// What `npm run restore` makes of a backup's parts before it believes them.
import { describe, expect, it } from "vitest";
import {
  archivedEvents,
  assembled,
  balanceDifferences,
  replay,
  snapshotParts,
} from "../../scripts/restore-journals.ts";
import type { BackupPart, JournalPart, PartRef } from "../../src/core/backups.ts";

const OF = { epoch: 1, seq: 2, hash: "h", head: "" };
const piece = (events: string[], whole: boolean): JournalPart => ({
  object: "account",
  name: "acc_1",
  of: OF,
  whole,
  events,
});
const part = (...journals: JournalPart[]): BackupPart => {
  return { v: 1, backup: "bck_1", before: null, journals, tables: [{ table: "users", rows: [] }] };
};

describe("the parts of a backup", () => {
  it("are put together in their order", () => {
    const events = ['{"seq":1}', '{"seq":2}'];
    const { journals, tables } = assembled([
      part(piece(events.slice(0, 1), false)),
      part(piece(events.slice(1), true)),
    ]);
    expect(journals).toMatchObject([{ object: "account", name: "acc_1", of: OF, events }]);
    expect(tables).toHaveLength(2);
  });

  it("of an object that stopped answering in the middle begin again where it was asked once more", () => {
    const event = (seq: number) => JSON.stringify({ seq });
    const later = { ...OF, seq: 9, hash: "later" };
    const { journals } = assembled([
      part(piece([event(2), event(3)], false)),
      part(piece([event(2), event(3), event(7)], false)),
      part({ ...piece([event(9)], true), of: later }),
    ]);
    expect(journals).toMatchObject([{ events: [event(2), event(3), event(7), event(9)] }]);
  });

  it("are not believed when an object's last one is missing", () => {
    expect(() => assembled([part(piece(['{"seq":1}'], false))])).toThrow("the journal of acc_1 is cut off");
  });
});

describe("a journal that is handed in", () => {
  const events = ['{"a":1}', '{"b":2}', '{"c":3}'];
  const size = (journal: readonly string[]) => JSON.stringify(journal).length;

  it("is one part where it fits, also an empty one", () => {
    expect([...snapshotParts(events, 1_000)]).toEqual([{ after: 0, journal: events }]);
    expect([...snapshotParts([], 1_000)]).toEqual([{ after: 0, journal: [] }]);
  });

  it("comes in parts that are no longer than they may be, each behind those before", () => {
    const parts = [...snapshotParts(events, 26)];
    expect(parts).toEqual([
      { after: 0, journal: events.slice(0, 2) },
      { after: 2, journal: events.slice(2) },
    ]);
    for (const { journal } of parts) expect(size(journal)).toBeLessThanOrEqual(27);
  });

  it("has an event that is too long in a part of its own", () => {
    expect([...snapshotParts(events, 1)].map(({ after, journal }) => [after, journal.length])).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
    ]);
  });
});

describe("a replay", () => {
  it("of nothing is an object to which nothing has happened", () => {
    expect(replay({ object: "account", name: "acc_1" }, [])).toMatchObject({ seq: 0, balances: new Map() });
    expect(replay({ object: "market", name: "main/BTC-USD" }, [])).toMatchObject({ seq: 0 });
  });

  it("of a market that is not listed is refused", () => {
    expect(() => replay({ object: "market", name: "main/NO-SUCH" }, [])).toThrow("no market is listed");
  });
});

it("balances that differ are told one by one, also those that only one side has", () => {
  const [before, after] = [
    new Map([
      ["USD", 5n],
      ["BTC", 1n],
    ]),
    new Map([
      ["USD", 5n],
      ["ETH", 2n],
    ]),
  ];
  expect(balanceDifferences("acc_1", before, after)).toEqual([
    "acc_1: BTC was 1 and is 0",
    "acc_1: ETH was 0 and is 2",
  ]);
});

describe("an archive", () => {
  const event = (first: number, seq = first) => `{"first":${first},"seq":${seq}}`;
  const archived = (name: string, events: string[], last: PartRef | null = null) => ({
    part: {
      v: 1 as const,
      object: "account" as const,
      name: "acc_1",
      epoch: 1,
      from: 1,
      to: 1,
      before: 1,
      last,
      events,
    },
    ref: { key: name, sha256: `digest of ${name}` },
  });
  const one = archived("one", [event(1), event(2, 4)]);

  it("has each event once, though a cut that failed was archived again", () => {
    const again = archived("again", [event(1), event(2, 4), event(5)]);
    const next = archived("next", [event(6)], again.ref);
    const events = [event(1), event(2, 4), event(5), event(6)];
    expect(archivedEvents([one, again, next])).toEqual({ events, wrong: [] });
  });

  it("says which events are missing, and which part is not what another follows", () => {
    const forged = archived("two", [event(7)], { ...one.ref, sha256: "another" });
    expect(archivedEvents([one, forged]).wrong).toEqual([
      "one is not the part that two follows",
      "events 5 to 6 are missing",
    ]);
    expect(archivedEvents([archived("two", [event(5)], one.ref)]).wrong).toEqual([
      "one is not the part that two follows",
      "events 1 to 4 are missing",
    ]);
  });
});
