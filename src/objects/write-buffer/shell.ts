// The write buffer's class: wires the logic to the platform and decides nothing.
import { DurableObject } from "cloudflare:workers";
import { BUFFER_LOOK_WAIT_MS } from "../../core/limits.ts";
import type { Outcome, Write } from "../../core/write-buffer.ts";
import { log } from "../../log.ts";
import { storageSql, waitAtMost } from "../platform.ts";
import type { PageRequest } from "../protocol.ts";
import type { WriteBufferRpc } from "../rpc.ts";
import { WriteBufferLogic } from "./logic.ts";

/** Keeps one user's writes while the database is away; how one is done there, worker.ts hands in. */
export class WriteBufferShell extends DurableObject<Env> implements WriteBufferRpc {
  readonly #logic: WriteBufferLogic;

  constructor(ctx: DurableObjectState, env: Env, apply: (write: Write) => Promise<Outcome>) {
    super(ctx, env);
    this.#logic = new WriteBufferLogic({
      sql: storageSql(ctx.storage),
      tx: (work) => ctx.storage.transactionSync(work),
      now: () => Date.now(),
      alarm: { set: (atMs) => void ctx.storage.setAlarm(atMs) },
      alert: (message) => log("error", "object_alert", { object: ctx.id.name ?? "", message }),
      apply,
    });
  }

  async look() {
    if (this.#logic.waiting().length === 0) return [];
    await waitAtMost(this.#logic.drain(), BUFFER_LOOK_WAIT_MS);
    return this.#logic.waiting();
  }

  async append(writes: Write[]) {
    return this.#logic.append(writes);
  }

  async conflicts(query: PageRequest) {
    return this.#logic.conflicts(query);
  }

  async dismiss(writeId: string) {
    return this.#logic.dismiss(writeId);
  }

  async forget() {
    return this.#logic.forget();
  }

  override async alarm(): Promise<void> {
    await this.#logic.alarm();
  }
}
