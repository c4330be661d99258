// The judge of a run: pure over what was seen from outside. Each rule answers its complaints in sentences; none, and
// nothing acknowledged was lost, done twice or out of order. After Jepsen's checks of banks, sets and orders.
import { fillBreaks, ledgerBreaks, projectionBreaks, streamBreaks, sumBreaks } from "./books.ts";
import type { Attempt, FinalAccount, History } from "./history.ts";

/** A refused cancel says that the order had ended otherwise; one that worked, that it ended so. */
const ENDED_OTHERWISE: ReadonlySet<string> = new Set(["filled", "rejected", "expired"]);
const ENDED: ReadonlySet<string> = new Set([...ENDED_OTHERWISE, "canceled"]);

/** One act: all its attempts, in order of their invocation. */
interface Act {
  key: string;
  attempts: Attempt[];
  answered: Attempt[];
  refs: Set<string>;
}

/** Every complaint about a run; none when it kept all promises. */
export function breaksOf(history: History): string[] {
  const acts = actsOf(history.attempts);
  return [
    ...history.final.flatMap((account) => {
      const own = acts.filter(({ attempts }) => attempts[0]?.account === account.id);
      const attempts = history.attempts.filter((attempt) => attempt.account === account.id);
      return [
        ...lostOrDoubled(own, account),
        ...cancelBreaks(attempts, account),
        ...orderInTime(own, attempts, account),
        ...ordersGoForward(attempts),
        ...ledgerBreaks(account),
        ...depositBreaks(own, account),
        ...fillBreaks(account),
        ...projectionBreaks(account),
        ...streamBreaks(history.streams.get(account.id) ?? [], account),
      ];
    }),
    ...acts.flatMap(unequalAnswers),
    ...sumBreaks(history.stored.holdings),
    ...probeBreaks(history),
    ...history.stored.breaks,
  ];
}

function actsOf(attempts: readonly Attempt[]): Act[] {
  const acts = new Map<string, Act>();
  for (const attempt of attempts) {
    if (attempt.kind !== "deposit" && attempt.kind !== "order") continue;
    const act = acts.get(attempt.key) ?? { key: attempt.key, attempts: [], answered: [], refs: new Set<string>() };
    acts.set(attempt.key, act);
    act.attempts.push(attempt);
    if (attempt.outcome !== "info") act.answered.push(attempt);
    const ref = attempt.facts?.ref ?? null;
    if (ref !== null) act.refs.add(ref);
  }
  return [...acts.values()];
}

/** Every acknowledged order is there once, nothing refused is there, nothing is there that nobody asked for. */
function lostOrDoubled(acts: readonly Act[], account: FinalAccount): string[] {
  const breaks: string[] = [];
  const made = new Map<string, string[]>();
  for (const order of account.orders) {
    const key = order.client_order_id ?? "";
    made.set(key, [...(made.get(key) ?? []), order.id]);
  }
  for (const { key, attempts, answered, refs } of acts) {
    if (attempts[0]?.kind !== "order") continue;
    const ids = made.get(key) ?? [];
    made.delete(key);
    for (const ref of refs) if (!ids.includes(ref)) breaks.push(`lost: order ${ref} of ${key} was acknowledged`);
    if (ids.length > 1) breaks.push(`doubled: ${key} made the orders ${ids.join(", ")}`);
    if (answered.length === 0) breaks.push(`never answered: order ${key}`);
    if (answered.length > 0 && refs.size === 0 && ids.length > 0)
      breaks.push(`refused and done: ${key} made ${ids.join(", ")}`);
  }
  for (const [key, ids] of made) breaks.push(`out of nothing: orders ${ids.join(", ")} of ${key || "no key"}`);
  return breaks;
}

/** All answers to one key name the same thing, or the same refusal; by Idempotency-Key they have the same bytes. */
function unequalAnswers({ key, answered }: Act): string[] {
  const said = new Set(answered.map(({ facts }) => facts?.ref ?? facts?.code ?? "nothing"));
  if (said.size > 1) return [`unequal answers: ${key} was answered ${[...said].join(" and ")}`];
  const bytes = new Set(answered.filter(({ byKey }) => byKey).map(({ facts }) => facts?.bytes));
  return bytes.size > 1 ? [`unequal bytes: ${key} was answered in ${bytes.size} ways`] : [];
}

function cancelBreaks(attempts: readonly Attempt[], account: FinalAccount): string[] {
  const breaks: string[] = [];
  const statuses = new Map(account.orders.map(({ id, status }) => [id, status]));
  for (const { kind, key, outcome, httpStatus, facts } of attempts) {
    if (kind !== "cancel" || outcome === "info") continue;
    const status = statuses.get(key) ?? "lost";
    const fits =
      httpStatus === 200
        ? status === "canceled"
        : httpStatus === 202
          ? ENDED.has(status)
          : facts?.code === "order_not_open" && ENDED_OTHERWISE.has(status);
    if (!fits) breaks.push(`cancel of ${key} was answered ${httpStatus} ${facts?.code ?? ""}, it is ${status}`);
  }
  return breaks;
}

/** What one moment in the account's stream must not contradict: it was seen or done between two real times. */
interface Moment {
  what: string;
  invoke: number;
  completion: number;
  seq: number;
}

/** What was complete before something began has no greater number: reads never go back, acts keep their real order. */
function orderInTime(acts: readonly Act[], attempts: readonly Attempt[], account: FinalAccount): string[] {
  const placed = new Map(account.ledger.map(({ ref, seq, kind }) => [`${kind} ${ref}`, seq]));
  const done: Moment[] = acts.flatMap(({ key, attempts: tries, answered, refs }) => {
    const [ref] = refs;
    const seq = placed.get(`${tries[0]?.kind === "deposit" ? "deposit" : "hold"} ${ref}`);
    if (seq === undefined) return [];
    const completion = Math.min(...answered.map((attempt) => attempt.completion));
    return [{ what: key, invoke: tries[0]?.invoke ?? 0, completion, seq }];
  });
  const seen: Moment[] = attempts.flatMap(({ kind, outcome, invoke, completion, facts }) =>
    outcome === "ok" && kind === "read_account"
      ? [{ what: "the account", invoke, completion, seq: facts?.seq ?? 0 }]
      : [],
  );
  // A placed order's other answers only say how far the account had come at least.
  const told: Moment[] = attempts.flatMap(({ kind, key, outcome, completion, facts }) =>
    outcome === "ok" && kind !== "read_account" && facts !== null && facts.seq !== null
      ? [{ what: key, invoke: Number.NEGATIVE_INFINITY, completion, seq: facts.seq }]
      : [],
  );
  return [...backwards([...done, ...seen, ...told], seen), ...backwards(done, done)].map(
    (sentence) => `${account.id}: ${sentence}`,
  );
}

/** Moments of `later` with a smaller number than some of `earlier` that was complete before they began. */
function backwards(earlier: readonly Moment[], later: readonly Moment[]): string[] {
  const complete = [...earlier].sort((a, b) => a.completion - b.completion);
  const begun = [...later].sort((a, b) => a.invoke - b.invoke);
  const breaks: string[] = [];
  let at = 0;
  let highest: Moment | null = null;
  for (const moment of begun) {
    for (let next = complete[at]; next !== undefined && next.completion < moment.invoke; next = complete[at]) {
      if (highest === null || next.seq > highest.seq) highest = next;
      at += 1;
    }
    if (highest !== null && moment.seq < highest.seq)
      breaks.push(`went back: ${moment.what} is at ${moment.seq} after ${highest.what} was at ${highest.seq}`);
  }
  return breaks;
}

/** An order that was seen filled so far, or ended, is never seen less filled, or open again, by who asks later. */
function ordersGoForward(attempts: readonly Attempt[]): string[] {
  const byOrder = new Map<string, Attempt[]>();
  for (const attempt of attempts) {
    const { facts, outcome, byKey } = attempt;
    // By Idempotency-Key the first answer is given again: it is of its own time.
    if (outcome !== "ok" || byKey || facts === null || facts.ref === null || facts.status === null) continue;
    byOrder.set(facts.ref, [...(byOrder.get(facts.ref) ?? []), attempt]);
  }
  return [...byOrder].flatMap(([id, seen]) => {
    const progress = seen.map(({ invoke, completion, facts }) => ({
      what: id,
      invoke,
      completion,
      seq: facts?.seq ?? 0,
    }));
    const reopened = seen.filter(
      ({ invoke, facts }) =>
        !ENDED.has(facts?.status ?? "") &&
        seen.some((before) => before.completion < invoke && ENDED.has(before.facts?.status ?? "")),
    );
    return [...backwards(progress, progress), ...reopened.map(() => `went back: order ${id} is open again`)];
  });
}

/** Deposits in the ledger are exactly those acknowledged, each once, for the amount asked. */
function depositBreaks(acts: readonly Act[], { id, ledger }: FinalAccount): string[] {
  const breaks: string[] = [];
  const made = new Map<string, string[]>();
  for (const { kind, ref, postings } of ledger) {
    if (kind !== "deposit") continue;
    const credited = postings.find(({ account }) => account === "available");
    made.set(ref, [...(made.get(ref) ?? []), `${credited?.amount} ${credited?.asset}`]);
  }
  for (const { key, attempts, answered, refs } of acts) {
    if (attempts[0]?.kind !== "deposit") continue;
    if (answered.length === 0) breaks.push(`never answered: deposit ${key}`);
    for (const ref of refs) {
      const { asset, amount } = JSON.parse(attempts[0].body) as { asset: string; amount: string };
      const found = made.get(ref) ?? [];
      made.delete(ref);
      if (found.length === 0) breaks.push(`lost: deposit ${ref} of ${key} was acknowledged`);
      if (found.length > 1) breaks.push(`doubled: deposit ${ref} of ${key}`);
      if (found.length === 1 && found[0] !== `${amount} ${asset}`)
        breaks.push(`deposit ${ref} is ${found[0]}, asked was ${amount} ${asset}`);
    }
  }
  for (const [ref, amounts] of made) breaks.push(`out of nothing: deposit ${ref} of ${amounts.join(", ")} at ${id}`);
  return breaks;
}

/** What needs D1 is answered 503 with Retry-After while D1 is away; never empty, never another error. */
function probeBreaks({ probes, attempts }: History): string[] {
  const wrong = probes.filter(({ httpStatus, retryAfter }) => httpStatus !== 503 || retryAfter === null);
  const broken = attempts.filter(({ httpStatus }) => httpStatus === 500);
  return [
    ...wrong.map(({ path, httpStatus }) => `while D1 was away ${path} answered ${httpStatus}`),
    ...broken.map(({ kind, key }) => `${kind} ${key} was answered 500`),
  ];
}
