// What operators do to one account by its id: freeze it, thaw it, stop it at once.
import { eq } from "drizzle-orm";
import { KILL_CALL_TIMEOUT_MS } from "../../core/limits.ts";
import { type Refusal, type Result, refuse } from "../../core/result.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { accounts } from "../../db/tables.ts";
import type { OperatorAct } from "../../objects/protocol.ts";
import { accountStub, callObject, type ObjectBindings } from "../../objects/stubs.ts";

type Bindings = ObjectBindings & DatabaseBinding;

const NO_ACCOUNT: Refusal = { code: "not_found", detail: "There is no such account." };
const OWN: Refusal = { code: "forbidden", detail: "Nobody thaws their own account." };

/** Freezes an account; doing it twice changes nothing. Refuses `not_found`, and `unavailable`. */
export async function freezeAccount(
  env: Bindings,
  accountId: string,
  { by, reason }: OperatorAct,
): Promise<Result<null>> {
  if (!(await mayBeThere(env, accountId))) return refuse(NO_ACCOUNT);
  return callObject(() => accountStub(env, accountId).setStatus("frozen", reason, by));
}

/** Thaws an account; doing it twice changes nothing. Refuses `forbidden` for the operator's own, `not_found`, and `unavailable`. */
export async function thawAccount(
  env: Bindings,
  accountId: string,
  { by, reason }: OperatorAct,
  ownAccountId: string,
): Promise<Result<null>> {
  if (accountId === ownAccountId) return refuse(OWN);
  if (!(await mayBeThere(env, accountId))) return refuse(NO_ACCOUNT);
  return callObject(() => accountStub(env, accountId).setStatus("active", reason, by));
}

/**
 * Freezes an account and asks for the cancel of its open orders. Answers how many those are. Refuses `not_found`, and
 * `unavailable` when it cannot be reached.
 */
export async function stopAccount(
  env: Bindings,
  accountId: string,
  act: OperatorAct,
): Promise<Result<{ canceling: number }>> {
  if (!(await mayBeThere(env, accountId))) return refuse(NO_ACCOUNT);
  return callObject(() => accountStub(env, accountId).stopTrading(act));
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
  if (!(await mayBeThere(env, accountId))) return refuse(NO_ACCOUNT);
  return callObject(() => accountStub(env, accountId).resumeTrading(act));
}

/** Whether somebody has signed up for an account. While D1 does not say, it is acted on: a stop cannot wait for the database. */
async function mayBeThere(env: Bindings, accountId: string): Promise<boolean> {
  const query = database(env).select({ id: accounts.id }).from(accounts).where(eq(accounts.id, accountId));
  const found = await guardD1(query, KILL_CALL_TIMEOUT_MS);
  return !found.ok || found.value.length > 0;
}
