// What operators and owners do with transfers in a simulated run, asked again until it is answered; and what must come of it.
import type { TransferReview } from "../../src/core/account/reviews.ts";
import { type AccountEvent, balanceOf, type Transfer } from "../../src/core/account/state.ts";
import { decode } from "../../src/core/codec.ts";
import { REVIEW_OVER } from "./provider.ts";
import { ACCOUNT_IDS, again, type Clients, callerOf, moveSome, untilDone } from "./workload.ts";
import type { World } from "./world.ts";

const OPERATORS = ["usr_1", "usr_2", "usr_3"] as const;
const VERDICTS = ["approve", "approve", "approve", "approve", "reject", "reverse"] as const;

/** Schedules `acts` decisions over `spanMs`, and as many transfers. Whoever is not answered asks again, and may find that it was done. */
export function scheduleReviews(world: World, acts: number, spanMs: number, clients: Clients): void {
  const { random } = world;
  for (let index = 0; index < acts; index += 1) {
    const account = random.pick(ACCOUNT_IDS);
    const at = 1_000 + random.unit() * spanMs;
    world.later(1_000 + random.unit() * spanMs, () => moveSome(world, account, `t-${index}`, clients));
    if (random.once(8)) world.later(at, () => cancelOne(world, account));
    else world.later(at, () => decideOne(world, account, random.pick(OPERATORS), random.pick(VERDICTS)));
  }
}

function decideOne(world: World, account: string, by: string, verdict: TransferReview["verdict"]): void {
  const which = world.random.unit();
  const twice = world.random.once(4);
  let chosen: string | undefined;
  untilDone(world, 0, () => {
    const { transfers } = world.account(account);
    chosen ??= pick(world, account, verdict === "reverse" ? "settled" : "pending_review", which);
    if (chosen === undefined) return undefined;
    const id = chosen;
    const review = { verdict, by, account: by, reason: "a simulated one" };
    const done = transfers.decide(id, review);
    const other = OPERATORS.find((one) => one !== by) ?? by;
    const copies = twice
      ? [by, other, other].map((one) => transfers.decide(id, { ...review, by: one, account: one }))
      : [];
    for (const one of copies) if (!one.ok) world.count(`${verdict}_${one.refusal.code}`);
    if (!done.ok && done.refusal.code === "unavailable") return again(world, "refused_unavailable");
    world.count(done.ok ? `transfer_${done.value.status}` : `${verdict}_${done.refusal.code}`);
    return undefined;
  });
}

function cancelOne(world: World, account: string): void {
  const which = world.random.unit();
  untilDone(world, 0, () => {
    const chosen = pick(world, account, "pending_review", which);
    if (chosen === undefined) return undefined;
    const done = world.account(account).cancelTransfer(callerOf(account), chosen);
    if (!done.ok && done.refusal.code === "unavailable") return again(world, "refused_unavailable");
    world.count(done.ok ? "transfer_canceled" : `cancel_${done.refusal.code}`);
    return undefined;
  });
}

function pick(world: World, account: string, status: Transfer["status"], which: number): string | undefined {
  const logic = world.account(account);
  if (!logic.admitCaller(callerOf(account)).ok) return undefined;
  const page = { limit: 100, cursor: null };
  const all = (["deposit", "withdrawal"] as const).flatMap((kind) => logic.transfers.page({ ...page, kind }).data);
  const fitting = all.filter((one) => one.status === status);
  return fitting[Math.floor(which * fitting.length)]?.id;
}

/**
 * What clients were told to be taken is there; the world outside has what settled transfers came to; and each has at most one
 * entry of a kind, a withdrawal that was looked at only after two operators have approved.
 */
export function transferBreaks(world: World, clients: Clients): string[] {
  const breaks: string[] = [];
  const outside = new Map<string, bigint>();
  for (const { account, asset, id } of clients.transfers.values()) {
    const found = world.account(account).transfers.one(id);
    if (found === undefined) breaks.push(`${id} of ${account} was acknowledged and is lost`);
    const signed = found?.status !== "settled" ? 0n : found.kind === "deposit" ? found.amount : -found.amount;
    const place = `${account}|${asset}`;
    outside.set(place, (outside.get(place) ?? 0n) + signed);
  }
  for (const [place, amount] of outside) {
    const [account = "", asset = ""] = place.split("|");
    const booked = -balanceOf(world.account(account).state, "external", asset);
    if (booked !== amount) breaks.push(`${account} was told that ${amount} of ${asset} came in, and it is ${booked}`);
  }
  for (const { object, bodies } of world.journals()) if (object === "account") breaks.push(...onceBreaks(bodies));
  return breaks;
}

function onceBreaks(bodies: readonly string[]): string[] {
  const seen = new Set<string>();
  return bodies.flatMap((body) => {
    const event = decode<AccountEvent>(body);
    if (!("transfer" in event) || event.entry === null) return [];
    const { id, kind, status, worth = 0n, decisions = [] } = event.transfer;
    const what = `${event.entry.kind} of ${id}`;
    const twice = seen.has(what) ? [`there is a second ${what}`] : [];
    seen.add(what);
    const approvals = decisions.filter(({ verdict }) => verdict === "approve").map(({ by }) => by);
    const settled = status === "settled" && kind === "withdrawal" && worth > REVIEW_OVER;
    const alone = settled && new Set(approvals).size < 2;
    return alone ? [...twice, `${id} settled after ${approvals.length} approvals`] : twice;
  });
}
