// The HTTP application: middleware in order, one mount line per domain.

import { z } from "zod";
import { accountRouter } from "./domains/account/routes.ts";
import { sessionRevoker } from "./domains/identity/gate.ts";
import { identityRoutes } from "./domains/identity/routes.ts";
import { marketsRouter } from "./domains/markets/routes.ts";
import { opsRouter } from "./domains/ops/routes.ts";
import { ordersRouter } from "./domains/orders/routes.ts";
import { portfolioRouter } from "./domains/portfolio/routes.ts";
import { send, sendPublic } from "./http/answer.ts";
import { sizeLimit } from "./http/body.ts";
import { configuration, type Ports, requestContext } from "./http/context.ts";
import { notFound, onError } from "./http/fallback.ts";
import { answer, BEARER_SCHEME, createRouter, operation, problems } from "./http/openapi.ts";

/** What domains fill in for the real thing; tests hand in their own. */
const PORTS: Ports = { sessionRevoker };

const healthRoute = operation({
  method: "get",
  path: "/healthz",
  tags: ["Operations"],
  summary: "Whether this Worker answers",
  access: "public",
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

/** Builds the application. `ports` are the ones of the domains unless a test hands in its own. */
export function createApp(ports: Ports = PORTS) {
  const app = createRouter();
  app.use(requestContext(ports), configuration, sizeLimit);
  app.onError(onError);
  app.openAPIRegistry.registerComponent("securitySchemes", BEARER_SCHEME, {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
  });

  app.route("/", identityRoutes);
  app.route("/", accountRouter);
  app.route("/", ordersRouter);
  app.route("/", marketsRouter);
  app.route("/", portfolioRouter);
  app.route("/", opsRouter);

  app.openapi(healthRoute, (c) => send(c, { ok: true, value: { status: "ok" as const } }, (value) => value, 200));
  app.openapi(documentRoute, (c) => sendPublic(c, { ok: true, value: null }, () => openApiDocument(app) as never, 300));
  app.notFound(notFound(app));
  return app;
}

/** The OpenAPI 3.1 document of everything mounted. */
export function openApiDocument(app: ReturnType<typeof createRouter>) {
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "Tradepost", version: "1", description: "An exchange for many assets that runs at the edge." },
  });
}
