// The only doorway to the objects and to the queue that they fill: names are made here, and faults are told apart here.
import type { DurableObject } from "cloudflare:workers";
import type { ExamRpc } from "../core/exam.ts";
import { JOURNAL_CALL_TIMEOUT_MS, MARKET_LIST_AGE_MS, SWEEP_LANES_MAX } from "../core/limits.ts";
import { MARKETS, type MarketRules } from "../core/listings.ts";
import type { Standing } from "../core/policies.ts";
import { type Answered, ok, type Result, refuse } from "../core/result.ts";
import { log } from "../log.ts";
import type { MarketView } from "./governing.ts";
import type { Caller, Counted, JournalPull } from "./protocol.ts";
import type { AccountRpc, JournalRpc, LimiterRpc, MarketRpc, WriteBufferRpc } from "./rpc.ts";

/** The platform takes no more messages in one call. */
const SEND_BATCH_MAX = 100;

/** The bindings that the objects live behind. */
export interface ObjectBindings {
  ACCOUNT: DurableObjectNamespace<AccountRpc & DurableObject>;
  MARKET: DurableObjectNamespace<MarketRpc & DurableObject>;
  LIMITER: DurableObjectNamespace<LimiterRpc & DurableObject>;
  WRITE_BUFFER: DurableObjectNamespace<WriteBufferRpc & DurableObject>;
  JOURNAL: Queue;
  VENUE: string;
}

/** A fresh stub of an account's object: a stub that has failed stays broken. */
export function accountStub(env: ObjectBindings, accountId: string) {
  return env.ACCOUNT.getByName(accountId);
}

/** A fresh stub of a market's object; `symbol` must be listed, since any name makes an object. */
export function marketStub(env: ObjectBindings, symbol: string) {
  return env.MARKET.getByName(`${env.VENUE}/${symbol}`);
}

/** A fresh stub of the limiter that counts for one key. The text must be bounded: any name makes an object. */
export function limiterStub(env: Pick<ObjectBindings, "LIMITER">, key: string) {
  return env.LIMITER.getByName(key);
}

/** A fresh stub of a user's write buffer. */
export function writeBufferStub(env: Pick<ObjectBindings, "WRITE_BUFFER">, userId: string) {
  return env.WRITE_BUFFER.getByName(userId);
}

/** A market's rules of now. Refuses `unavailable`. `symbol` must be listed. */
export function readRules(env: ObjectBindings, symbol: string): Promise<Result<MarketView>> {
  return callObject(async () => {
    const view = await marketStub(env, symbol).rules();
    return view === null ? refuse({ code: "unavailable", detail: "This market is halted." }) : ok(view);
  });
}

/** What this isolate has last heard of each market, and when (ms). */
const heard = { at: Number.NEGATIVE_INFINITY, views: new Map<string, MarketView>() };

/**
 * All markets' rules in the order of the listing, at most {@link MARKET_LIST_AGE_MS} old: asking all of them for each caller would
 * cost them more than trading. One that does not answer is shown with the last that is known, and as halted.
 */
export async function readAllRules(env: ObjectBindings, nowMs: number): Promise<MarketView[]> {
  const fresh = nowMs >= heard.at && nowMs - heard.at < MARKET_LIST_AGE_MS;
  const views = fresh ? heard.views : await askAllRules(env);
  if (!fresh) Object.assign(heard, { at: nowMs, views });
  return MARKETS.map((rules) => views.get(rules.symbol) ?? { rules, takes: "halted", canceling: 0 });
}

async function askAllRules(env: ObjectBindings): Promise<Map<string, MarketView>> {
  const ask = async ({ symbol, ...listed }: MarketRules): Promise<[string, MarketView]> => {
    const name = `${env.VENUE}/${symbol}`;
    const view = await answerOf({ object: "market", name }, async () => marketStub(env, symbol).rules());
    const known = heard.views.get(symbol)?.rules ?? { symbol, ...listed };
    return [symbol, view ?? { rules: known, takes: "halted", canceling: 0 }];
  };
  return new Map(await Promise.all(MARKETS.map(ask)));
}

/** The queue that carries journals to the read model. */
export function journalQueue(env: ObjectBindings): Queue {
  return env.JOURNAL;
}

/** Whose journal it is. A market's name has its venue in front. */
export type Journalled = Pick<JournalPull, "object" | "name">;

/**
 * What an object answers to those who look after all of them; null, with a line in the log, when it has no answer within
 * `timeoutMs`, or throws. The name must be an object's own, since asking makes one.
 */
export async function answerOf<T>(
  { object, name }: Journalled,
  asked: () => Promise<T>,
  timeoutMs: number = JOURNAL_CALL_TIMEOUT_MS,
): Promise<T | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer in time")), timeoutMs);
  });
  try {
    return await Promise.race([asked(), timeout]);
  } catch (error) {
    log("error", "object_unreachable", { object, name, message: String(error) });
    return null;
  } finally {
    clearTimeout(timer);
  }
}

/** What an object says of its journal, or of itself, as {@link answerOf}. */
export function askJournal<T>(
  env: Pick<ObjectBindings, "ACCOUNT" | "MARKET">,
  named: Journalled,
  ask: (journal: JournalRpc & ExamRpc) => Promise<T>,
): Promise<T | null> {
  const { object, name } = named;
  return answerOf(named, () => ask(object === "account" ? env.ACCOUNT.getByName(name) : env.MARKET.getByName(name)));
}

/** What an account says in a walk through all of them, as {@link answerOf}. */
export function askInWalk<T>(
  env: Pick<ObjectBindings, "ACCOUNT">,
  accountId: string,
  ask: (account: AccountRpc) => Promise<T>,
): Promise<T | null> {
  return answerOf({ object: "account", name: accountId }, () => ask(env.ACCOUNT.getByName(accountId)));
}

/** Does `work` for each item, {@link SWEEP_LANES_MAX} at a time: as many objects may be asked at once. */
export async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const lane = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: SWEEP_LANES_MAX }, lane));
}

/** Has the read model fetch these journals from where it is. False, with a line in the log, when the queue takes it not. */
export async function sendPulls(
  env: Pick<ObjectBindings, "JOURNAL">,
  sources: readonly Pick<JournalPull, "object" | "name" | "epoch">[],
): Promise<boolean> {
  const messages = sources.map(({ object, name, epoch }) => {
    const body: JournalPull = { v: 2, kind: "pull", object, name, epoch };
    return { body };
  });
  try {
    for (let at = 0; at < messages.length; at += SEND_BATCH_MAX) {
      await env.JOURNAL.sendBatch(messages.slice(at, at + SEND_BATCH_MAX));
    }
    return true;
  } catch (error) {
    log("error", "queue_failed", { message: String(error) });
    return false;
  }
}

/**
 * Calls an object and turns its absence into a refusal: unreachable, overloaded or cut off in the middle is `unavailable`
 * (the caller cannot know whether it landed; asking again with the same key finds out). What the object itself threw is a bug.
 */
export async function callObject<T>(call: () => Promise<Result<T>>): Promise<Result<T>> {
  try {
    return await call();
  } catch (error) {
    if (isBug(error)) throw error;
    return refuse({ code: "unavailable" });
  }
}

/** Who asks an account, where the objects are, and who is told what counting has left. */
export interface AccountAccess<C extends Caller = Caller> {
  env: ObjectBindings;
  caller: C;
  heard: (standing: Standing) => void;
}

/** The access of one request's further calls: it is counted once, and what its caller signed it with is used up. */
export function goingOn({ caller: { spend: _, ...caller }, ...access }: AccountAccess): AccountAccess {
  const { key } = caller;
  return { ...access, caller: key === undefined ? caller : { ...caller, key: { ...key, proof: "ticket" } } };
}

type AccountStub = ReturnType<typeof accountStub>;

/** Asks the caller's account as {@link callObject} does, and passes on what counting has left. */
export async function askAccount<T, C extends Caller>(
  { env, caller, heard }: AccountAccess<C>,
  ask: (account: AccountStub, caller: C) => Promise<Counted<T>>,
): Promise<Result<T>> {
  const answered = await callObject(async () => ok(await ask(accountStub(env, caller.accountId), caller)));
  if (!answered.ok) return answered;
  if (answered.value.standing !== undefined) heard(answered.value.standing);
  return answered.value;
}

/** As {@link askAccount}, for an act that happens once. */
export async function askAccountOnce<T>(
  { env, caller, heard }: AccountAccess,
  ask: (account: AccountStub, caller: Caller) => Promise<Answered<T>>,
): Promise<Answered<T>> {
  const answered = await callObject(async () => ok(await ask(accountStub(env, caller.accountId), caller)));
  if (!answered.ok) return { result: answered, replay: null };
  if (answered.value.standing !== undefined) heard(answered.value.standing);
  return answered.value;
}

/** What an object's own code threw; not its being overloaded or started anew, which the runtime reports the same way. */
function isBug(error: unknown): boolean {
  if (!(error instanceof Error) || !("remote" in error) || error.remote !== true) return false;
  return !("durableObjectReset" in error) && !("overloaded" in error && error.overloaded === true);
}
