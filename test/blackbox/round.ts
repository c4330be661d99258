// A round: customers who use the server while faults meet it, and the judgement of what they have seen.
import { parseConfig } from "../../src/config.ts";
import { type Random, randomOf } from "../support/random.ts";
import { breaksOf } from "./checker.ts";
import { Customer } from "./customer.ts";
import { type Exchange, sleep } from "./exchange.ts";
import type { Fault, Faults } from "./faults.ts";
import { finalReads } from "./final.ts";
import { type Attempt, type FinalAccount, type History, NOTHING_SEEN, type StreamLine } from "./history.ts";
import { Follower } from "./stream.ts";
import { type Lane, stakes, step } from "./workload.ts";

const CUSTOMERS = 4;
const LANES_PER_CUSTOMER = 4;
/** Without a single act done for so long, something hangs. */
const PROGRESS_LIMIT_MS = 60_000;

/** What is kept of all rounds. */
export interface Tally {
  acts: number;
  foundByKey: number;
  actingMs: number;
  attempts: Record<Attempt["outcome"], number>;
  streams: { messages: number; returns: number; gaps: number };
  accountIds: string[];
  breaks: string[];
}

/** Customers who act until enough is done and every fault has struck, and what became of it. */
export class Round {
  readonly #exchange: Exchange;
  readonly #faults: Faults;
  readonly #vars: Record<string, unknown>;
  readonly #random: Random;
  #customers: Customer[] = [];
  #followers: Follower[] = [];
  #final: FinalAccount[] = [];
  #actingMs = 0;

  constructor(exchange: Exchange, faults: Faults, vars: Record<string, unknown>, random: Random) {
    this.#exchange = exchange;
    this.#faults = faults;
    this.#vars = vars;
    this.#random = random;
  }

  get #done(): number {
    return this.#customers.reduce((sum, { done }) => sum + done, 0);
  }

  /**
   * Signs up customers, has them act while faults strike, reads all there is at the end, and adds to the tally what was
   * seen and what was wrong with it. A round that cannot go on is a break, too.
   */
  async play(name: string, acts: number, strikes: readonly Fault[], tally: Tally): Promise<void> {
    try {
      await this.#play(name, acts, strikes);
      this.#judge(tally);
    } catch (error) {
      tally.breaks.push(`round ${name} ended early: ${error instanceof Error ? error.message : String(error)}`);
    }
    this.#count(tally);
  }

  async #play(name: string, acts: number, strikes: readonly Fault[]): Promise<void> {
    const names = Array.from({ length: CUSTOMERS }, (_, index) => `${name}c${index}`);
    this.#customers = await Promise.all(
      names.map((own, index) => Customer.signUp(this.#exchange, this.#vars, own, index === 0)),
    );
    this.#followers = this.#customers.map((customer) => new Follower(customer));
    try {
      await Promise.all(this.#followers.map((follower) => follower.catchUp()));
      await this.#act(names, acts, strikes);
      this.#final = await Promise.all(this.#customers.map(finalReads));
      await Promise.all(this.#followers.map((follower) => follower.catchUp()));
    } finally {
      await Promise.all(this.#followers.map((follower) => follower.close()));
    }
  }

  async #act(names: readonly string[], acts: number, strikes: readonly Fault[]): Promise<void> {
    const { priceSeed } = parseConfig(this.#vars);
    const startedAt = performance.now();
    await Promise.all(
      this.#customers.flatMap((customer, index) => stakes(names[index] ?? "").map((wish) => customer.act(wish))),
    );
    const lanes = this.#customers.flatMap((customer, index) =>
      Array.from({ length: LANES_PER_CUSTOMER }, (_, lane): Lane => {
        const name = `${names[index]}l${lane}`;
        return { customer, random: randomOf(this.#random.int(2 ** 30)), name, count: 0, open: [] };
      }),
    );
    let over = false;
    const striking = this.#strikeAll(acts, strikes).finally(() => {
      over = true;
    });
    await Promise.all([
      striking,
      ...lanes.map(async (lane) => {
        while (!over) await step(lane, priceSeed);
      }),
    ]);
    this.#actingMs = performance.now() - startedAt;
  }

  /** Lets the faults strike evenly over the acts, each at some moment of its own. */
  async #strikeAll(acts: number, strikes: readonly Fault[]): Promise<void> {
    for (const [index, fault] of strikes.entries()) {
      await this.#progress((acts * (index + 1)) / (strikes.length + 1));
      await sleep(this.#random.int(200));
      await this.#faults.strike(fault, this.#customers);
    }
    await this.#progress(acts);
  }

  /** Waits until so many acts are done. Throws when none is for {@link PROGRESS_LIMIT_MS}. */
  async #progress(acts: number): Promise<void> {
    let [seen, since] = [this.#done, performance.now()];
    while (this.#done < acts) {
      if (this.#done > seen) [seen, since] = [this.#done, performance.now()];
      if (performance.now() - since > PROGRESS_LIMIT_MS) throw new Error("nothing is done any more");
      await sleep(10);
    }
  }

  #judge(tally: Tally): void {
    const attempts = this.#customers.flatMap((customer) => customer.attempts);
    const streams = new Map(
      this.#final.map(({ id, seq }, index): [string, StreamLine[]] => {
        // What came after the final reads is not in them.
        const lines = this.#followers[index]?.lines.filter((line) => !("seq" in line) || line.seq <= seq) ?? [];
        return [id, lines];
      }),
    );
    const history: History = { ...NOTHING_SEEN, attempts, streams, final: this.#final };
    tally.breaks.push(...breaksOf(history));
  }

  #count(tally: Tally): void {
    tally.acts += this.#done;
    tally.actingMs += this.#actingMs;
    for (const { attempts, foundByKey, complaints, accountId } of this.#customers) {
      tally.foundByKey += foundByKey;
      tally.breaks.push(...complaints);
      tally.accountIds.push(accountId);
      for (const { outcome } of attempts) tally.attempts[outcome] += 1;
    }
    for (const { lines, complaints } of this.#followers) {
      tally.breaks.push(...complaints);
      tally.streams.messages += lines.length;
      tally.streams.returns += lines.filter((line) => line.type === "subscribed" && line.resumeFrom !== null).length;
      tally.streams.gaps += lines.filter(({ type }) => type === "gap").length;
    }
  }
}
