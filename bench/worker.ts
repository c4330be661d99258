// The built Worker with two more routes to measure against. Never deployed.
import { DurableObject } from "cloudflare:workers";
import worker from "../src/worker.ts";

export { AccountObject, MarketObject, RateLimiter } from "../src/worker.ts";

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
    return worker.fetch(request, env, ctx);
  },
} satisfies ExportedHandler<BenchEnv>;
