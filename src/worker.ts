// The doors: HTTP, queues, cron and the object classes; and the wiring of ports. Nothing is decided here.
import { deskOf } from "./adapters/payments/choice.ts";
import { createApp } from "./app.ts";
import { loadConfig } from "./config.ts";
import { consumeAudit } from "./domains/audit/consumer.ts";
import { archiveJournals, takeBackups } from "./domains/backups/scheduled.ts";
import { checkBooks, sumLiabilities } from "./domains/books/scheduled.ts";
import { forgetKeys } from "./domains/edge/scheduled.ts";
import { consumeMail } from "./domains/identity/consumer.ts";
import { forgetSignIns } from "./domains/identity/scheduled.ts";
import { applyProfileWrite } from "./domains/identity/writes.ts";
import { retell, sweep } from "./domains/ops/scheduled.ts";
import { snapshotPortfolios } from "./domains/portfolio/scheduled.ts";
import { remindOfTasks } from "./domains/tasks/scheduled.ts";
import { applyTaskWrite } from "./domains/tasks/writes.ts";
import { forgetApplied } from "./domains/writes/scheduled.ts";
import { verifyAccessToken } from "./http/tokens.ts";
import { AccountShell } from "./objects/account/shell.ts";
import { WriteBufferShell } from "./objects/write-buffer/shell.ts";
import { consumeJournal } from "./projections/consumer.ts";
import { consumeDeadLetters } from "./projections/dead-letters.ts";

export { RateLimiter } from "./objects/limiter/shell.ts";
export { MarketObject } from "./objects/market/shell.ts";

/** The account object, told how an access token is verified and what it is configured with. */
export class AccountObject extends AccountShell {
  constructor(ctx: DurableObjectState, env: Env) {
    // Asked for when they are needed: an object that could not be made for a wrong variable would lose its alarm.
    const readToken = (token: string) => verifyAccessToken(loadConfig(env), token, Date.now());
    super(ctx, env, { readToken, settings: () => loadConfig(env), desk: deskOf(() => loadConfig(env).payments) });
  }
}

/** The write buffer, told how what waits in it is done. */
export class WriteBuffer extends WriteBufferShell {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, (write) =>
      write.act.kind === "profile.change" ? applyProfileWrite(env, write) : applyTaskWrite(env, write),
    );
  }
}

const app = createApp();

export default {
  fetch: (request, env, ctx) => app.fetch(request, env, ctx),
  scheduled: async (controller, env) => {
    const nowMs = controller.scheduledTime;
    const snapshots = snapshotPortfolios(env, nowMs, loadConfig(env).priceSeed);
    const swept = [retell(env, nowMs), sweep(env, nowMs)];
    const books = [checkBooks(env), sumLiabilities(env), takeBackups(env, loadConfig(env).backupKey)];
    const archived = archiveJournals(env, loadConfig(env), nowMs);
    const forgotten = [forgetKeys(env, nowMs), forgetSignIns(env, nowMs), forgetApplied(env, nowMs)];
    await Promise.all([...swept, snapshots, ...books, archived, ...forgotten, remindOfTasks(env, nowMs)]);
  },
  queue: (batch, env) => {
    if (batch.queue.endsWith("-dlq")) return consumeDeadLetters(batch, env);
    if (batch.queue.endsWith("-mail")) return consumeMail(batch, env, loadConfig(env));
    return batch.queue.endsWith("-audit") ? consumeAudit(batch, env) : consumeJournal(batch, env);
  },
} satisfies ExportedHandler<Env>;
