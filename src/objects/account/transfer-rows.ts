// The table of transfers, which a trigger keeps (tables.ts): what is pending, each by its id, and what was first answered.
import type { AccountState, Transfer } from "../../core/account/state.ts";
import { creditOfTransfer, type DayUse, isPending } from "../../core/account/transfer-events.ts";
import { decode, encode } from "../../core/codec.ts";
import type { Sql } from "../ports.ts";
import type { Page, PageRequest } from "../protocol.ts";
import { readBody } from "../stored.ts";

/** Reads into a state what is pending, what that will bring in, and what of the day's limits is used. */
export function loadTransfers(sql: Sql, state: AccountState, today: string | undefined): void {
  const rows = sql<{ id: string; body: string }>("SELECT id, body FROM transfers WHERE open = 1 ORDER BY placed_seq");
  for (const { id, body } of rows) {
    const transfer = readBody<Transfer>(body, `transfer ${id}`);
    state.transfers.set(id, transfer);
    const credit = creditOfTransfer(transfer);
    if (credit > 0n) state.credits.set(transfer.asset, (state.credits.get(transfer.asset) ?? 0n) + credit);
  }
  if (today !== undefined) state.movedToday = readBody<DayUse>(today, "moved_today");
}

/** Writes a transfer of which the journal does not tell any more, as a restore finds it. Belongs in its transaction. */
export function writeTransfer(sql: Sql, transfer: Transfer, placedSeq: number): void {
  sql(
    "INSERT OR REPLACE INTO transfers (id, placed_seq, kind, open, body) VALUES (?, ?, ?, ?, ?)",
    ...[transfer.id, placedSeq, transfer.kind, isPending(transfer) ? 1 : 0, encode(transfer)],
  );
}

/** Which event had asked for a transfer; undefined for one that there is not. */
export function placedSeq(sql: Sql, id: string): number | undefined {
  return sql<{ placed_seq: number }>("SELECT placed_seq FROM transfers WHERE id = ?", id)[0]?.placed_seq;
}

/** A deposit or withdrawal as it is now. */
export function findTransfer(sql: Sql, id: string): Transfer | undefined {
  const [row] = sql<{ body: string }>("SELECT body FROM transfers WHERE id = ?", id);
  return row === undefined ? undefined : decode<Transfer>(row.body);
}

/**
 * A deposit or withdrawal as it was when it was asked for: what came of it since is no part of the first answer. Once that has been
 * archived, as it is now.
 */
export function firstTransfer(sql: Sql, id: string): Transfer | undefined {
  const [row] = sql<{ body: string | null }>(
    "SELECT body -> '$.transfer' AS body FROM journal WHERE seq = (SELECT placed_seq FROM transfers WHERE id = ?)",
    id,
  );
  return row === undefined || row.body === null ? findTransfer(sql, id) : decode<Transfer>(row.body);
}

/** Deposits or withdrawals as they are now, newest first. */
export function pageOfTransfers(
  sql: Sql,
  { kind, limit, cursor }: PageRequest & { kind: Transfer["kind"] },
): Page<Transfer> {
  const rows = sql<{ placed_seq: number; body: string }>(
    "SELECT placed_seq, body FROM transfers WHERE kind = ? AND placed_seq < ? ORDER BY placed_seq DESC LIMIT ?",
    kind,
    cursor ?? Number.MAX_SAFE_INTEGER,
    limit + 1,
  );
  const shown = rows.slice(0, limit);
  return {
    data: shown.map(({ body }) => decode<Transfer>(body)),
    nextCursor: rows.length > limit ? (shown.at(-1)?.placed_seq ?? null) : null,
  };
}
