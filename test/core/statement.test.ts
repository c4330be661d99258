// A statement recomputes to the unit, from its file alone; and whatever is changed in the file, the verifier says where.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkStatement } from "../../scripts/ledger-check.ts";
import { FileError, readStatement, type Statement, unitsOf } from "../../scripts/ledger-file.ts";
import { entryOf, type StatementFrame } from "../../src/core/account/history.ts";
import {
  type AccountEvent,
  type AccountState,
  applyAccountEvent,
  balanceOf,
  emptyAccount,
} from "../../src/core/account/state.ts";
import { decode } from "../../src/core/codec.ts";
import { csvLine } from "../../src/core/csv.ts";
import { chainText, type LedgerEntry } from "../../src/core/ledger.ts";
import { STATEMENT_FORMATS, STATEMENT_WRITERS, type StatementFormat } from "../../src/core/statement.ts";
import { NOON } from "../support/book.ts";
import { pair, placed, sol, usd } from "../support/pair.ts";
import { randomOf } from "../support/random.ts";

const SCRIPT = new URL("../../scripts/verify-ledger.ts", import.meta.url).pathname;

/** Some time of ann's and bob's: a minute between one thing and the next. */
function events(seed: number, acts: number): AccountEvent[] {
  const world = pair();
  const random = randomOf(seed);
  for (let act = 0; act < acts; act += 1) {
    world.now += 60_000;
    const id = random.pick(["ann", "bob"]);
    const dice = random.int(10);
    const open = [...world.customer(id).state.orders.values()];
    if (dice === 0) world.transfer(id, random.pick(["deposit", "withdrawal"]), random.pick(["USD", "SOL"]), usd("7.5"));
    else if (dice < 4 && open.length > 0) world.cancel(id, random.pick(open));
    else {
      const limitPrice = usd(`${178 + random.int(5)}`);
      placed(world, id, {
        side: random.pick(["buy", "sell"]),
        qty: sol("0.1") * BigInt(1 + random.int(9)),
        limitPrice,
      });
    }
    world.settle();
  }
  return world.customer("ann").journal.map((body) => decode<AccountEvent>(body));
}

function balances(state: AccountState) {
  return ["SOL", "USD"].flatMap((asset) =>
    state.balances.has(`available|${asset}`)
      ? [{ asset, available: balanceOf(state, "available", asset), held: balanceOf(state, "held", asset) }]
      : [],
  );
}

/** The frame of a period and its entries, from a replay. */
function framed(all: readonly AccountEvent[], from: number | null, to: number | null): [StatementFrame, LedgerEntry[]] {
  const state = emptyAccount("ann", 1);
  const within = (event: AccountEvent) => (from === null || event.at >= from) && (to === null || event.at < to);
  const inPeriod = all.filter(within);
  for (const event of all) if (from !== null && event.at < from) applyAccountEvent(state, event);
  const [opening, before, afterSeq] = [balances(state), { seq: state.ledgerSeq, hash: state.ledgerHead }, state.seq];
  for (const event of inPeriod) applyAccountEvent(state, event);
  const head = { seq: state.ledgerSeq, hash: state.ledgerHead };
  const closing = balances(state);
  const madeAt = NOON + 86_400_000;
  const frame = { account: "ann", from, to, madeAt, before, opening, closing, head, afterSeq, lastSeq: state.seq };
  return [frame, inPeriod.flatMap((event) => entryOf(event) ?? [])];
}

function written(format: StatementFormat, [frame, entries]: [StatementFrame, LedgerEntry[]], piece = 7): string {
  const writer = STATEMENT_WRITERS[format];
  let text = writer.begin(frame);
  for (let at = 0; at < entries.length; at += piece) text += writer.entries(entries.slice(at, at + piece), at === 0);
  return text + writer.end(frame);
}

describe.each(STATEMENT_FORMATS)("a statement in %s", (format) => {
  it.each([1, 2, 3, 4, 5, 6])("of any period: what was had and what was posted is what is had, seed %d", (seed) => {
    const random = randomOf(seed);
    const all = events(seed, 60);
    for (let time = 0; time < 20; time += 1) {
      const [one, other] = [random.int(62), random.int(62)].map((minute) => NOON + 60_000 * minute - 1_000);
      const from = random.once(4) ? null : Math.min(one ?? 0, other ?? 0);
      const to = random.once(4) ? null : Math.max(one ?? 0, other ?? 0) + 1;
      const statement = readStatement(written(format, framed(all, from, to), 1 + random.int(20)));
      expect(checkStatement(statement, statement.head.hash).wrong).toBeNull();
      for (const { account, asset, balance } of statement.closing) {
        const had = statement.opening.find((own) => own.account === account && own.asset === asset)?.balance ?? "0";
        const posted = statement.entries
          .flatMap(({ postings }) => postings)
          .filter((posting) => posting.account === account && posting.asset === asset);
        expect(posted.reduce((sum, { amount }) => sum + unitsOf(amount), unitsOf(had))).toBe(unitsOf(balance));
      }
    }
  });

  it("says what was checked", () => {
    const statement = readStatement(written(format, framed(events(1, 10), null, null)));
    const verdict = checkStatement(statement, null);
    expect(verdict).toMatchObject({ wrong: null, entries: statement.entries.length });
    expect(verdict.postings).toBeGreaterThan(verdict.entries);
    expect(verdict.sums.map(({ asset }) => asset)).toEqual(["SOL", "USD"]);
    for (const { opening, moved, closing } of verdict.sums) {
      expect(opening).toBe("0");
      expect(moved).toBe(closing);
    }
  });

  it("follows the one before it: its beginning is that one's end", () => {
    const all = events(7, 30);
    const middle = NOON + 15 * 60_000;
    const [early, late] = [framed(all, null, middle), framed(all, middle, null)].map((one) =>
      readStatement(written(format, one)),
    );
    expect(late?.before).toEqual(early?.head);
    expect(late?.opening).toEqual(early?.closing);
  });

  it("of a time without entries is empty, and holds", () => {
    const statement = readStatement(written(format, framed(events(1, 5), NOON + 3_600_000, NOON + 7_200_000)));
    expect(statement.entries).toEqual([]);
    expect(statement.closing).toEqual(statement.opening);
    expect(statement.head).toEqual(statement.before);
    expect(checkStatement(statement, null).wrong).toBeNull();
  });

  it("that broke off is none", () => {
    const text = written(format, framed(events(1, 20), null, null));
    for (const part of [0.1, 0.5, 0.9, 0.99]) {
      const judge = () => checkStatement(readStatement(text.slice(0, Math.floor(text.length * part))), null).wrong;
      // Cut off inside the very last hash it can be read, and ends wrongly.
      if (format === "csv" && part === 0.99) expect(judge()).toContain("the ledger ends with");
      else expect(judge).toThrow(FileError);
    }
  });
});

describe("the two formats", () => {
  it("say the same", () => {
    const all = framed(events(9, 40), NOON + 300_000, null);
    expect(readStatement(written("csv", all))).toEqual(readStatement(written("json", all)));
  });

  it("CSV has a line for each posting, every one with all columns, and ends with the chain's head", () => {
    const [frame, entries] = framed(events(1, 10), NOON, NOON + 7_200_000);
    const lines = written("csv", [frame, entries]).split("\r\n");
    expect(lines.pop()).toBe("");
    expect(lines[0]).toBe("record,seq,id,at,kind,ref,account,asset,amount,balance,hash");
    for (const line of lines) expect(line.split(",")).toHaveLength(11);
    const postings = entries.reduce((count, { postings }) => count + postings.length, 0);
    expect(lines.filter((line) => line.startsWith("posting,"))).toHaveLength(postings);
    expect(lines.at(-1)).toBe(
      `to,${frame.head.seq},,2026-01-01T14:00:00.000Z,,,,,,,${frame.head.hash}`.replace(
        "2026-01-01T14:00:00.000Z",
        new Date(NOON + 7_200_000).toISOString(),
      ),
    );
  });
});

describe("a line of CSV", () => {
  it("quotes what has commas, quotes and line ends", () => {
    expect(csvLine(["a,b", 'say "x"', "one\ntwo", "cr\r", "", "plain"])).toBe(
      '"a,b","say ""x""","one\ntwo","cr\r",,plain\r\n',
    );
  });

  it("has no formula in it, and leaves numbers numbers", () => {
    expect(csvLine(["=1+1", "+1", "-1+1", "@x", "\tx", "-12.5", "-0.000001", "12", "-", "\r=1"])).toBe(
      "'=1+1,'+1,'-1+1,'@x,'\tx,-12.5,-0.000001,12,'-,\"'\r=1\"\r\n",
    );
  });

  it("is read back as it was, the apostrophe in front taken off", () => {
    const statement = framed(events(1, 3), null, null);
    const [frame, entries] = statement;
    const odd = entries.map((entry) => ({ ...entry, ref: '=HYPERLINK("x"), "y"' }));
    expect(readStatement(written("csv", [frame, odd])).entries[0]?.ref).toBe('=HYPERLINK("x"), "y"');
  });
});

describe("npm run verify-ledger", () => {
  const verify = (...args: string[]) =>
    spawnSync(process.execPath, [SCRIPT, ...args], { encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });

  it("needs the file and nothing else; says what it checked, and ends with 1 at what is wrong", () => {
    const folder = mkdtempSync(join(tmpdir(), "statement-"));
    const [frame, entries] = framed(events(3, 30), null, null);
    for (const format of STATEMENT_FORMATS) {
      const path = join(folder, `one.${format}`);
      const text = written(format, [frame, entries]);
      writeFileSync(path, text);
      const good = verify(path, frame.head.hash);
      expect(good.stdout).toContain(`ok     ${entries.length} entries are chained`);
      expect(good.stdout).toMatch(/ok {5}USD: 0 at the opening, (\S+) moved, \1 at the closing/);
      expect(good.stdout).toContain("the hash that was given");
      expect([good.status, good.stderr]).toEqual([0, ""]);
      expect(verify(path, "0".repeat(64))).toMatchObject({ status: 1, stderr: expect.stringContaining("WRONG") });
      writeFileSync(path, text.replace("10000", "90000"));
      expect(verify(path)).toMatchObject({ status: 1, stderr: expect.stringContaining("number 1 in the file") });
      writeFileSync(path, text.slice(0, 500));
      expect(verify(path)).toMatchObject({ status: 1, stderr: expect.stringContaining("WRONG") });
    }
    expect(verify(join(folder, "none"))).toMatchObject({ status: 1, stderr: expect.stringContaining("ENOENT") });
    expect(verify()).toMatchObject({ status: 2, stderr: expect.stringContaining("Usage") });
    rmSync(folder, { recursive: true });
  });
});

/** A statement from the middle of a ledger. */
function whole(): Statement {
  return readStatement(written("json", framed(events(3, 60), NOON + 600_000, null)));
}

function entryAt(statement: Statement, index: number) {
  const entry = statement.entries[index];
  if (entry === undefined) throw new Error(`there are only ${statement.entries.length} entries`);
  return entry;
}

/** Makes every hash anew from an entry on, and the head, as one who knows how it is done. */
function chainAnew(statement: Statement): void {
  let head = statement.before;
  for (const entry of statement.entries) {
    entry.hash = createHash("sha256").update(chainText(head.hash, entry)).digest("hex");
    head = { seq: entry.seq, hash: entry.hash };
  }
  statement.head = head;
}

type Tamper = (statement: Statement) => void;

function raised(text: string): string {
  return String(Number(text) + 1);
}

describe("the verifier", () => {
  const posting = (statement: Statement, at: number) => {
    const [first] = entryAt(statement, at).postings;
    if (first === undefined) throw new Error("an entry without postings");
    return first;
  };
  const tampered: [what: string, tamper: Tamper, where: RegExp][] = [
    ["another amount", (s) => (posting(s, 4).amount = raised(posting(s, 4).amount)), /number 5 .*its hash/],
    ["another account", (s) => (posting(s, 4).account = "external"), /number 5 .*its hash/],
    ["another asset", (s) => (posting(s, 4).asset = "BTC"), /number 5 .*its hash/],
    ["another kind", (s) => (entryAt(s, 4).kind = "deposit2"), /number 5 .*its hash/],
    ["another reference", (s) => (entryAt(s, 4).ref += "x"), /number 5 .*its hash/],
    ["another time", (s) => (entryAt(s, 4).at = "2026-01-01T00:00:00.000Z"), /number 5 .*its hash/],
    ["another number", (s) => (entryAt(s, 4).seq += 1), /number 5 .*its hash/],
    ["another id", (s) => (entryAt(s, 4).id += "x"), /number 5 .*its hash/],
    ["another hash", (s) => (entryAt(s, 4).hash = "0".repeat(64)), /number 5 .*its hash/],
    ["a posting less", (s) => void entryAt(s, 4).postings.pop(), /number 5 .*its hash/],
    ["a posting twice", (s) => void entryAt(s, 4).postings.push(posting(s, 4)), /number 5 .*its hash/],
    ["postings the other way round", (s) => void entryAt(s, 4).postings.reverse(), /number 5 .*its hash/],
    ["an entry less at the beginning", (s) => void s.entries.shift(), /number 1 .*its hash/],
    ["an entry less in the middle", (s) => void s.entries.splice(4, 1), /number 5 .*its hash/],
    ["an entry less at the end", (s) => void s.entries.pop(), /closing|the ledger ends/],
    ["an entry twice", (s) => void s.entries.splice(4, 0, entryAt(s, 4)), /number 6 .*its hash/],
    ["two entries the other way round", (s) => void s.entries.splice(4, 0, ...s.entries.splice(5, 1)), /number 5/],
    ["another running balance", (s) => (posting(s, 4).balance = raised(posting(s, 4).balance)), /number 5 .*after it/],
    ["another opening", (s) => (first(s.opening).balance = raised(first(s.opening).balance)), /after it|closing/],
    ["an opening less", (s) => void s.opening.shift(), /after it|closing/],
    ["an opening twice", (s) => void s.opening.push(first(s.opening)), /opening: .*twice/],
    ["another closing", (s) => (first(s.closing).balance = raised(first(s.closing).balance)), /closing: /],
    ["a closing of nothing", (s) => void s.closing.push({ account: "held", asset: "X", balance: "1" }), /no entry/],
    ["a closing of another's", (s) => void s.closing.push({ account: "fees", asset: "X", balance: "0" }), /none of/],
    ["a closing below zero", (s) => void s.closing.push({ account: "held", asset: "X", balance: "-1" }), /is -1/],
    ["another hash before", (s) => (s.before.hash = "f".repeat(64)), /number 1 .*its hash/],
    ["another head", (s) => (s.head.hash = "f".repeat(64)), /the ledger ends with/],
    ["another number of the head", (s) => (s.head.seq += 1), /the ledger ends at/],
    ["no decimal", (s) => (posting(s, 4).balance = "1e3"), /number 5 .*no decimal/],
  ];

  function first<T>(list: readonly T[]): T {
    const [one] = list;
    if (one === undefined) throw new Error("there is none");
    return one;
  }

  it.each(tampered)("finds %s", (_, tamper, where) => {
    const statement = whole();
    expect(checkStatement(statement, null).wrong).toBeNull();
    tamper(statement);
    expect(checkStatement(statement, null).wrong).toMatch(where);
  });

  const rechained: [what: string, tamper: Tamper, where: RegExp][] = [
    ["money from nowhere", (s) => (posting(s, 4).amount = raised(posting(s, 4).amount)), /number 5 .*leave 1 .* over/],
    ["a time that goes back", (s) => (entryAt(s, 4).at = entryAt(s, 0).at), /number 5 .*the entry before/],
    ["a time that is none", (s) => (entryAt(s, 4).at = "noon"), /number 5 .*no time/],
    ["a number that goes back", (s) => (entryAt(s, 4).seq = 1), /number 5 .*comes after/],
    ["an entry of before the period", (s) => (s.from = new Date(NOON + 86_400_000).toISOString()), /number 1 .*begins/],
    ["an entry of after the period", (s) => (s.to = entryAt(s, 4).at), /number 5 .*is over/],
    ["an entry left out", (s) => void s.entries.splice(4, 1), /after it|closing/],
  ];

  it.each(rechained)("finds %s, though every hash is made anew", (_, tamper, where) => {
    const statement = whole();
    tamper(statement);
    chainAnew(statement);
    expect(checkStatement(statement, null).wrong).toMatch(where);
  });

  it("finds a made-up beginning", () => {
    const statement = readStatement(written("json", framed(events(3, 20), null, null)));
    expect(checkStatement(statement, null).wrong).toBeNull();
    const opened = { ...statement, opening: [{ account: "held", asset: "USD", balance: "5" }] };
    expect(checkStatement(opened, null).wrong).toContain("before the first entry");
    const headed = { ...statement, before: { seq: 0, hash: "f".repeat(64) } };
    expect(checkStatement(headed, null).wrong).toContain("64 zeros");
  });

  it("finds a ledger made up as a whole by the head that one has from elsewhere", () => {
    const statement = whole();
    const { hash } = statement.head;
    expect(checkStatement(statement, hash).wrong).toBeNull();
    entryAt(statement, 4).ref = "another";
    chainAnew(statement);
    expect(checkStatement(statement, null).wrong).toBeNull();
    expect(checkStatement(statement, hash).wrong).toContain(`not with ${hash}`);
  });

  it.each([
    ["", "records"],
    ["hello", "records"],
    ["{", "no JSON"],
    ["{}", "account_id"],
    ["[]", "records"],
    ['a,b\r\n"c', "no CSV"],
    ["record,seq\r\nto", "cells"],
  ])("is told that %j is no statement", (text, why) => {
    expect(() => readStatement(text)).toThrow(why);
  });
});
