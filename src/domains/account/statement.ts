// A statement, made while it is sent: the account is asked for a page when the client has taken the one before.
import type { Period, StatementFrame } from "../../core/account/history.ts";
import type { LedgerEntry } from "../../core/ledger.ts";
import { STATEMENT_PAGE_ROWS, STATEMENT_PAGE_TRIES, STATEMENT_RETRY_MS } from "../../core/limits.ts";
import type { Result } from "../../core/result.ts";
import type { StatementWriter } from "../../core/statement.ts";
import { log } from "../../log.ts";
import type { Page } from "../../objects/protocol.ts";
import { type AccountAccess, askAccount, goingOn } from "../../objects/stubs.ts";

/**
 * What stands around a period's entries. Refuses `validation_failed` for a period that has not begun, and one with too many
 * entries for one statement.
 */
export async function openStatement(ctx: AccountAccess, period: Period): Promise<Result<StatementFrame>> {
  return askAccount(ctx, async (account, caller) => account.statement(caller, period));
}

/**
 * The bytes of a statement. What lies in its period never changes, so pages read one after the other fit together. It breaks
 * off, without its end, when the account cannot be asked any more.
 */
export function statementStream(
  ctx: AccountAccess,
  frame: StatementFrame,
  writer: StatementWriter,
): ReadableStream<Uint8Array> {
  const pieces = piecesOf(ctx, frame, writer);
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
  });
}

async function* piecesOf(ctx: AccountAccess, frame: StatementFrame, writer: StatementWriter) {
  yield writer.begin(frame);
  let first = true;
  for await (const entries of pagesOf(goingOn(ctx), frame)) {
    yield writer.entries(entries, first);
    first = false;
  }
  yield writer.end(frame);
}

async function* pagesOf(ctx: AccountAccess, { afterSeq, lastSeq }: StatementFrame): AsyncGenerator<LedgerEntry[]> {
  let cursor: number | null = afterSeq;
  while (cursor !== null && cursor < lastSeq) {
    const page: Page<LedgerEntry> = await pageAfter(ctx, cursor);
    const within = page.data.filter((entry) => entry.seq <= lastSeq);
    if (within.length > 0) yield within;
    cursor = page.nextCursor;
  }
}

async function pageAfter(ctx: AccountAccess, cursor: number): Promise<Page<LedgerEntry>> {
  const query = { limit: STATEMENT_PAGE_ROWS, cursor, asset: null, kind: null, from: null, to: null };
  for (let tries = 1; ; tries += 1) {
    const page = await askAccount(ctx, async (account, caller) => account.ledger(caller, query));
    if (page.ok) return page.value;
    const { code } = page.refusal;
    if (code !== "unavailable" || tries === STATEMENT_PAGE_TRIES) {
      log("error", "statement_broken_off", { account: ctx.caller.accountId, code });
      throw new Error(`a statement's page was refused: ${code}`);
    }
    await new Promise((resolve) => setTimeout(resolve, STATEMENT_RETRY_MS * tries));
  }
}
