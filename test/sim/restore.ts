// One object that is lost with all that it has stored, restored from the first part of its journal; and the operator who
// books money again of which no journal is left.
import { type AccountEvent, balanceOf } from "../../src/core/account/state.ts";
import { decode } from "../../src/core/codec.ts";
import type { Snapshot } from "../../src/objects/protocol.ts";
import { NO_FAULTS } from "./faults.ts";
import { Crash } from "./timeline.ts";
import { ACCOUNT_IDS, type Clients, SYMBOLS, transfer } from "./workload.ts";
import type { World } from "./world.ts";

const ACT = { by: "usr_operator", reason: "its disk is gone" };
const LOOK_MS = 5_000;

/** Has one object be lost within `spanMs`. */
export function scheduleRestore(world: World, clients: Clients, spanMs: number): void {
  const isMarket = world.random.once(2);
  const key = world.random.pick(isMarket ? SYMBOLS : ACCOUNT_IDS);
  const part = world.random.unit();
  world.later(world.random.unit() * spanMs, () =>
    loseAndRestore(world, isMarket ? "market" : "account", key, part, clients),
  );
}

/** Has an operator look after what has been restored until `untilMs`. */
export function lookAfter(world: World, clients: Clients, untilMs: number): void {
  for (let at = LOOK_MS; at < untilMs; at += LOOK_MS) world.later(at, () => bookAgain(world, clients, at));
  world.later(untilMs, () => world.rebuild(ACT), "awaited");
}

/** The operator does it as one act: nobody calls the object while it is empty. */
export function undisturbed(world: World, work: () => void): void {
  const { faults } = world;
  world.faults = NO_FAULTS;
  work();
  world.faults = faults;
}

function loseAndRestore(world: World, kind: "account" | "market", key: string, part: number, clients: Clients): void {
  undisturbed(world, () => {
    const { journal, epoch } = world.lose(kind, key);
    const kept = journal.slice(0, Math.floor(part * (journal.length + 1)));
    restoreWith(world, kind, key, { epoch: epoch + 1, journal: kept });
    if (kind === "account") forget(key, journal.slice(kept.length), clients);
    world.count(`restored_${kind}`);
    if (kept.length < journal.length) world.count(`restored_${kind}_behind`);
  });
}

/** Restores an object, which must not be refused. */
export function restoreWith(
  world: World,
  kind: "account" | "market",
  key: string,
  snapshot: Snapshot,
  expected: string[] = ACCOUNT_IDS,
): void {
  const done =
    kind === "account"
      ? world.account(key).operations.restore(snapshot, ACT)
      : world.market(key).restore(snapshot, expected, ACT);
  if (!done.ok) world.alerts.push(`${key} is not restored: ${JSON.stringify(done.refusal)}`);
}

/** What clients were told after the snapshot is lost by definition: money for good, orders unless their market knows them. */
export function forget(account: string, bodies: readonly string[], clients: Clients): void {
  for (const body of bodies) forgetEvent(account, decode<AccountEvent>(body), clients);
}

function forgetEvent(account: string, event: AccountEvent, clients: Clients): void {
  if (!("once" in event)) return;
  for (const { scope, key } of event.once) {
    if (scope === "client_order_id") clients.forgotten.add(`${account} ${key}`);
    if ("transfer" in event) clients.transfers.delete(`${account} ${key}`);
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
