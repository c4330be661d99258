// One object that is lost with all that it has stored, restored from the first part of its journal; and the operator who
// books money again of which no journal is left.
import { type AccountEvent, balanceOf } from "../../src/core/account/state.ts";
import { decode } from "../../src/core/codec.ts";
import { NO_FAULTS } from "./faults.ts";
import { Crash } from "./timeline.ts";
import { ACCOUNT_IDS, type Clients, SYMBOLS, transfer } from "./workload.ts";
import type { World } from "./world.ts";

const ACT = { by: "usr_operator", reason: "its disk is gone" };
const LOOK_MS = 5_000;

/** Has one object be lost within `spanMs`, and an operator look after it until `untilMs`. */
export function scheduleRestore(world: World, clients: Clients, spanMs: number, untilMs: number): void {
  const isMarket = world.random.once(2);
  const key = world.random.pick(isMarket ? SYMBOLS : ACCOUNT_IDS);
  const part = world.random.unit();
  world.later(world.random.unit() * spanMs, () => {
    if (isMarket) restoreMarket(world, key, part);
    else restoreAccount(world, key, part, clients);
  });
  for (let at = LOOK_MS; at < untilMs; at += LOOK_MS) world.later(at, () => bookAgain(world, clients, at));
  world.later(untilMs, () => world.rebuild(ACT), "awaited");
}

/** The operator does it as one act: nobody calls the object while it is empty. */
function undisturbed(world: World, work: () => void): void {
  const { faults } = world;
  world.faults = NO_FAULTS;
  work();
  world.faults = faults;
}

function restoreMarket(world: World, symbol: string, part: number): void {
  undisturbed(world, () => {
    const { journal, epoch } = world.lose("market", symbol);
    const kept = journal.slice(0, Math.floor(part * (journal.length + 1)));
    const done = world.market(symbol).restore({ epoch: epoch + 1, journal: kept }, ACCOUNT_IDS, ACT);
    if (!done.ok) world.alerts.push(`${symbol} is not restored: ${JSON.stringify(done.refusal)}`);
    world.count("restored_market");
    if (kept.length < journal.length) world.count("restored_market_behind");
  });
}

function restoreAccount(world: World, id: string, part: number, clients: Clients): void {
  undisturbed(world, () => {
    const { journal, epoch } = world.lose("account", id);
    const kept = journal.slice(0, Math.floor(part * (journal.length + 1)));
    const done = world.account(id).operations.restore({ epoch: epoch + 1, journal: kept }, ACT);
    if (!done.ok) world.alerts.push(`${id} is not restored: ${JSON.stringify(done.refusal)}`);
    for (const body of journal.slice(kept.length)) forget(id, decode<AccountEvent>(body), clients);
    world.count("restored_account");
    if (kept.length < journal.length) world.count("restored_account_behind");
  });
}

/** What clients were told after the snapshot is lost by definition: money for good, orders unless their market knows them. */
function forget(account: string, event: AccountEvent, clients: Clients): void {
  if (!("once" in event)) return;
  for (const { scope, key } of event.once) {
    if (scope === "client_order_id") clients.forgotten.add(`${account} ${key}`);
    if (event.kind !== "transfer") continue;
    const told = clients.transfers.get(`${account} ${key}`);
    if (told === undefined) continue;
    clients.transfers.delete(`${account} ${key}`);
    clients.moved.set(told.place, (clients.moved.get(told.place) ?? 0n) - told.signed);
  }
}

/** What is listed as a break once every market has been met is money that came in after the snapshot: it is booked again. */
function bookAgain(world: World, clients: Clients, at: number): void {
  try {
    for (const id of ACCOUNT_IDS) {
      const account = world.account(id);
      const { restoring, unmet, breaks } = account.operations.restoration();
      if (!restoring || unmet.length > 0 || breaks.length === 0) continue;
      for (const asset of ["USD", "BTC", "SOL"]) {
        const owed = -balanceOf(account.state, "suspense", asset);
        if (owed <= 0n) continue;
        world.count("booked_again");
        transfer(world, 0, id, { kind: "deposit", asset, amount: owed }, `again-${at}-${asset}`, clients);
      }
    }
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  }
}

/** What still waits though everything has been looked after. */
export function restoreBreaks(world: World): string[] {
  const views = [
    ...world.accounts().map(([id, { operations }]) => ({ name: id, ...operations.restoration() })),
    ...world.markets().map(([symbol, market]) => ({ name: symbol, ...market.restoration() })),
  ];
  return views.flatMap(({ name, restoring, unmet, breaks }) => [
    ...(restoring ? [`${name} is still restoring`] : []),
    ...unmet.map((peer) => `${name} has not met ${peer}`),
    ...breaks.map((text) => `${name}: ${text}`),
  ]);
}
