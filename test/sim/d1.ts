// D1 for a simulated run: the real migrations on node:sqlite behind D1's own interface, with its failures drawn by the world.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";

const FOLDER = join(import.meta.dirname, "../../migrations");
const MIGRATIONS = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".sql"))
  .sort()
  .map((name) => readFileSync(join(FOLDER, name), "utf8"));

/** What becomes of one call: it answers, fails before anything happened, or fails although everything did, or will happen late. */
export type D1Fate = "answers" | "fails" | "answer_lost" | "lands_late";

/** What a run may add: when what is late happens, and statements of which no answer has a row. */
interface D1World {
  later: (work: () => void) => void;
  hides?: (query: string) => boolean;
}

/** What every change of a task or a locale was, in the order in which they were made. */
const LOGS = `
  CREATE TABLE task_log (seq INTEGER PRIMARY KEY, id TEXT, version INTEGER, title TEXT, is_new INTEGER);
  CREATE TRIGGER task_made AFTER INSERT ON tasks BEGIN
    INSERT INTO task_log (id, version, title, is_new) VALUES (NEW.id, NEW.version, NEW.title, 1); END;
  CREATE TRIGGER task_changed AFTER UPDATE ON tasks BEGIN
    INSERT INTO task_log (id, version, title, is_new) VALUES (NEW.id, NEW.version, NEW.title, NEW.title <> OLD.title); END;
  CREATE TABLE locale_log (locale TEXT);
  CREATE TRIGGER locale_chosen AFTER UPDATE ON users WHEN NEW.locale <> OLD.locale BEGIN
    INSERT INTO locale_log (locale) VALUES (NEW.locale); END;`;

type Row = Record<string, SQLInputValue>;

/** The tables that journals make; the rest is the sweeper's and the consumer's own. */
const READ_MODEL = {
  projection_heads: "SELECT object, name, epoch, applied_seq FROM projection_heads ORDER BY 1, 2, 3",
  orders: "SELECT * FROM orders ORDER BY id",
  executions: "SELECT * FROM executions ORDER BY id",
  ledger_entries: "SELECT * FROM ledger_entries ORDER BY object, name, epoch, seq",
  balances: "SELECT * FROM balances ORDER BY account_id, asset",
  transfers: "SELECT * FROM transfers ORDER BY id",
  trades: "SELECT * FROM trades ORDER BY id",
};

export class SimulatedD1 {
  readonly #db = new DatabaseSync(":memory:");
  readonly #prepared = new Map<string, StatementSync>();
  readonly #fate: () => D1Fate;
  readonly #world: D1World;

  constructor(fate: () => D1Fate = () => "answers", world: D1World = { later: () => undefined }) {
    this.#fate = fate;
    this.#world = world;
    for (const migration of MIGRATIONS) this.#db.exec(migration.replaceAll("--> statement-breakpoint", ""));
  }

  /** Writes accounts as signing up would: the sweeper looks at those who are there. */
  enroll(accountIds: readonly string[]): void {
    for (const id of accountIds) {
      this.#db
        .prepare(
          "INSERT INTO users (id, email, email_canonical, username, password_hash, created_at, updated_at) VALUES (?1, ?1, ?1, ?1, '', 0, 0)",
        )
        .run(id);
      this.#db.prepare("INSERT INTO accounts (id, user_id, created_at) VALUES (?1, ?1, 0)").run(id);
    }
  }

  /** Writes down from now on what is done to tasks and locales. */
  log(): void {
    this.#db.exec(LOGS);
  }

  /** The binding as the product's code gets it. */
  get binding(): D1Database {
    return {
      prepare: (query: string) => this.#statement(query, []),
      batch: (statements: Statement[]) =>
        this.#call(() => {
          this.#db.exec("BEGIN");
          try {
            const answers = statements.map((statement) => ({
              results: this.#rows(statement),
              success: true,
              meta: {},
            }));
            this.#db.exec("COMMIT");
            return answers;
          } catch (error) {
            this.#db.exec("ROLLBACK");
            throw error;
          }
        }),
    } as unknown as D1Database;
  }

  #statement(query: string, bindings: SQLInputValue[]): Statement {
    const statement: Statement = {
      query,
      bindings,
      bind: (...values) => this.#statement(query, values),
      all: () => this.#call(() => ({ results: this.#rows(statement), success: true, meta: {} })),
      run: () => this.#call(() => ({ results: this.#rows(statement), success: true, meta: {} })),
      raw: () => this.#call(() => this.#rows(statement).map((row) => Object.values(row))),
    };
    return statement;
  }

  #rows({ query, bindings }: Statement): Row[] {
    let prepared = this.#prepared.get(query);
    if (prepared === undefined) {
      prepared = this.#db.prepare(query);
      this.#prepared.set(query, prepared);
    }
    const rows = prepared.all(...bindings) as Row[];
    return this.#world.hides?.(query) === true ? [] : rows;
  }

  async #call<T>(work: () => T): Promise<T> {
    const fate = this.#fate();
    if (fate === "fails") throw new Error("D1_ERROR: Network connection lost.");
    if (fate === "lands_late") {
      this.#world.later(() => void work());
      throw new Error("D1 did not answer in time");
    }
    const value = work();
    if (fate === "answer_lost") throw new Error("D1_ERROR: Failed to parse body as JSON");
    return value;
  }

  /** All that journals have made of the read model. */
  readModel(): Record<string, Row[]> {
    return Object.fromEntries(
      Object.entries(READ_MODEL).map(([table, query]) => [table, this.#db.prepare(query).all()]),
    ) as Record<string, Row[]>;
  }

  /** Whatever is asked of it, past all faults. */
  rows(query: string): Row[] {
    return this.#db.prepare(query).all() as Row[];
  }

  /** How many rows a table has. */
  count(table: "dead_letters" | "projection_slices"): number {
    return Number(this.#db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.["n"]);
  }

  close(): void {
    this.#db.close();
  }
}

interface Statement {
  query: string;
  bindings: SQLInputValue[];
  bind: (...values: SQLInputValue[]) => Statement;
  all: () => Promise<unknown>;
  run: () => Promise<unknown>;
  raw: () => Promise<unknown>;
}
