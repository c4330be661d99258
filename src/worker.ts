// The doors: HTTP, queues, cron and the object classes; and the wiring of ports. Nothing is decided here.
import { createApp } from "./app.ts";
import { loadConfig } from "./config.ts";
import { consumeMail } from "./domains/identity/consumer.ts";
import { sweep } from "./domains/ops/scheduled.ts";
import { verifyAccessToken } from "./http/tokens.ts";
import { AccountShell } from "./objects/account/shell.ts";
import { consumeJournal } from "./projections/consumer.ts";
import { consumeDeadLetters } from "./projections/dead-letters.ts";

export { MarketObject } from "./objects/market/shell.ts";

/** The account object, told how an access token is verified. */
export class AccountObject extends AccountShell {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, (token) => verifyAccessToken(loadConfig(env), token, Date.now()));
  }
}

const app = createApp();

export default {
  fetch: (request, env, ctx) => app.fetch(request, env, ctx),
  scheduled: async (controller, env) => {
    await sweep(env, controller.scheduledTime);
  },
  queue: (batch, env) => {
    if (batch.queue.endsWith("-dlq")) return consumeDeadLetters(batch, env);
    return batch.queue.endsWith("-mail") ? consumeMail(batch, env, loadConfig(env)) : consumeJournal(batch, env);
  },
} satisfies ExportedHandler<Env>;
