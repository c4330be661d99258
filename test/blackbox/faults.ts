// What is done to the server, by pid and by its files, and how long it takes to be right again.
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { lock } from "../../scripts/locked.ts";
import type { WorkerdServer } from "../../scripts/workerd.ts";
import type { Random } from "../support/random.ts";
import type { Customer } from "./customer.ts";
import { type Ask, sleep } from "./exchange.ts";
import type { OutageProbe } from "./history.ts";

export type Fault = "kill" | "restart" | "stall" | "outage" | "full_disk";

const RECOVERY_LIMIT_MS = 30_000;
/** Longer than clients wait for an answer, and than a market order may wait for its market. */
const LONG_STALL_MS = 6_000;
const BALLAST_PIECE = Buffer.alloc(65_536);
const PAGE = Buffer.alloc(4_096);

/** What the faults of a run have shown. Times in ms. */
export interface FaultFigures {
  counts: Record<Fault, number>;
  /** From each kill to the first correct answer. */
  recoveries: number[];
  probes: OutageProbe[];
  /** Acts that were done while D1 was away, over all outages. */
  actsInOutages: number;
}

/** Does one fault after the other to a server that customers are using. */
export class Faults {
  readonly figures: FaultFigures = {
    counts: { kill: 0, restart: 0, stall: 0, outage: 0, full_disk: 0 },
    recoveries: [],
    probes: [],
    actsInOutages: 0,
  };
  readonly #server: WorkerdServer;
  readonly #random: Random;

  constructor(server: WorkerdServer, random: Random) {
    this.#server = server;
    this.#random = random;
  }

  /** Does one fault and undoes it; the server then works again. `customers` are those who use it now. */
  async strike(fault: Fault, customers: readonly Customer[]): Promise<void> {
    const { counts } = this.figures;
    counts[fault] += 1;
    if (fault === "kill") await this.#kill(customers);
    else if (fault === "restart") await this.#restart();
    else if (fault === "stall") await this.#stall(counts.stall % 10 === 0);
    else if (fault === "full_disk") await this.#fillDisk();
    else if (counts.outage % 2 === 1) await this.#lockD1(customers);
    else await this.#startWithoutD1(customers);
  }

  async #kill(customers: readonly Customer[]): Promise<void> {
    const known = customers.map((customer) => ({ customer, seq: customer.seq }));
    const killedAt = performance.now();
    await this.#server.kill();
    await this.#server.start();
    await Promise.race(known.map(({ customer, seq }) => correctAnswer(customer, seq)));
    this.figures.recoveries.push(performance.now() - killedAt);
  }

  async #restart(): Promise<void> {
    await this.#server.kill("SIGTERM");
    await this.#server.start();
  }

  async #stall(long: boolean): Promise<void> {
    this.#server.stall();
    try {
      await sleep(long ? LONG_STALL_MS : 50 + this.#random.int(1_500));
    } finally {
      this.#server.resume();
    }
  }

  /** Takes D1's one place for a writer: it can be read, and every write to it fails. */
  async #lockD1(customers: readonly Customer[]): Promise<void> {
    const database = new DatabaseSync(this.#server.databaseFile, { timeout: 0 });
    try {
      await lock(database, "BEGIN EXCLUSIVE");
      const login = JSON.stringify({ email: "nobody@example.com", username: "nobody", password: "nothing at all" });
      await this.#probe(customers, { method: "POST", path: "/v1/auth/register", body: login });
      database.exec("ROLLBACK");
    } finally {
      database.close();
    }
  }

  /** Starts the server anew on a D1 that somebody else has for himself: it can neither be read nor written. */
  async #startWithoutD1(customers: readonly Customer[]): Promise<void> {
    await this.#server.kill();
    const database = new DatabaseSync(this.#server.databaseFile, { timeout: 0 });
    try {
      database.exec("PRAGMA locking_mode = EXCLUSIVE");
      await lock(database, "BEGIN EXCLUSIVE");
      await this.#server.start();
      const token = await customers[0]?.tokenFor(["customer", "operator"]);
      await this.#probe(customers, { method: "GET", path: "/v1/admin/orders", ...(token ? { token } : {}) });
      database.exec("ROLLBACK");
    } finally {
      database.close();
    }
  }

  /** Waits while D1 is away, asks for something that needs it, and counts what is done without it. */
  async #probe(customers: readonly Customer[], ask: Ask): Promise<void> {
    const acts = () => customers.reduce((sum, { done }) => sum + done, 0);
    const before = acts();
    await sleep(300 + this.#random.int(1_200));
    const answer = await customers[0]?.exchange.send(ask);
    const { status: httpStatus = 0, retryAfter = null } = answer ?? {};
    this.figures.probes.push({ path: ask.path, httpStatus, retryAfter });
    this.figures.actsInOutages += acts() - before;
  }

  /** Fills the file system of the state to the last page for a while. */
  async #fillDisk(): Promise<void> {
    const path = join(this.#server.folder, "ballast");
    const file = openSync(path, "w");
    try {
      for (const piece of [BALLAST_PIECE, PAGE]) fill(file, piece);
      await sleep(300 + this.#random.int(1_000));
      fill(file, PAGE);
    } finally {
      closeSync(file);
      rmSync(path);
    }
  }
}

/** Asks until the account is shown, no older than its owner has seen it. */
async function correctAnswer(customer: Customer, seq: number): Promise<void> {
  const giveUpAt = performance.now() + RECOVERY_LIMIT_MS;
  while (performance.now() < giveUpAt) {
    const token = await customer.token();
    const answer = await customer.exchange.send({ method: "GET", path: "/v1/account", token });
    if (answer?.status === 200 && (JSON.parse(answer.text) as { seq: number }).seq >= seq) return;
    await sleep(5);
  }
  throw new Error(`no correct answer within ${RECOVERY_LIMIT_MS} ms of a kill`);
}

function fill(file: number, piece: Buffer): void {
  try {
    for (;;) writeSync(file, piece);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}
