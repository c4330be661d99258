// One simulated run: faults on, then healed, then everything must have come to rest and add up.

import { type AccountEvent, accountStateHash, applyAccountEvent, emptyAccount } from "../../src/core/account/state.ts";
import { decode } from "../../src/core/codec.ts";
import { accountBreaks, crossBreaks, marketBreaks } from "../../src/core/invariants.ts";
import { findMarket } from "../../src/core/listings.ts";
import { applyMarketEvent, emptyMarket, type MarketEvent, marketStateHash } from "../../src/core/market/state.ts";
import { consumeJournal } from "../../src/projections/consumer.ts";
import { SimulatedD1 } from "./d1.ts";
import { parkedBreaks, scheduleParking } from "./parking.ts";
import { ACCOUNT_IDS, type Acknowledged, accountId, schedule } from "./workload.ts";
import { type FaultRates, NO_FAULTS, randomOf, sha256, World } from "./world.ts";

const SPAN_MS = 20_000;
const HEAL_MS = 120_000;

export interface RunReport {
  seed: number;
  breaks: string[];
  counts: Record<string, number>;
}

/** Fault rates of a seed: each kind is off in a third of the seeds. */
export function faultsOf(seed: number): FaultRates {
  const random = randomOf(seed ^ 0x5eed);
  const rate = (max: number) => (random() < 0.33 ? 0 : random() * max);
  return {
    requestLost: rate(0.3),
    answerLost: rate(0.3),
    duplicated: rate(0.5),
    crashBeforeCommit: rate(0.03),
    crashAfterCommit: rate(0.03),
    queueLost: rate(0.3),
    queueDuplicated: rate(0.5),
    queueSpoiled: rate(0.05),
    queueDelayMsMax: 1 + rate(20_000),
    queueRetriesMax: Math.floor(random() * 11),
    consumerDies: rate(0.2),
    d1Fails: rate(0.1),
    d1AnswerLost: rate(0.1),
    d1Outage: rate(0.02),
    bug: rate(0.4),
    delayMsMax: 1 + rate(3_000),
  };
}

/** Runs one seed and reports every broken promise. */
export async function runSeed(seed: number, commands = 40): Promise<RunReport> {
  const world = new World(seed, faultsOf(seed));
  world.d1.enroll(ACCOUNT_IDS);
  const acknowledged = schedule(world, commands, SPAN_MS);
  if (world.faults.bug > 0) scheduleParking(world, SPAN_MS, SPAN_MS + HEAL_MS / 2);
  await world.run(world.now + SPAN_MS + 2_000);
  world.faults = NO_FAULTS;
  await world.run(world.now + HEAL_MS);
  const breaks = [
    ...world.alerts,
    ...restBreaks(world),
    ...parkedBreaks(world),
    ...journalBreaks(world),
    ...(await projectionBreaks(world)),
    ...acknowledgedBreaks(world, acknowledged),
  ];
  world.close();
  return { seed, breaks, counts: world.counts };
}

/** What must be true once nothing is in flight: no order half done, both sides agree, sums are zero. */
function restBreaks(world: World): string[] {
  const breaks: string[] = [];
  for (const [id, account] of world.accounts()) {
    breaks.push(...accountBreaks(account.state).map((text) => `${id}: ${text}`));
    for (const order of account.state.orders.values()) {
      if (order.status === "pending_new") breaks.push(`${order.id} is still pending_new`);
      const resting = world.market(order.symbol).state.orders.get(order.id);
      if (resting === undefined) breaks.push(`${order.id} is open here and not at its market`);
      else if (resting.leaves !== (order.qty ?? 0n) - order.filledQty)
        breaks.push(`${order.id} has other leaves at its market`);
      else if (resting.budget !== order.hold) breaks.push(`${order.id}: budget ${resting.budget}, hold ${order.hold}`);
    }
  }
  const accounts = world.accounts().map(([, logic]) => logic.state);
  for (const [symbol, market] of world.markets()) {
    breaks.push(...marketBreaks(market.state).map((text) => `${symbol}: ${text}`));
    breaks.push(...crossBreaks(accounts, market.state));
    for (const order of market.state.orders.values()) {
      if (!world.account(order.account).state.orders.has(order.id)) breaks.push(`${order.id} rests for nobody`);
    }
  }
  return breaks;
}

/** Replaying a journal into an empty object gives the same state. */
function journalBreaks(world: World): string[] {
  const breaks: string[] = [];
  for (const [id, account] of world.accounts()) {
    const replayed = emptyAccount(id, 1);
    for (const body of world.journal(id)) applyAccountEvent(replayed, decode<AccountEvent>(body));
    if (accountStateHash(replayed, sha256) !== accountStateHash(account.state, sha256))
      breaks.push(`${id} replays to another state`);
  }
  for (const [symbol, market] of world.markets()) {
    const rules = findMarket(symbol);
    if (rules === undefined) continue;
    const replayed = emptyMarket(rules, 1);
    for (const body of world.journal(symbol)) applyMarketEvent(replayed, decode<MarketEvent>(body));
    if (marketStateHash(replayed, sha256) !== marketStateHash(market.state, sha256))
      breaks.push(`${symbol} replays to another state`);
  }
  return breaks;
}

/** P1: the read model, after all that became of queue and D1, is what the journals make of an empty one, row by row. */
async function projectionBreaks(world: World): Promise<string[]> {
  const d1 = new SimulatedD1();
  const journals = [
    ...world
      .accounts()
      .map(([name, logic]) => ({ object: "account", name, seq: logic.state.seq, bodies: world.journal(name) })),
    ...world.markets().map(([symbol, logic]) => ({
      object: "market",
      name: `main/${symbol}`,
      seq: logic.state.seq,
      bodies: world.journal(symbol),
    })),
  ];
  const messages = journals.map(({ object, name, seq, bodies }) => ({
    body: { v: 1, object, name, epoch: 1, from: 1, to: seq, events: bodies },
    attempts: 1,
    ack: () => undefined,
    retry: () => undefined,
  }));
  await consumeJournal({ queue: "rebuild", messages } as unknown as MessageBatch, { DB: d1.binding });
  const [found, wanted] = [world.d1.readModel(), d1.readModel()];
  d1.close();
  const heads = wanted["projection_heads"]?.length ?? 0;
  const breaks = heads === journals.length ? [] : [`only ${heads} of ${journals.length} journals can be projected`];
  for (const [table, rows] of Object.entries(wanted)) {
    if (JSON.stringify(found[table]) === JSON.stringify(rows)) continue;
    breaks.push(`${table} in D1 is not what the journals say: ${found[table]?.length} rows, ${rows.length} expected`);
  }
  return breaks;
}

/** What a client was told is there: each acknowledged order exists, once. */
function acknowledgedBreaks(world: World, acknowledged: Acknowledged[]): string[] {
  const breaks: string[] = [];
  for (const { account, clientOrderId, orderId, code } of acknowledged) {
    const found = world.account(account).byClientOrderId(clientOrderId);
    const same = found !== undefined && (found.ok ? found.value.id === orderId : found.refusal.code === code);
    if (!same) breaks.push(`${clientOrderId} of ${account} was acknowledged and is lost`);
  }
  const fills = new Set<string>();
  for (const [id, account] of world.accounts()) {
    for (const fill of account.reads.fills({ limit: 10_000, cursor: null, symbol: null, orderId: null }).data) {
      if (fills.has(fill.id)) breaks.push(`execution ${fill.id} happened twice, again at ${id}`);
      fills.add(fill.id);
    }
  }
  if (world.account(accountId(0)).state.seq === 0) breaks.push("nothing happened");
  return breaks;
}
