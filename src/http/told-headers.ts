// The headers that answers carry, as the OpenAPI document tells of them: each described once, and named by every response.

import type { RouteConfig } from "@hono/zod-openapi";

const text = { type: "string" } as const;

/** What the document has to say of each header, by its name. */
export const TOLD_HEADERS = {
  "X-Request-Id": { description: "The request's own id, or a new one.", schema: text },
  "RateLimit-Policy": {
    description: "By policy, how many units it allows in how many seconds; on answers to calls that were counted.",
    schema: text,
    example: '"calls";q=500;w=5',
  },
  RateLimit: {
    description: "By policy, how many units are left, and in how many seconds that changes.",
    schema: text,
    example: '"calls";r=499;t=1',
  },
  "Retry-After": { description: "After how many seconds to try again.", schema: { type: "integer" } },
} as const;

const ALWAYS = ["X-Request-Id", "RateLimit-Policy", "RateLimit"] as const;
/** Statuses that say when to come back. */
const LATER: ReadonlySet<string> = new Set(["429", "503"]);

/** A route's responses with the headers that they carry. */
export function withHeaders(responses: RouteConfig["responses"]): RouteConfig["responses"] {
  const told = Object.entries(responses).map(([status, response]) => {
    const names = LATER.has(status) ? [...ALWAYS, "Retry-After"] : ALWAYS;
    const headers = Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
    return [status, { ...response, headers }];
  });
  return Object.fromEntries(told);
}
