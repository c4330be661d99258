// Transfers as operators see and decide them: found in the read model, decided by the account that has them.
import { and, desc, eq, lt } from "drizzle-orm";
import type { Transfer } from "../../core/account/state.ts";
import type { TransferDecision } from "../../core/account/transfer-events.ts";
import { formatUnits } from "../../core/ledger.ts";
import { fromColumn } from "../../core/money.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { wireTime, wireTransfer } from "../../core/wire.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { transfers } from "../../db/read-model.ts";
import { idCursor, type PageWish, pageById, type WirePage } from "../../http/page.ts";
import type { TransferReview } from "../../objects/protocol.ts";
import { accountStub, callObject, type ObjectBindings } from "../../objects/stubs.ts";

/** Which transfers: of one kind, in one status, of one account. */
export interface TransferFilter extends PageWish {
  status?: Transfer["status"] | undefined;
  account_id?: string | undefined;
}

/** A transfer of somebody's: whose, what it was worth, who moves it outside, and who has decided what of it. */
export function wireReviewed(accountId: string, transfer: Transfer) {
  const { kind, worth, provider = null, providerRef = null, decisions = [] } = transfer;
  return {
    account_id: accountId,
    kind,
    ...wireTransfer(transfer),
    worth: worth === undefined ? null : formatUnits(worth, "USD"),
    provider,
    provider_ref: providerRef,
    decisions: decisions.map(({ at, ...said }) => ({ ...said, at: wireTime(at) })),
  };
}

/** A transfer as operators are shown it. */
export type WireReviewed = ReturnType<typeof wireReviewed>;

/** Deposits or withdrawals of all users, newest first. Refuses a wrong cursor (`validation_failed`), and `unavailable`. */
export async function listReviewed(
  env: DatabaseBinding,
  kind: Transfer["kind"],
  wish: TransferFilter,
): Promise<Result<WirePage<WireReviewed>>> {
  const cursor = idCursor(kind === "deposit" ? "dep" : "wdr", wish.cursor);
  if (!cursor.ok) return cursor;
  const found = await guardD1(
    database(env)
      .select()
      .from(transfers)
      .where(
        and(
          eq(transfers.kind, kind),
          wish.status === undefined ? undefined : eq(transfers.status, wish.status),
          wish.account_id === undefined ? undefined : eq(transfers.accountId, wish.account_id),
          cursor.value === null ? undefined : lt(transfers.id, cursor.value),
        ),
      )
      .orderBy(desc(transfers.id))
      .limit(wish.limit + 1),
  );
  return found.ok ? ok(pageById(found.value, wish.limit, wireRow)) : found;
}

function wireRow(row: typeof transfers.$inferSelect): WireReviewed {
  const { id, kind, asset, status, createdAt, updatedAt, worth, provider, providerRef, failure } = row;
  return wireReviewed(row.accountId, {
    ...{ id, kind, asset, status, createdAt, amount: fromColumn(row.amount) },
    ...(worth === null ? {} : { worth: fromColumn(worth) }),
    ...(updatedAt === null ? {} : { updatedAt }),
    ...(provider === null ? {} : { provider }),
    ...(providerRef === null ? {} : { providerRef }),
    ...(failure === null ? {} : { failure }),
    decisions: JSON.parse(row.decisions) as TransferDecision[],
  });
}

/**
 * Does what an operator has decided of a transfer. Refuses `not_found` for one that the read model does not have yet, what
 * core's reviewTransfer refuses, and `unavailable`.
 */
export async function decide(
  env: ObjectBindings & DatabaseBinding,
  id: string,
  review: TransferReview,
): Promise<Result<WireReviewed>> {
  const found = await guardD1(
    database(env).select({ account: transfers.accountId }).from(transfers).where(eq(transfers.id, id)),
  );
  if (!found.ok) return found;
  const [whose] = found.value;
  if (whose === undefined) return refuse({ code: "not_found" });
  const decided = await callObject(() => accountStub(env, whose.account).decideTransfer(id, review));
  return decided.ok ? ok(wireReviewed(whose.account, decided.value)) : decided;
}
