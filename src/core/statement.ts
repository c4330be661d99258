// Statements as files, written piece by piece: what was had before, every entry, what is had after, and the chain's ends.
import type { StatementFrame } from "./account/history.ts";
import type { Balance } from "./account/state.ts";
import { csvLine } from "./csv.ts";
import type { LedgerEntry } from "./ledger.ts";
import { wireBalance, wireTime } from "./wire.ts";
import { wireBookedEntry } from "./wire-history.ts";

/** The formats that statements come in. */
export const STATEMENT_FORMATS = ["json", "csv"] as const;
/** One of {@link STATEMENT_FORMATS}. */
export type StatementFormat = (typeof STATEMENT_FORMATS)[number];

/** How a statement is written: its beginning, then its entries in as many pieces as there are, then its end. */
export interface StatementWriter {
  /** The media type. */
  type: string;
  begin(frame: StatementFrame): string;
  /** `first`: nothing of the statement's entries stands before these. */
  entries(entries: readonly LedgerEntry[], first: boolean): string;
  end(frame: StatementFrame): string;
}

/** The columns of a statement in CSV; docs/ledger.md says which record has which. */
const COLUMNS = ["record", "seq", "id", "at", "kind", "ref", "account", "asset", "amount", "balance", "hash"] as const;

type Row = Partial<Record<(typeof COLUMNS)[number], string | number>>;

function timeOrNull(ms: number | null): string | null {
  return ms === null ? null : wireTime(ms);
}

/** An object's text without the brackets around it, so that more can follow. */
function fieldsOf(fields: object): string {
  return JSON.stringify(fields).slice(1, -1);
}

const JSON_WRITER: StatementWriter = {
  type: "application/json",
  begin({ account, from, to, madeAt, before, opening }) {
    const period = { account_id: account, from: timeOrNull(from), to: timeOrNull(to), made_at: wireTime(madeAt) };
    return `{${fieldsOf({ ...period, ledger_before: before, opening: opening.map(wireBalance) })},"entries":[\n`;
  },
  entries(entries, first) {
    const texts = entries.map((entry) => JSON.stringify(wireBookedEntry(entry))).join(",\n");
    return first ? texts : `,\n${texts}`;
  },
  end({ closing, head }) {
    return `\n],${fieldsOf({ closing: closing.map(wireBalance), ledger: head })}}\n`;
  },
};

function line(row: Row): string {
  return csvLine(COLUMNS.map((column) => String(row[column] ?? "")));
}

function balanceLines(record: "opening" | "closing", balances: readonly Balance[]): string {
  return balances
    .map(wireBalance)
    .map(({ asset, available, held }) => {
      const lines = Object.entries({ available, held }).map(([account, balance]) =>
        line({ record, account, asset, balance }),
      );
      return lines.join("");
    })
    .join("");
}

const CSV_WRITER: StatementWriter = {
  type: "text/csv; charset=utf-8; header=present",
  begin({ account, from, madeAt, before, opening }) {
    const head = csvLine(COLUMNS) + line({ record: "account", id: account, at: wireTime(madeAt) });
    return head + line({ record: "from", at: timeOrNull(from) ?? "", ...before }) + balanceLines("opening", opening);
  },
  entries(entries) {
    return entries
      .map(wireBookedEntry)
      .flatMap(({ postings, ...entry }) => postings.map((posting) => line({ record: "posting", ...entry, ...posting })))
      .join("");
  },
  end({ to, closing, head }) {
    return balanceLines("closing", closing) + line({ record: "to", at: timeOrNull(to) ?? "", ...head });
  },
};

/** The writer of each format. */
export const STATEMENT_WRITERS: Readonly<Record<StatementFormat, StatementWriter>> = {
  json: JSON_WRITER,
  csv: CSV_WRITER,
};
