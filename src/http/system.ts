// What the Worker says of itself: that it answers, the document of everything it answers, and a page for each refusal.
import { z } from "@hono/zod-openapi";
import { ok } from "../core/result.ts";
import { send, sendPage, sendPublic } from "./answer.ts";
import { errorPage, PAGE_CODES } from "./error-page.ts";
import { answer, createRouter, operation, problems } from "./openapi.ts";

const healthRoute = operation({
  method: "get",
  path: "/healthz",
  tags: ["Operations"],
  summary: "Whether this Worker answers",
  access: "public",
  // Whoever watches must get an answer when nobody else does.
  limits: [],
  responses: { 200: answer(z.object({ status: z.literal("ok") }), "It does"), ...problems() },
});

const documentRoute = operation({
  method: "get",
  path: "/openapi.json",
  tags: ["Operations"],
  summary: "This document",
  access: "public",
  responses: { 200: answer(z.looseObject({ openapi: z.string() }), "OpenAPI 3.1"), ...problems() },
});

const errorRoute = operation({
  method: "get",
  path: "/docs/errors/{code}",
  tags: ["Operations"],
  summary: "What a problem's code means and what to do; its `type` leads here",
  access: "public",
  request: { params: z.object({ code: z.enum(PAGE_CODES) }) },
  responses: {
    200: { description: "A page", content: { "text/html": { schema: z.string() } } },
    ...problems("not_found"),
  },
});

const DOCUMENT_MAX_AGE_SECONDS = 300;

/** The routes every deployment has. `document` makes the OpenAPI document of the whole application. */
export function systemRoutes(document: () => object) {
  return createRouter()
    .openapi(healthRoute, (c) => send(c, ok({ status: "ok" as const }), (value) => value, 200))
    .openapi(documentRoute, (c) => sendPublic(c, ok(null), () => document() as never, DOCUMENT_MAX_AGE_SECONDS))
    .openapi(errorRoute, (c) => sendPage(c, errorPage(c.req.valid("param").code), DOCUMENT_MAX_AGE_SECONDS));
}
