// One line a request: what was asked for, by whom, how it ended and how long it took. Never a query: it may hold a ticket.
import type { Context } from "hono";
import { routePath } from "hono/route";
import { isWritten, type Level, log } from "../log.ts";
import { clientIpText } from "./client-ip.ts";
import type { AppEnv } from "./context.ts";

/** Answers that say something about who asks: a wrong token, a missing right, a limit, an outage. */
const NOTED: ReadonlySet<number> = new Set([401, 403, 429, 503]);

/** Writes the line of an answered request, unless LOG_LEVEL is above it. `since` in ms. */
export function logRequest(c: Context<AppEnv>, since: number): void {
  const { status } = c.res;
  const level: Level = NOTED.has(status) ? "warn" : status >= 500 ? "error" : "info";
  const config = c.get("config");
  // Without a configuration nobody has said what may be left out.
  if (config !== undefined && !isWritten(level, config.logLevel)) return;
  const uncaught = c.get("uncaught");
  const principal = c.get("principal");
  log(level, "request", {
    method: c.req.method,
    route: routeOf(c),
    status,
    ms: Date.now() - since,
    user: principal?.userId ?? null,
    principal: c.get("apiKey")?.keyId ?? principal?.userId ?? null,
    ip: clientIpText(c),
    request_id: c.get("requestId"),
    trace_id: c.get("traceId"),
    ...(c.get("refused") === undefined ? {} : { code: c.get("refused") }),
    ...(uncaught === undefined
      ? {}
      : { path: c.req.path, name: uncaught.name, message: uncaught.message, stack: uncaught.stack }),
  });
}

/** The pattern of the route that answered: what a client writes in a path stays out of the log. */
function routeOf(c: Context<AppEnv>): string {
  const route = routePath(c, -1);
  return route === "/*" || route === "*" ? "none" : route;
}
