// How a route is declared: schema, who may call and what it may refuse with, in one object. From it come the checks
// in the contract's order (401, 403, 429, 415, 400, 422), the handler's types and the OpenAPI document.

import { createRoute, OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { every } from "hono/combine";
import { PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX } from "../core/limits.ts";
import { findAsset } from "../core/listings.ts";
import { isPermission, isStaffs, PERMISSIONS, type Scope } from "../core/permissions.ts";
import type { PolicyName } from "../core/policies.ts";
import { InvariantError, type RefusalCode } from "../core/result.ts";
import { audited } from "./audit.ts";
import { type Access, type CallerDoor, requireCaller } from "./auth.ts";
import { jsonBody } from "./body.ts";
import type { AppEnv } from "./context.ts";
import { IDEMPOTENCY_KEY, type OnceKind, onceByKey } from "./idempotency.ts";
import { limited } from "./limits.ts";
import { CATALOGUE, problemResponse } from "./problem.ts";
import { cookieDoor } from "./refresh-cookie.ts";
import { withHeaders } from "./told-headers.ts";
import { fieldErrors } from "./validation.ts";

/** The name of the token scheme in the OpenAPI document. */
export const BEARER_SCHEME = "bearer";
/** The name of the scheme of API keys. */
export const API_KEY_SCHEME = "api_key";

/**
 * How often a route may be called. Behind a token every call costs its caller one of `spends` (calls), told to the account
 * before the act, or with it when the act `asksAccount`. `limits` are further policies, per address or account; a public
 * route has `public` alone unless it names others. Per name only a verb can count.
 */
interface Limited {
  limits?: readonly PolicyName[];
  spends?: CallerDoor["spends"];
  asksAccount?: true;
}

/**
 * What else a route's door demands, or leaves to its act. Where the act neither `asksAccount` nor `tellsAccount`, KV and the
 * account judge the session before it (docs/adr/0016-sessions-at-the-edge.md). `buffers`: what it reads or writes may wait for D1.
 */
interface Doored {
  verifiedEmail?: true;
  tellsAccount?: true;
  /** Only for who has lately given a password or a code (403 `step_up_required`). */
  stepUp?: true;
  buffers?: true;
}

/** What an operator's act is called in the audit trail. Every one has a name: whatever operators change is told of there. */
interface Audited {
  audit?: string;
}

/**
 * Whether an Idempotency-Key makes the act happen once, with its first answer `kept` for a day; an answer that shows a `secret`
 * is not, and the same request again is told so. `buffered`: as in {@link OnceKind}. Not for money: its keys are the account's, for ever.
 */
interface Once {
  once?: OnceKind;
}

/** Whether the route may take the refresh token out of a cookie, or put it there: only for pages that may act so (403). */
interface Cookied {
  refreshCookie?: true;
}

type Declaration = Omit<RouteConfig, "path" | "security" | "middleware"> & { access: Access } & Limited &
  Doored &
  Audited &
  Once &
  Cookied;

/** A declaration as a router takes it. */
export type Operation<R> = R & { getRoutingPath(): never };

/** The operation's permission, or `public`, in the OpenAPI document. */
export const PERMISSION_FIELD = "x-permission";

/**
 * Declares one operation. `access` decides its `security` in the document and the check before anything of the
 * request is looked at: one that declares none cannot be made, and so not be mounted; a declared body is JSON, read after
 * that check. Query parameters that are not declared are refused with 422, unless the declared query is a loose object: a misspelt filter would answer something else.
 */
export function operation<P extends string, R extends Declaration & { path: P }>(declaration: R): Operation<R> {
  const { access, audit, once, refreshCookie, ...others }: Declaration & { path: P } = declaration;
  const { limits, spends, asksAccount, verifiedEmail, tellsAccount, stepUp, buffers, ...route } = others;
  if (access !== "public" && !isPermission(access)) {
    throw new InvariantError(`${route.method} ${route.path} does not declare who may call it`);
  }
  if (access !== "public" && isStaffs(access) && route.method !== "get" && audit === undefined) {
    throw new InvariantError(`${route.method} ${route.path} has no name in the audit trail`);
  }
  const guards = guardsOf(access, { limits, spends, asksAccount, verifiedEmail, tellsAccount, stepUp, buffers });
  const trail = audit === undefined ? [] : [audited(audit)];
  const body = route.request?.body;
  const keyed = once === undefined || body === undefined ? [] : [onceByKey(once, schemaOf(body))];
  const cookies = refreshCookie === true ? [cookieDoor] : [];
  const middleware = [...cookies, ...guards, ...trail, ...(body === undefined ? [] : [jsonBody]), ...keyed];
  const security = access === "public" ? [] : schemesOf(PERMISSIONS[access].scope);
  const combined: Pick<RouteConfig, "middleware"> = middleware.length === 0 ? {} : { middleware: every(...middleware) };
  const request = { ...route.request, query: strictQuery(route.request?.query) };
  // The caller's own type is handed back: what is added concerns the router and the document, not the handler.
  return createRoute({
    ...route,
    responses: withHeaders(route.responses),
    request,
    security,
    ...combined,
    [PERMISSION_FIELD]: access,
  }) as unknown as Operation<R>;
}

function schemesOf(scope: Scope | null): Record<string, string[]>[] {
  const bearer = { [BEARER_SCHEME]: [] };
  return scope === null ? [bearer] : [bearer, { [API_KEY_SCHEME]: [scope] }];
}

type Body = NonNullable<NonNullable<RouteConfig["request"]>["body"]>;

/** The schema of a JSON body, as {@link body} declares it. */
function schemaOf({ content }: Body): z.ZodType {
  const json = content["application/json"];
  if (json !== undefined && "schema" in json && json.schema instanceof z.ZodType) return json.schema;
  throw new InvariantError("a body is declared as JSON with a zod schema");
}

type Query = NonNullable<RouteConfig["request"]>["query"];

function strictQuery(declared: Query): Query {
  if (declared === undefined) return z.strictObject({});
  return declared instanceof z.ZodObject && declared.def.catchall === undefined ? declared.strict() : declared;
}

type Whatever<T> = { [K in keyof T]: T[K] | undefined };

function guardsOf(access: Access, declared: Whatever<Limited & Doored>): MiddlewareHandler<AppEnv>[] {
  const { limits, spends, asksAccount, verifiedEmail, tellsAccount, stepUp, buffers } = declared;
  const further = limits ?? (access === "public" ? (["public"] as const) : []);
  const counters = further.length === 0 ? [] : [limited(further)];
  if (access === "public") return counters;
  const door: CallerDoor = {
    access,
    spends: spends ?? "calls",
    verifiedEmail: verifiedEmail === true,
    asksAccount: asksAccount === true,
    tellsAccount: tellsAccount === true,
    stepUp: stepUp === true,
    buffers: buffers === true,
  };
  return [requireCaller(door), ...counters];
}

/** A router whose routes refuse wrong input with the product's problem documents. */
export function createRouter(): OpenAPIHono<AppEnv> {
  return new OpenAPIHono<AppEnv>({
    defaultHook: (result, c) => {
      if (result.success) return undefined;
      // What cannot be a name of anything is not found, like a name that nobody has.
      if (result.target === "param") return problemResponse(c, { code: "not_found" });
      // The validator hands over what it has judged; only the type of this hook does not know.
      const { data } = result as { data?: unknown };
      return problemResponse(c, { code: "validation_failed", errors: fieldErrors(result.error.issues, data) });
    },
  });
}

/** An RFC 9457 answer. */
export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.string(),
    request_id: z.string(),
    errors: z.array(z.object({ pointer: z.string(), code: z.string(), detail: z.string() })).optional(),
  })
  .openapi("Problem");

/**
 * The `responses` of a route for the codes it may refuse with, grouped by status. Typed as nothing, so that a
 * handler's type is its successes alone: refusals are made by `send`. Any route refuses a query that it does not take, a
 * caller who calls too often, and an address that operators have shut out.
 */
export function problems(...codes: RefusalCode[]): Record<never, never> {
  const byStatus: Record<number, { description: string; content: object }> = {};
  const all = new Set<RefusalCode>([...codes, ...EVERYWHERE]);
  for (const [code, { status }] of Object.entries(CATALOGUE)) {
    if (!all.has(code as RefusalCode)) continue;
    const before = byStatus[status];
    const description = before === undefined ? `\`${code}\`` : `${before.description}, \`${code}\``;
    byStatus[status] = { description, content: { "application/problem+json": { schema: problemSchema } } };
  }
  return byStatus;
}

const EVERYWHERE: readonly RefusalCode[] = ["validation_failed", "internal", "rate_limited", "forbidden"];

/** Refusals of every route that takes a body. */
export const BODY_CODES = [
  "malformed_json",
  "payload_too_large",
  "unsupported_media_type",
  "validation_failed",
] as const satisfies RefusalCode[];
/** Refusals of every route that takes an Idempotency-Key where no money moves. */
export const KEY_CODES = ["idempotency_in_flight", "idempotency_key_reused"] as const satisfies RefusalCode[];
/** Refusals of every route behind a token. */
export const TOKEN_CODES = [
  "unauthenticated",
  "token_expired",
  "session_revoked",
  "missing_scope",
  "unavailable",
] as const satisfies RefusalCode[];

/** `request.body` of a JSON route. */
export function body<S extends z.ZodType>(schema: S) {
  return { required: true as const, content: { "application/json": { schema } } };
}

/** One entry of `responses` with a JSON body. */
export function answer<S extends z.ZodType>(schema: S, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** Money, prices and quantities, as they come in: no sign, no exponent; excess digits are judged by the asset. */
export const decimalIn = z
  .string()
  // What is no decimal is not judged further: one field, one error.
  .regex(/^(0|[1-9]\d{0,17})(\.\d{1,18})?$/, { error: 'must be a plain decimal in a string, e.g. "12.5"', abort: true })
  .openapi({ example: "12.5" });

/** Money, prices and quantities, as they go out: shortest form, `-` where negative. */
export const decimalOut = z.string().openapi({ pattern: "^-?(0|[1-9]\\d*)(\\.\\d+)?$", example: "12.5" });

/** A time as it goes out: RFC 3339, UTC, milliseconds. */
export const timestampOut = z.string().openapi({ format: "date-time", example: "2026-10-01T12:00:00.000Z" });

/** A time as it comes in: RFC 3339 with any offset and at most milliseconds; the value is milliseconds since 1970. */
export const timestampIn = z.iso
  .datetime({ offset: true })
  .transform((text) => Date.parse(text))
  .refine((ms) => Number.isFinite(ms), "must be a time that exists")
  .openapi({ type: "string", format: "date-time" });

/** A parameter that counts, from 1 to `most`, and is `usual` when left out. */
export function countIn(most: number, usual: number) {
  const error = `must be a whole number from 1 to ${most}`;
  return z
    .string()
    .regex(/^(0|-?[1-9]\d{0,14})$/, { error })
    .transform(Number)
    .pipe(z.int().min(1, { error }).max(most, { error }))
    .default(usual)
    .openapi({ type: "integer", minimum: 1, maximum: most, default: usual });
}

/** `?limit=&cursor=` of every list. */
export const pageQuery = z.object({
  limit: countIn(PAGE_ROWS_MAX, PAGE_ROWS_DEFAULT),
  cursor: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,200}$/)
    .optional(),
});

/** `?asset=` of a list: a listed asset. */
export const assetFilter = z
  .string()
  .refine((text) => findAsset(text) !== undefined, {
    message: "No asset has this symbol.",
    params: { code: "unknown_asset" },
  })
  .openapi({ example: "USD" });

/** The answer of every list. */
export function pageOf<S extends z.ZodType>(row: S) {
  return z.object({ data: z.array(row), next_cursor: z.string().nullable() });
}

/** The `Idempotency-Key` header of a POST that creates. */
export const idempotencyHeaders = keyHeader("Same key and body: the first answer again, byte for byte.");

/** The same, with what is said of it in the document. */
export function keyHeader(description: string) {
  return z.object({ "idempotency-key": z.string().regex(IDEMPOTENCY_KEY).optional().openapi({ description }) });
}
