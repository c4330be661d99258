// What an application has mounted, as it was declared: for the check at its start, the table of permissions and its test.
import type { OpenAPIHono, RouteConfig } from "@hono/zod-openapi";
import { isPermission } from "../core/permissions.ts";
import { InvariantError } from "../core/result.ts";
import type { Access } from "./auth.ts";
import type { AppEnv } from "./context.ts";
import { PERMISSION_FIELD } from "./openapi.ts";

/** A mounted route as it was declared: `path` as the document writes it. */
export interface DeclaredRoute {
  method: string;
  path: string;
  access: Access;
  request: RouteConfig["request"];
}

/** Every route of an application. Throws InvariantError for one that nobody declared with {@link operation}. */
export function declaredRoutes(app: OpenAPIHono<AppEnv>): DeclaredRoute[] {
  const declared = new Map<string, DeclaredRoute>();
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== "route") continue;
    const { method, path, request, [PERMISSION_FIELD]: access } = definition.route;
    if (access !== "public" && !isPermission(access)) continue;
    declared.set(`${method} ${path}`, { method, path, access, request });
  }
  // Middleware stands among the routes under the name of all methods.
  for (const { method, path } of app.routes.filter((route) => route.method !== "ALL")) {
    const name = `${method.toLowerCase()} ${path.replaceAll(/:([^/]+)/g, "{$1}")}`;
    if (!declared.has(name)) throw new InvariantError(`${name} does not declare who may call it`);
  }
  return [...declared.values()];
}
