// The HTTP application: middleware in order, one mount line per domain.

import { accountRouter } from "./domains/account/routes.ts";
import { auditTrail } from "./domains/audit/gate.ts";
import { auditRouter } from "./domains/audit/routes.ts";
import { backupsRouter } from "./domains/backups/routes.ts";
import { booksRouter } from "./domains/books/routes.ts";
import { addressGate as addresses, limits, onceStore } from "./domains/edge/gate.ts";
import { edgeRouter } from "./domains/edge/routes.ts";
import { emailVerified, mail, sessionAuthority } from "./domains/identity/gate.ts";
import { identityRouter } from "./domains/identity/routes.ts";
import { marketsRouter } from "./domains/markets/routes.ts";
import { opsRouter } from "./domains/ops/routes.ts";
import { ordersRouter } from "./domains/orders/routes.ts";
import { portfolioRouter } from "./domains/portfolio/routes.ts";
import { tasksRouter } from "./domains/tasks/routes.ts";
import { writeBuffers } from "./domains/writes/gate.ts";
import { writesRouter } from "./domains/writes/routes.ts";
import { addressGate } from "./http/addresses.ts";
import { sizeLimit } from "./http/body.ts";
import { configuration, type Ports, requestContext } from "./http/context.ts";
import { cors } from "./http/cors.ts";
import { declaredRoutes } from "./http/declared.ts";
import { notFound, onError } from "./http/fallback.ts";
import { API_KEY_SCHEME, BEARER_SCHEME, createRouter } from "./http/openapi.ts";
import { systemRoutes } from "./http/system.ts";
import { TOLD_HEADERS } from "./http/told-headers.ts";

/** What domains fill in for the real thing; tests hand in their own. */
const PORTS: Ports = {
  sessionAuthority,
  limits,
  addressGate: addresses,
  onceStore,
  writeBuffers,
  audit: auditTrail,
  mail,
  emailVerified,
};

/** Builds the application. `ports` are the ones of the domains unless a test hands in its own. */
export function createApp(ports: Ports = PORTS) {
  const app = createRouter();
  app.use(requestContext(ports), configuration, cors, sizeLimit, addressGate);
  app.onError(onError);
  app.openAPIRegistry.registerComponent("securitySchemes", BEARER_SCHEME, {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
  });
  const apiKey = { type: "apiKey", in: "header", name: "X-Api-Key" } as const;
  app.openAPIRegistry.registerComponent("securitySchemes", API_KEY_SCHEME, apiKey);
  for (const [name, told] of Object.entries(TOLD_HEADERS)) app.openAPIRegistry.registerComponent("headers", name, told);

  app.route("/", identityRouter);
  app.route("/", accountRouter);
  app.route("/", ordersRouter);
  app.route("/", marketsRouter);
  app.route("/", portfolioRouter);
  app.route("/", tasksRouter);
  app.route("/", writesRouter);
  app.route("/", opsRouter);
  app.route("/", booksRouter);
  app.route("/", backupsRouter);
  app.route("/", auditRouter);
  app.route("/", edgeRouter);

  app.route(
    "/",
    systemRoutes(() => openApiDocument(app)),
  );
  // A route that says nothing of who may call it would be open to everybody.
  declaredRoutes(app);
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
