// Runs before each test file in the runtime: storage is fresh per file, so the schema is applied again.

import { applyD1Migrations, type D1Migration } from "cloudflare:test";
import { env } from "cloudflare:workers";

declare global {
  namespace Cloudflare {
    interface Env {
      /** Bound by vitest.config.ts and by nothing else. */
      D1_MIGRATIONS?: D1Migration[];
    }
  }
}

if (env.D1_MIGRATIONS === undefined) throw new Error("vitest.config.ts binds D1_MIGRATIONS");
await applyD1Migrations(env.DB, env.D1_MIGRATIONS);
