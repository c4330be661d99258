// What operators do to one account by its id: freeze it, thaw it, stop it at once.
import { eq } from "drizzle-orm";
import { KILL_CALL_TIMEOUT_MS } from "../../core/limits.ts";
import { type Refusal, type Result, refuse } from "../../core/result.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { accounts } from "../../db/tables.ts";
import type { OperatorAct } from "../../objects/protocol.ts";
import { accountStub, callObject, type ObjectBindings } from "../../objects/stubs.ts";

type Bindings = ObjectBindings & DatabaseBinding;

const OWN: Refusal = { code: "forbidden", detail: "Nobody thaws their own account." };

/** Freezes an account; doing it twice changes nothing. Refuses `not_found`, and `unavailable`. */
export function freezeAccount(env: Bindings, accountId: string, { by, reason }: OperatorAct): Promise<Result<null>> {
  return askKnown(env, accountId, (account) => account.setStatus("frozen", reason, by));
}

/** Thaws an account; doing it twice changes nothing. Refuses `forbidden` for the operator's own, `not_found`, and `unavailable`. */
export async function thawAccount(
  env: Bindings,
  accountId: string,
  { by, reason }: OperatorAct,
  ownAccountId: string,
): Promise<Result<null>> {
  if (accountId === ownAccountId) return refuse(OWN);
  return askKnown(env, accountId, (account) => account.setStatus("active", reason, by));
}

/**
 * Freezes an account and asks for the cancel of its open orders. Answers how many those are. Refuses `not_found`, and
 * `unavailable` when it cannot be reached.
 */
export function stopAccount(
  env: Bindings,
  accountId: string,
  act: OperatorAct,
): Promise<Result<{ canceling: number }>> {
  return askKnown(env, accountId, (account) => account.stopTrading(act));
}

/**
 * Lets an account go on that was stopped so; one that somebody has frozen besides stays frozen. Refuses as {@link thawAccount}
 * does.
 */
export async function resumeAccount(
  env: Bindings,
  accountId: string,
  act: OperatorAct,
  ownAccountId: string,
): Promise<Result<null>> {
  if (accountId === ownAccountId) return refuse(OWN);
  return askKnown(env, accountId, (account) => account.resumeTrading(act));
}

/** Asks an account that somebody has signed up for. While D1 does not say, it is asked: a stop cannot wait for the database. */
async function askKnown<T>(
  env: Bindings,
  accountId: string,
  ask: (account: ReturnType<typeof accountStub>) => Promise<Result<T>>,
): Promise<Result<T>> {
  const query = database(env).select({ id: accounts.id }).from(accounts).where(eq(accounts.id, accountId));
  const found = await guardD1(query, KILL_CALL_TIMEOUT_MS);
  if (found.ok && found.value.length === 0) return refuse({ code: "not_found", detail: "There is no such account." });
  return callObject(() => ask(accountStub(env, accountId)));
}
