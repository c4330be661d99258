// The kill switch. An account is one object; of several markets each is told at once, and one that cannot be reached again and
// again: by who pulled it for half a minute, then by the cron. What is still to be told is a row of D1: the way of an order asks
// neither D1 nor KV, and a flag there would be late or in its way, while a market that cannot be reached trades nothing.
import { and, asc, eq, isNull, sql } from "drizzle-orm";
import { KILL_CALL_TIMEOUT_MS, KILL_RETRY_MS, KILL_RETRY_TRIES } from "../../core/limits.ts";
import { MARKETS } from "../../core/listings.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { killOrders } from "../../db/ops-tables.ts";
import { log } from "../../log.ts";
import type { MarketView, OperatorAct } from "../../objects/protocol.ts";
import { answerOf, marketStub, type ObjectBindings } from "../../objects/stubs.ts";
import { resumeAccount, stopAccount } from "./accounts.ts";

type Bindings = ObjectBindings & DatabaseBinding;

/** Whom the switch is for. */
export type KillScope =
  | { scope: "account"; accountId: string }
  | { scope: "market"; symbol: string }
  | { scope: "everything" };

/** What markets are told: to stop, with their orders canceled or not, or to go on. */
export interface KillOrder {
  act: "kill" | "release";
  cancelOrders: boolean;
}

/** Who has been told, and who is yet to be; how many orders are being canceled. */
export interface KillOutcome {
  told: string[];
  untold: string[];
  canceling: number;
}

/** Who pulls or releases the switch, their own account, when (ms), and who goes on with what is left once they are answered. */
export interface KillContext {
  act: OperatorAct;
  ownAccountId: string;
  nowMs: number;
  later: (work: Promise<void>) => void;
}

/**
 * Stops an account (frozen, its orders canceled), a market, or all of them; or lets them go on. Refuses as
 * {@link stopAccount} and {@link resumeAccount} do; `unavailable` when the account cannot be reached, or when neither the only market can be nor D1, which would keep that it is to be told.
 */
export async function throwSwitch(
  env: Bindings,
  scope: KillScope,
  order: KillOrder,
  ctx: KillContext,
): Promise<Result<KillOutcome>> {
  if (scope.scope === "account") return switchAccount(env, scope.accountId, order, ctx);
  const symbols = scope.scope === "market" ? [scope.symbol] : MARKETS.map(({ symbol }) => symbol);
  // Side by side: a D1 that is away must keep no market waiting.
  const [kept, views] = await Promise.all([
    keepOrders(env, symbols, order, ctx),
    Promise.all(symbols.map((symbol) => tell(env, symbol, order, ctx.act))),
  ]);
  const told = symbols.filter((_, index) => views[index]?.ok === true);
  const untold = symbols.filter((symbol) => !told.includes(symbol));
  if (kept.ok) await markTold(env, told, ctx.nowMs, ctx.nowMs);
  else if (told.length === 0) return kept;
  if (untold.length > 0) ctx.later(tellOn(env));
  const canceling = views.reduce((sum, view) => sum + (view.ok ? view.value.canceling : 0), 0);
  log("warn", "kill_switch", { ...ctx.act, ...order, told, untold });
  return ok({ told, untold, canceling });
}

async function switchAccount(
  env: Bindings,
  accountId: string,
  order: KillOrder,
  { act, ownAccountId }: KillContext,
): Promise<Result<KillOutcome>> {
  if (order.act === "release") {
    const thawed = await resumeAccount(env, accountId, act, ownAccountId);
    return thawed.ok ? ok({ told: [accountId], untold: [], canceling: 0 }) : thawed;
  }
  const stopped = await stopAccount(env, accountId, act);
  return stopped.ok ? ok({ told: [accountId], untold: [], canceling: stopped.value.canceling }) : stopped;
}

/** Tells one market, and waits for it no longer than anybody who stops trading may wait. */
async function tell(env: Bindings, symbol: string, order: KillOrder, act: OperatorAct): Promise<Result<MarketView>> {
  const ask = async () => {
    const market = marketStub(env, symbol);
    return order.act === "kill" ? market.kill(order.cancelOrders, act) : market.release(act);
  };
  const named = { object: "market" as const, name: `${env.VENUE}/${symbol}` };
  return (await answerOf(named, ask, KILL_CALL_TIMEOUT_MS)) ?? refuse({ code: "unavailable" });
}

function keepOrders(env: Bindings, symbols: readonly string[], order: KillOrder, { act, nowMs }: KillContext) {
  const rows = symbols.map((symbol) => ({ symbol, ...order, ...act, at: nowMs, toldAt: null }));
  const set = Object.fromEntries(
    (["act", "cancelOrders", "by", "reason", "at", "toldAt"] as const).map((name) => [
      name,
      sql.raw(`excluded.${killOrders[name].name}`),
    ]),
  );
  return guardD1(database(env).insert(killOrders).values(rows).onConflictDoUpdate({ target: killOrders.symbol, set }));
}

async function markTold(env: Bindings, symbols: readonly string[], at: number, nowMs: number): Promise<void> {
  const db = database(env);
  const marks = symbols.map((symbol) =>
    db
      .update(killOrders)
      .set({ toldAt: nowMs })
      // What has been said since is yet to be told.
      .where(and(eq(killOrders.symbol, symbol), eq(killOrders.at, at))),
  );
  const [first, ...others] = marks;
  if (first !== undefined) await guardD1(db.batch([first, ...others]));
}

/** Goes on telling after the answer, for half a minute. Never rejects. */
async function tellOn(env: Bindings): Promise<void> {
  for (let tries = 0; tries < KILL_RETRY_TRIES; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, KILL_RETRY_MS));
    if ((await retell(env, Date.now())) === 0) return;
  }
}

/** Tells the markets what they have not heard yet; answers how many still have not. Never rejects, a D1 that is away ends it. */
export async function retell(env: Bindings, nowMs: number): Promise<number> {
  const rows = await guardD1(database(env).select().from(killOrders).where(isNull(killOrders.toldAt)));
  if (!rows.ok) return 1;
  const heard = await Promise.all(
    rows.value.map(async (row) => {
      const { symbol, at, by, reason } = row;
      const done = await tell(env, symbol, row, { by, reason });
      if (done.ok) await markTold(env, [symbol], at, nowMs);
      return done.ok;
    }),
  );
  const left = heard.filter((ok) => !ok).length;
  if (left > 0) log("error", "kill_switch_untold", { left });
  return left;
}

/** What the switch last said to each market. Refuses `unavailable` while D1 is away. */
export async function listKillOrders(env: DatabaseBinding) {
  const found = await guardD1(database(env).select().from(killOrders).orderBy(asc(killOrders.symbol)));
  if (!found.ok) return found;
  return ok(
    found.value.map(({ symbol, act, cancelOrders, by, reason, at, toldAt }) => ({
      ...{ symbol, act, cancel_orders: cancelOrders, by, reason, at: wireTime(at) },
      told_at: toldAt === null ? null : wireTime(toldAt),
    })),
  );
}
