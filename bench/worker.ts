// The built Worker with four more routes to measure against. Never deployed.
import { DurableObject } from "cloudflare:workers";
import { loadConfig } from "../src/config.ts";
import { bearerToken } from "../src/http/auth.ts";
import { verifyAccessToken } from "../src/http/tokens.ts";
import worker from "../src/worker.ts";

export { AccountObject, MarketObject, RateLimiter, WriteBuffer } from "../src/worker.ts";

/** An object that does nothing: what one call to any object costs. */
export class BenchObject extends DurableObject {
  async nothing(): Promise<string> {
    return "ok";
  }
}

type BenchEnv = Env & { BENCH: DurableObjectNamespace<BenchObject> };

/** The route that does nothing, behind the check of a token and nothing else: the account is not asked. */
async function verified(request: Request, env: Env): Promise<Response> {
  const token = bearerToken(request.headers.get("authorization") ?? undefined) ?? "";
  const caller = await verifyAccessToken(loadConfig(env), token, Date.now());
  return new Response(caller.ok ? "ok" : caller.refusal.code, { status: caller.ok ? 200 : 401 });
}

export default {
  ...worker,
  async fetch(request, env, ctx) {
    const path = request.url.slice(request.url.indexOf("/", "https://".length));
    if (path === "/bench/route") return new Response("ok");
    if (path === "/bench/token") return verified(request, env);
    if (path === "/bench/object") return new Response(await env.BENCH.getByName("one").nothing());
    if (path === "/bench/d1") return Response.json(await env.DB.prepare("SELECT 1").first());
    return worker.fetch(request, env, ctx);
  },
} satisfies ExportedHandler<BenchEnv>;
