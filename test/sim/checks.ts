// What must be true of a world that has come to rest: both sides agree, nothing is half done, every copy says the same.
import { ordersOf } from "../../src/core/account/events.ts";
import type { AccountThen } from "../../src/core/account/history.ts";
import {
  type AccountEvent,
  type AccountState,
  applyAccountEvent,
  balanceOf,
  emptyAccount,
} from "../../src/core/account/state.ts";
import { accountStateHash } from "../../src/core/account/state-hash.ts";
import { canonical, decode } from "../../src/core/codec.ts";
import { isContainer, isExit } from "../../src/core/groups.ts";
import { accountBreaks, crossBreaks, marketBreaks } from "../../src/core/invariants.ts";
import { ASSETS, findMarket } from "../../src/core/listings.ts";
import { applyMarketEvent, emptyMarket, type MarketEvent, marketStateHash } from "../../src/core/market/state.ts";
import { type ConsumerBindings, consumeJournal } from "../../src/projections/consumer.ts";
import { SimulatedD1 } from "./d1.ts";
import { sha256 } from "./object.ts";
import { transferBreaks } from "./transfers.ts";
import type { Clients } from "./workload.ts";
import type { World } from "./world.ts";

/** Whether anything is on its way: a command or report between account and market, or an event to D1. */
export function isUnderWay(world: World): boolean {
  const between = world.accounts().some(([id, { state }]) =>
    [...state.peers].some(([symbol, peer]) => {
      return peer.pending.length > 0 || peer.rseq !== world.market(symbol).state.peers.get(id)?.rseq;
    }),
  );
  const heads = new Map(world.d1.readModel()["projection_heads"]?.map((head) => [head["name"], head["applied_seq"]]));
  return between || world.journals().some(({ name, seq }) => heads.get(name) !== seq);
}

/** No order half done, both sides agree, sums are zero. */
export function restBreaks(world: World): string[] {
  const breaks: string[] = [];
  for (const [id, account] of world.accounts()) {
    breaks.push(...accountBreaks(account.state).map((text) => `${id}: ${text}`));
    for (const order of account.state.orders.values()) {
      if (order.status === "pending_new") breaks.push(`${order.id} is still pending_new`);
      if (isContainer(order)) continue;
      const resting = world.market(order.symbol).state.orders.get(order.id);
      if (resting === undefined) breaks.push(`${order.id} is open here and not at its market`);
      else if (resting.leaves !== (order.qty ?? 0n) - order.filledQty)
        breaks.push(`${order.id} has other leaves at its market`);
      else if (!isExit(order) && resting.budget !== order.hold)
        breaks.push(`${order.id}: budget ${resting.budget}, hold ${order.hold}`);
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

/** Replaying a journal into an empty object gives the same state; its times never go back (S2, S3). */
export function journalBreaks(world: World): string[] {
  const breaks: string[] = [];
  const states = new Map<string, string>([
    ...world.accounts().map(([id, { state }]): [string, string] => [id, accountStateHash(state, sha256)]),
    ...world
      .markets()
      .map(([symbol, { state }]): [string, string] => [`main/${symbol}`, marketStateHash(state, sha256)]),
  ]);
  for (const { object, name, bodies, stored } of world.journals()) {
    // What stands for events that were cut leads to where they have led.
    for (const journal of stored.length === bodies.length ? [stored] : [stored, bodies]) {
      const events = journal.map((body) => decode<AccountEvent | MarketEvent>(body));
      const back = events.findIndex((event, index) => event.at < (events[index - 1]?.at ?? 0));
      if (back >= 0) breaks.push(`${name} goes back in time at ${events[back]?.seq}`);
      const replayed = object === "account" ? replayedAccount(name, events) : replayedMarket(name, events);
      if (replayed !== states.get(name)) breaks.push(`${name} replays to another state`);
    }
  }
  return breaks;
}

/** What an account says of its past at some of its events, and of what makes its figures, is what a replay up to there gives. */
export function pastBreaks(world: World): string[] {
  return world.accounts().flatMap(([id, { history, state: now }]) => {
    const bodies = world.journals().find(({ name }) => name === id)?.bodies ?? [];
    const events = bodies.map((body) => decode<AccountEvent>(body));
    const every = Math.ceil(events.length / PAST_MOMENTS);
    const state = emptyAccount(id, 1);
    return events.flatMap((event, index) => {
      applyAccountEvent(state, event);
      if (index % every !== 0 && index !== events.length - 1) return [];
      return [event.first, event.seq].flatMap((seq) => {
        const then = history.stateAt({ seq });
        const isGone = !then.ok && then.refusal.code === "period_archived";
        if (seq < now.base.seq) return isGone ? [] : [`${id} still tells of ${seq}, which is archived`];
        const same = then.ok && canonical(pastOf(then.value)) === canonical(pastOf(replayedPast(state)));
        return same ? [] : [`${id} was something else at ${seq}`];
      });
    });
  });
}

/** At how many moments of each account's past the world is looked at. */
const PAST_MOMENTS = 12;

function replayedPast(state: AccountState): AccountThen {
  const { id, status, seq, at, ledgerSeq, ledgerHead } = state;
  const balances = ASSETS.flatMap(({ symbol: asset }) => {
    if (!["available", "held"].some((account) => state.balances.has(`${account}|${asset}`))) return [];
    return { asset, available: balanceOf(state, "available", asset), held: balanceOf(state, "held", asset) };
  });
  const ledger = { seq: ledgerSeq, hash: ledgerHead };
  return { id, status, balances, positions: [...state.positions.values()], ledger, seq, asOf: at };
}

function pastOf({ balances, positions, ...others }: AccountThen): object {
  const byName = <T>(all: T[], nameOf: (one: T) => string) => Object.fromEntries(all.map((one) => [nameOf(one), one]));
  return { ...others, balances: byName(balances, (b) => b.asset), positions: byName(positions, (p) => p.symbol) };
}

function replayedAccount(id: string, events: readonly object[]): string {
  const state = emptyAccount(id, 1);
  for (const event of events) applyAccountEvent(state, event as AccountEvent);
  return accountStateHash(state, sha256);
}

function replayedMarket(name: string, events: readonly object[]): string {
  const rules = findMarket(name.slice("main/".length));
  if (rules === undefined) throw new Error(`no market ${name}`);
  const state = emptyMarket(rules, 1);
  for (const event of events) applyMarketEvent(state, event as MarketEvent);
  return marketStateHash(state, sha256);
}

/** P1: the read model, after all that became of queue and D1, is what the journals make of an empty one, row by row. */
export async function projectionBreaks(world: World): Promise<string[]> {
  const d1 = new SimulatedD1();
  const journals = world.journals();
  const messages = journals.map(({ object, name, epoch, seq, stored }) => ({
    body: { v: 1, object, name, epoch, from: 1, to: seq, events: stored },
    attempts: 1,
    ack: () => undefined,
    retry: () => undefined,
  }));
  // Slices alone: nobody is asked for more.
  const env = { DB: d1.binding } as ConsumerBindings;
  await consumeJournal({ queue: "rebuild", messages } as unknown as MessageBatch, env);
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

function marketOrders({ object, bodies }: { object: string; bodies: string[] }): string[] {
  if (object !== "market") return [];
  const events = bodies.map((body) => decode<MarketEvent>(body));
  return events.flatMap((event) => (event.kind === "report" ? [event.report.orderId] : []));
}

function accountOrders({ object, bodies }: { object: string; bodies: string[] }): string[] {
  if (object !== "account") return [];
  return bodies.flatMap((body) => ordersOf(decode<AccountEvent>(body)).map(({ id }) => id));
}

/** What clients were told is there, once: orders and their refusals, money moved, and each execution at one account. */
export function acknowledgedBreaks(world: World, clients: Clients): string[] {
  const breaks: string[] = [];
  const journals = world.journals();
  const known = new Set(journals.flatMap(marketOrders));
  const archived = new Set(journals.flatMap(accountOrders));
  for (const { account, clientOrderId, orderId, code } of clients.orders.values()) {
    const found = world.account(account).byClientOrderId(clientOrderId);
    const said = found === undefined || found.ok ? null : found.refusal.code;
    const isArchived = said === "order_archived" && orderId !== null && archived.has(orderId);
    const same = found !== undefined && (found.ok ? found.value.id === orderId : said === code || isArchived);
    // Forgotten for good, and perhaps asked for anew: then its market must not know it either.
    const gone = clients.forgotten.has(`${account} ${clientOrderId}`) && (orderId === null || !known.has(orderId));
    if (!same && !gone) breaks.push(`${clientOrderId} of ${account} was acknowledged and is lost`);
  }
  breaks.push(...transferBreaks(world, clients));
  const fills = new Set<string>();
  for (const [id, account] of world.accounts()) {
    for (const fill of account.reads.fills({ limit: 10_000, cursor: null, symbol: null, orderId: null }).data) {
      if (fills.has(fill.id)) breaks.push(`execution ${fill.id} happened twice, again at ${id}`);
      fills.add(fill.id);
    }
  }
  return breaks;
}
