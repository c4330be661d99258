// The built Worker with two more routes to measure against, and one that makes the tables. Never deployed.
import { DurableObject } from "cloudflare:workers";
import worker from "../src/worker.ts";

export { AccountObject, MarketObject } from "../src/worker.ts";

/** An object that does nothing: what one call to any object costs. */
export class BenchObject extends DurableObject {
  async nothing(): Promise<string> {
    return "ok";
  }
}

type BenchEnv = Env & { BENCH: DurableObjectNamespace<BenchObject> };

export default {
  ...worker,
  async fetch(request, env, ctx) {
    const path = request.url.slice(request.url.indexOf("/", "https://".length));
    if (path === "/bench/route") return new Response("ok");
    if (path === "/bench/object") return new Response(await env.BENCH.getByName("one").nothing());
    if (path === "/bench/sql") {
      const statements: string[] = await request.json();
      await env.DB.batch(statements.map((statement) => env.DB.prepare(statement)));
      return new Response("ok");
    }
    return worker.fetch(request, env, ctx);
  },
} satisfies ExportedHandler<BenchEnv>;
