// One stored row of one object that is changed or cut: its next life must refuse everything, until the operator throws away
// what is stored for the part of its journal before that row.
import { decode } from "../../src/core/codec.ts";
import { forget, restoreWith, undisturbed } from "./restore.ts";
import { ACCOUNT_IDS, type Clients, callerOf, SYMBOLS } from "./workload.ts";
import type { SpoiledDb, World } from "./world.ts";

const LOOK_MS = 500;
const OPERATOR_MS_MAX = 8_000;

type Kind = "account" | "market";

/** `from`: the first event of the journal that may not be in the snapshot; null when the journal is whole. */
interface Spoiled {
  from: number | null;
}

/** Has one object's row be spoiled within `spanMs`, as soon as there is one, and an operator find and restore it. */
export function scheduleCorruption(world: World, clients: Clients, spanMs: number): void {
  const kind = world.random.once(2) ? "market" : "account";
  const key = world.random.pick(kind === "market" ? SYMBOLS : ACCOUNT_IDS);
  const how = world.random.pick(Object.keys(HOW) as (keyof typeof HOW)[]);
  const which = world.random.unit();
  const part = world.random.unit();
  const wait = world.random.unit() * OPERATOR_MS_MAX;
  const until = world.now + spanMs;
  const strike = () => {
    const journal = world.journalOf(kind, key);
    const spoiled = world.spoil(kind, key, (db) => HOW[how](db, kind, which));
    if (spoiled === null) {
      if (world.now < until) world.later(LOOK_MS, strike);
      return;
    }
    world.count("corrupted");
    world.count(`corrupted_${how}`);
    checkHalted(world, kind, key);
    const kept = journal.filter((body) => spoiled.from === null || decode<{ seq: number }>(body).seq < spoiled.from);
    const keep = spoiled.from === null ? kept.slice(0, Math.floor(part * (kept.length + 1))) : kept;
    world.later(wait, () => {
      checkHalted(world, kind, key);
      bringBack(world, kind, key, keep, journal, clients);
    });
  };
  world.later(world.random.unit() * spanMs, strike);
}

/** Changes a row as a disk would, without a word; null when the object has none of that kind yet. */
const HOW = {
  entry_changed: (db: SpoiledDb, kind: Kind, which: number) =>
    spoilEntry(db, kind, which, (body) => swapDigit(body, /"amount":"\$-?\d/)),
  entry_cut: (db: SpoiledDb, kind: Kind, which: number) =>
    spoilEntry(db, kind, which, (body) => body.slice(0, body.length / 2)),
  hash_changed: (db: SpoiledDb, kind: Kind, which: number) =>
    spoilEntry(db, kind, which, (body) => swapDigit(body, /"hash":"[0-9a-f]/)),
  order_cut: (db: SpoiledDb, kind: Kind) => {
    const changed = db.run(
      `UPDATE orders SET body = substr(body, 1, 40) WHERE id = (SELECT id FROM orders ${kind === "account" ? "WHERE open = 1" : ""} LIMIT 1)`,
    );
    return changed === 0 ? null : { from: null };
  },
  balance_changed: (db: SpoiledDb, kind: Kind) => {
    const entry = entriesOf(db, kind)[0];
    const posting = entry === undefined ? undefined : decode<Entered>(entry.body).entry.postings[0];
    if (posting === undefined) return null;
    db.run(
      "UPDATE ledger_accounts SET balance = balance + 1 WHERE account = ? AND asset = ?",
      posting.account,
      posting.asset,
    );
    return { from: null };
  },
} satisfies Record<string, (db: SpoiledDb, kind: Kind, which: number) => Spoiled | null>;

interface Entered {
  entry: { postings: { account: string; asset: string }[] };
}

/** The rows with entries among those that are looked at when an object starts, newest first. */
function entriesOf(db: SpoiledDb, kind: Kind): { seq: number; body: string }[] {
  const rows = kind === "account" ? "entry_kind IS NOT NULL" : "kind = 'report'";
  // SQLite itself keeps an index over what transfers hold: a cut one could not be stored.
  const found = db.rows(`SELECT seq, kind, body FROM journal WHERE ${rows} ORDER BY seq DESC LIMIT 40`);
  return found.filter(({ kind: one, body }) => one !== "transfer" && body.includes('"postings":[{'));
}

function spoilEntry(db: SpoiledDb, kind: Kind, which: number, spoil: (body: string) => string): Spoiled | null {
  const rows = entriesOf(db, kind);
  const row = rows[Math.floor(which * rows.length)];
  if (row === undefined) return null;
  db.run("UPDATE journal SET body = ? WHERE seq = ?", spoil(row.body), row.seq);
  return { from: row.seq };
}

/** The text with the last character of what fits turned into another digit; within the ledger's entry, which comes last. */
function swapDigit(body: string, fits: RegExp): string {
  const at = body.indexOf('"entry":{');
  const found = fits.exec(body.slice(at));
  if (at < 0 || found === null) return "";
  const place = at + found.index + found[0].length - 1;
  return `${body.slice(0, place)}${body[place] === "7" ? "8" : "7"}${body.slice(place + 1)}`;
}

/** Nobody is answered with a figure, and operators are told why. */
function checkHalted(world: World, kind: Kind, key: string): void {
  undisturbed(world, () => {
    const wrong = kind === "account" ? accountAnswers(world, key) : marketAnswers(world, key);
    if (wrong.length > 0) world.alerts.push(`${key} is spoiled, and yet: ${wrong.join(", ")}`);
    else world.count("safe_halt_entered");
  });
}

function accountAnswers(world: World, id: string): string[] {
  const account = world.account(id);
  const { stopped } = account.operations.parked({ limit: 1, cursor: null });
  const deposit = account.transfer(callerOf(id), { kind: "deposit", asset: "USD", amount: 1n }, null);
  const told = account.report({ v: 1, symbol: SYMBOLS[0], epoch: 1, reports: [] });
  return [
    ...(stopped?.startsWith("unreadable") === true ? [] : [`it says ${stopped}`]),
    ...(account.admitCaller(callerOf(id)).ok ? ["its owner may read it"] : []),
    ...(deposit.result.ok ? ["it takes money"] : []),
    ...(told.outcome === "later" ? [] : [`a push is ${told.outcome}`]),
  ];
}

function marketAnswers(world: World, symbol: string): string[] {
  const market = world.market(symbol);
  const { stopped } = market.parked({ limit: 1, cursor: null });
  const answer = market.exchange({ v: 1, account: ACCOUNT_IDS[0] ?? "", epoch: 1, to: 1, rseq: 0, commands: [] });
  return [
    ...(stopped?.startsWith("unreadable") === true ? [] : [`it says ${stopped}`]),
    ...(market.looks.book(5) === null ? [] : ["it shows a book"]),
    ...(answer.outcome === "later" ? [] : [`a call is ${answer.outcome}`]),
  ];
}

function bringBack(
  world: World,
  kind: Kind,
  key: string,
  kept: string[],
  journal: readonly string[],
  clients: Clients,
): void {
  undisturbed(world, () => {
    // The epoch has a row of its own, which was not spoiled.
    const object = kind === "account" ? world.account(key).operations : world.market(key);
    const { epoch } = object.restoration();
    world.forgetStream(key);
    restoreWith(world, kind, key, { epoch: epoch + 1, journal: kept, replace: true });
    if (kind === "account") forget(key, journal.slice(kept.length), clients);
    world.count(`replaced_${kind}`);
  });
}
