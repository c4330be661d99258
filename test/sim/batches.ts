// What clients do besides single orders: batches, atomic or not, and what is canceled for them when they are not there.
import type { Batch, BatchItem, BatchOutcome } from "../../src/core/account/batch.ts";
import { decode, encode } from "../../src/core/codec.ts";
import type { MarketEvent } from "../../src/core/market/state.ts";
import type { Result } from "../../src/core/result.ts";
import type { Idempotency } from "../../src/objects/protocol.ts";
import { ACCOUNT_IDS, type Clients, callerOf, again as goAgain, heardOf, randomOrder, untilDone } from "./workload.ts";
import type { World } from "./world.ts";

const ORDERS_MAX = 4;
const AFTER_MS = [1_000, 3_000, 0] as const;

/** Schedules `acts` of them over `spanMs`. */
export function scheduleBatches(world: World, acts: number, spanMs: number, clients: Clients): void {
  const { random } = world;
  for (let index = 0; index < acts; index += 1) {
    const account = random.pick(ACCOUNT_IDS);
    const at = 500 + random.unit() * spanMs;
    if (random.once(4)) world.later(at, () => leave(world, account));
    else world.later(at, () => many(world, account, index, clients));
  }
}

/** Sends one batch, now and then more than once, with a key or without; the object may die between. */
function many(world: World, account: string, index: number, clients: Clients): void {
  const { random } = world;
  const atomic = random.once(2);
  const count = 2 + random.int(ORDERS_MAX - 1);
  const all = Array.from({ length: count }, (_, n) => randomOrder(world, `b-${index}-${n}`));
  const symbol = all[0]?.symbol ?? "";
  const requests = atomic ? all.filter((request) => request.symbol === symbol) : all;
  const batch: Batch = { atomic, items: requests.map((request): BatchItem => ({ kind: "order", request })) };
  const key = random.once(2) ? { key: `kb-${index}`, requestId: "r" } : null;
  const sent: Sent = { account, batch, key, kept: { text: null, epoch: 1 } };
  const copies = random.once(3) ? 3 : 1;
  for (let copy = 0; copy < copies; copy += 1) {
    untilDone(world, copy === 0 ? 0 : random.unit() * 3_000, () => send(world, sent, clients));
  }
}

/** A batch, its key, and the one answer to that, once somebody has had it. */
interface Sent {
  account: string;
  batch: Batch;
  key: Idempotency | null;
  kept: { text: string | null; epoch: number };
}

/** Sends it once; the client waits as a POST does, and its object may die meanwhile. */
function send(world: World, sent: Sent, clients: Clients): "again" | undefined {
  const { account, batch, key } = sent;
  const logic = world.account(account);
  const placed = logic.placeBatch(callerOf(account), batch, key);
  if ("result" in placed) {
    const { result } = placed;
    const again =
      !result.ok && (result.refusal.code === "idempotency_in_flight" || result.refusal.code === "unavailable");
    if (!result.ok && again) return goAgain(world, `batch_${result.refusal.code}`);
    hear(world, sent, result, clients);
    return undefined;
  }
  world.later(world.random.unit() * 2_000, () => {
    if (world.account(account) === logic) hear(world, sent, logic.answerBatch(placed, key).result, clients);
    else world.count("batch_unanswered");
  });
  return undefined;
}

function hear(world: World, sent: Sent, result: Result<BatchOutcome[]>, clients: Clients): void {
  const { account, batch, key, kept } = sent;
  if (!result.ok && result.refusal.code === "order_archived") {
    world.count("batch_archived");
    return;
  }
  if (!result.ok) {
    world.alerts.push(`a batch of ${account} was refused: ${result.refusal.code}`);
    return;
  }
  const text = encode(result);
  // The first answer is not journalled: a restored account has lost it.
  const { epoch } = world.account(account).state;
  const other = kept.text !== null && kept.epoch === epoch && kept.text !== text;
  if (key !== null && other) world.alerts.push(`${key.key} answered twice, differently`);
  Object.assign(kept, { text, epoch });
  hearEach(world, account, batch, result.value, clients);
}

function hearEach(
  world: World,
  account: string,
  { items, atomic }: Batch,
  outcomes: BatchOutcome[],
  clients: Clients,
): void {
  const codes = outcomes.map(({ result }) => (result.ok ? null : result.refusal.code));
  world.count(atomic ? (codes.includes("batch_aborted") ? "batch_aborted" : "batch_atomic") : "batch_placed");
  outcomes.forEach(({ result }, index) => {
    const item = items[index];
    // Those that were aborted, or whose market was away, may be asked for again.
    if (item?.kind !== "order" || codes[index] === "batch_aborted" || codes[index] === "unavailable") return;
    const said = { orderId: result.ok ? result.value.id : null, code: codes[index] ?? null };
    heardOf(world, account, item.request.clientOrderId ?? "", said, clients);
  });
}

/** An owner goes away: sets a time, or loses a stream that was in charge of the orders. */
function leave(world: World, account: string): void {
  const { random } = world;
  const [timeout, byStream] = [random.pick(AFTER_MS), random.once(2)];
  untilDone(world, 0, () => {
    const logic = world.account(account);
    if (!logic.admitCaller(callerOf(account)).ok) return goAgain(world, "refused_unavailable");
    if (byStream) logic.absence.left(logic.absence.guard(undefined));
    else logic.cancelAllAfter(callerOf(account), timeout);
    return undefined;
  });
}

/** An atomic batch of which its market has taken a part. */
export function atomicBreaks(world: World): string[] {
  const answers = new Map<string, Set<string>>();
  for (const { object, bodies } of world.journals()) {
    if (object !== "market") continue;
    for (const event of bodies.map((body) => decode<MarketEvent>(body))) {
      const batch = event.kind === "report" ? event.origin?.batch : undefined;
      if (event.kind !== "report" || batch === undefined) continue;
      answers.set(batch, (answers.get(batch) ?? new Set()).add(event.report.execType));
      if (event.report.reason === "batch_aborted") world.count("batch_rejected");
      else if (event.report.execType === "new") world.count("batch_taken");
    }
  }
  const mixed = [...answers].filter(([, said]) => said.has("new") && said.has("rejected"));
  return mixed.map(([batch]) => `${batch} was taken in part`);
}
