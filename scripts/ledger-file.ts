// Reads a statement, JSON or CSV, into one shape. Nothing is believed of it but that it is text.
import type { ChainHead, ShownEntry } from "../src/core/ledger.ts";

/** What one account of the ledger has after a posting, beside what the hash covers. */
export interface BookedPosting {
  account: string;
  asset: string;
  amount: string;
  balance: string;
}

export interface BookedEntry extends ShownEntry {
  postings: BookedPosting[];
  hash: string;
}

/** One of the owner's two accounts in an asset. */
export interface OwnBalance {
  account: string;
  asset: string;
  balance: string;
}

/** A statement as its file has it. Times as they are written; null: from the beginning, up to `madeAt`. */
export interface Statement {
  account: string;
  from: string | null;
  to: string | null;
  madeAt: string;
  before: ChainHead;
  opening: OwnBalance[];
  entries: BookedEntry[];
  closing: OwnBalance[];
  head: ChainHead;
}

/** What is said of a file that is no statement, or only a part of one. */
export class FileError extends Error {}

/** Reads a file's text. Throws FileError for what is not a whole statement. */
export function readStatement(text: string): Statement {
  return text.trimStart().startsWith("{") ? readJson(text) : readCsv(text);
}

function readJson(text: string): Statement {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    throw new FileError("this is no JSON: perhaps the file broke off before its end");
  }
  const file = fieldsOf(read, "the file");
  const own = (name: string) => listOf(file, name).flatMap((one) => ownBalances(one, name));
  return {
    account: textOf(file, "account_id"),
    from: timeOf(file, "from"),
    to: timeOf(file, "to"),
    madeAt: textOf(file, "made_at"),
    before: headOf(fieldsOf(file.ledger_before, "ledger_before")),
    opening: own("opening"),
    entries: listOf(file, "entries").map(readEntry),
    closing: own("closing"),
    head: headOf(fieldsOf(file.ledger, "ledger")),
  };
}

type Fields = Record<string, unknown>;

function fieldsOf(value: unknown, name: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new FileError(`${name} is not there, or no object`);
}

function listOf(fields: Fields, name: string): Fields[] {
  const list = fields[name];
  if (!Array.isArray(list)) throw new FileError(`${name} is not there, or no list`);
  return list.map((one) => fieldsOf(one, `a member of ${name}`));
}

function textOf(fields: Fields, name: string): string {
  const text = fields[name];
  if (typeof text === "string") return text;
  throw new FileError(`${name} is not there, or no text`);
}

function timeOf(fields: Fields, name: string): string | null {
  return fields[name] === null ? null : textOf(fields, name);
}

function seqOf(fields: Fields): number {
  const { seq } = fields;
  if (typeof seq === "number" && Number.isSafeInteger(seq)) return seq;
  throw new FileError("seq is not there, or no whole number");
}

function headOf(fields: Fields): ChainHead {
  return { seq: seqOf(fields), hash: textOf(fields, "hash") };
}

function ownBalances(fields: Fields, name: string): OwnBalance[] {
  const [asset, available, held, total] = ["asset", "available", "held", "total"].map((field) => textOf(fields, field));
  if (asset === undefined || available === undefined || held === undefined || total === undefined) return [];
  if (unitsOf(available) + unitsOf(held) !== unitsOf(total)) {
    throw new FileError(`${name}: ${asset} has a total of ${total}, which is not ${available} and ${held}`);
  }
  return Object.entries({ available, held }).map(([account, balance]) => ({ account, asset, balance }));
}

function readEntry(fields: Fields): BookedEntry {
  const [id = "", at = "", kind = "", ref = "", hash = ""] = ["id", "at", "kind", "ref", "hash"].map((field) =>
    textOf(fields, field),
  );
  const postings = listOf(fields, "postings").map((one) => ({
    account: textOf(one, "account"),
    asset: textOf(one, "asset"),
    amount: textOf(one, "amount"),
    balance: textOf(one, "balance"),
  }));
  return { seq: seqOf(fields), id, at, kind, ref, postings, hash };
}

type Row = Readonly<Record<string, string>>;

function readCsv(text: string): Statement {
  const [columns = [], ...lines] = linesOf(text);
  const rows = lines.map((cells, at): Row => {
    if (cells.length !== columns.length) throw new FileError(`line ${at + 2} has ${cells.length} cells`);
    return Object.fromEntries(columns.map((column, place) => [column, cells[place] ?? ""]));
  });
  const only = (record: string): Row => {
    const found = rows.filter((row) => row.record === record);
    const [row] = found;
    if (row === undefined || found.length > 1) throw new FileError(`there are ${found.length} records "${record}"`);
    return row;
  };
  const own = (record: string) =>
    rows
      .filter((row) => row.record === record)
      .map((row) => ({
        account: textOf(row, "account"),
        asset: textOf(row, "asset"),
        balance: textOf(row, "balance"),
      }));
  const head = (row: Row) => headOf({ ...row, seq: Number(row.seq) });
  if (rows.at(-1) !== only("to")) throw new FileError("the file does not end with its end");
  return {
    account: textOf(only("account"), "id"),
    from: textOf(only("from"), "at") || null,
    to: textOf(only("to"), "at") || null,
    madeAt: textOf(only("account"), "at"),
    before: head(only("from")),
    opening: own("opening"),
    entries: entriesOf(rows.filter((row) => row.record === "posting")),
    closing: own("closing"),
    head: head(only("to")),
  };
}

/** Postings that follow each other with one seq, id and hash are an entry. */
function entriesOf(rows: readonly Row[]): BookedEntry[] {
  const entries: BookedEntry[] = [];
  for (const row of rows) {
    const entry = readEntry({ ...row, seq: Number(row.seq), postings: [row] });
    const last = entries.at(-1);
    const same = last !== undefined && last.seq === entry.seq && last.id === entry.id && last.hash === entry.hash;
    if (same) last.postings.push(...entry.postings);
    else entries.push(entry);
  }
  return entries;
}

const CELL = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;

/** Lines of cells, as RFC 4180 has them; an apostrophe that keeps a spreadsheet from calculating is taken off. */
function linesOf(text: string): string[][] {
  const lines: string[][] = [];
  let cells: string[] = [];
  CELL.lastIndex = 0;
  while (CELL.lastIndex < text.length) {
    const at = CELL.lastIndex;
    const cell = CELL.exec(text);
    if (cell === null) throw new FileError(`this is no CSV at character ${at}`);
    const [, quoted, plain = "", end] = cell;
    const value = quoted === undefined ? plain : quoted.replaceAll('""', '"');
    cells.push(/^'[=+\-@\t\r]/.test(value) ? value.slice(1) : value);
    if (end === ",") continue;
    lines.push(cells);
    cells = [];
  }
  return lines;
}

/** Digits that every decimal is brought to, so that sums are exact: more than any asset has. */
const DIGITS = 18;

/** A decimal in units of 10^-18. Throws FileError for what is none. */
export function unitsOf(text: string): bigint {
  const [whole, sign = "", digits = "", fraction = ""] = /^(-?)(\d+)(?:\.(\d{1,18}))?$/.exec(text) ?? [];
  if (whole === undefined) throw new FileError(`"${text}" is no decimal`);
  return BigInt(`${sign}${digits}${fraction.padEnd(DIGITS, "0")}`);
}

/** Units of 10^-18 as a decimal in shortest form. */
export function decimalOf(units: bigint): string {
  const digits = (units < 0n ? -units : units).toString().padStart(DIGITS + 1, "0");
  const fraction = digits.slice(-DIGITS).replace(/0+$/, "");
  return `${units < 0n ? "-" : ""}${digits.slice(0, -DIGITS)}${fraction === "" ? "" : `.${fraction}`}`;
}
