// What is answered when no route fits, or when one throws.

import type { ErrorHandler, Hono, NotFoundHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import type { RefusalCode } from "../core/result.ts";
import type { AppEnv } from "./context.ts";
import { problemResponse } from "./problem.ts";

/** Answers 404 for an unknown path, and 405 with Allow for a known path under another method. */
export function notFound(app: Hono<AppEnv>): NotFoundHandler<AppEnv> {
  let routes: { method: string; pattern: RegExp }[] | undefined;
  return (c) => {
    routes ??= app.routes
      .filter((route) => route.method !== "ALL")
      .map((route) => ({ method: route.method, pattern: patternOf(route.path) }));
    const methods = new Set(routes.filter((route) => route.pattern.test(c.req.path)).map((route) => route.method));
    if (methods.size === 0) return problemResponse(c, { code: "not_found", detail: "There is no such address." });
    if (methods.has("GET")) methods.add("HEAD");
    const allow = [...methods].sort().join(", ");
    c.header("Allow", allow);
    return problemResponse(c, { code: "method_not_allowed", detail: `This address takes ${allow}.` });
  };
}

/** Our own route paths only: `:name` is one segment, the rest is literal. */
function patternOf(path: string): RegExp {
  const segments = path.split("/").map((segment) => {
    return segment.startsWith(":") ? "[^/]+" : segment.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  });
  return new RegExp(`^${segments.join("/")}$`);
}

/** The framework's own refusals, which it throws; anything else thrown is a bug. */
const FRAMEWORK_REFUSALS: Readonly<Record<number, RefusalCode>> = {
  400: "malformed_json",
  413: "payload_too_large",
  415: "unsupported_media_type",
};

/** Answers 500 with the request id and no inner text; the text is in the request's log line. */
export const onError: ErrorHandler<AppEnv> = (error, c) => {
  const code = error instanceof HTTPException ? FRAMEWORK_REFUSALS[error.status] : undefined;
  if (code === "malformed_json" || code === "payload_too_large" || code === "unsupported_media_type") {
    return problemResponse(c, { code });
  }
  c.set("uncaught", error);
  return problemResponse(c, { code: "internal" });
};
