import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import manifest from "./package.json" with { type: "json" };
import { startProvider } from "./scripts/oauth-provider.ts";
import { OAUTH_CLIENT, PEOPLE, REDIRECT_URIS } from "./test/support/oauth.ts";
import { TEST_SECRETS } from "./test/support/secrets.ts";
import { importsOf, readSources } from "./test/support/source.ts";
import { STRIPE_KEY, STRIPE_WEBHOOK_SECRET, startStripe } from "./test/support/stripe.ts";

// A fresh clone has no .dev.vars yet, and wrangler warns of every secret it finds nowhere.
Object.assign(process.env, TEST_SECRETS);

/** What src imports of its libraries, bundled once for all files: module by module it would take half of the whole run. */
const LIBRARIES = [...new Set(readSources(import.meta.dirname).flatMap(importsOf))].filter((target) =>
  Object.keys(manifest.dependencies).some((name) => target === name || target.startsWith(`${name}/`)),
);

const MAP_COMMENT = /^\/\/# sourceMappingURL=.*$/m;

/** Each test file has a runtime of its own, which is sent all modules: the libraries' source maps are a seventh of its start. */
const withoutLibraryMaps: Plugin = {
  name: "without-library-maps",
  enforce: "post",
  transform: (code, id) =>
    id.includes("/deps_ssr/") ? { code: code.replace(MAP_COMMENT, ""), map: { mappings: "" } } : null,
};

/** Whom the Worker under test signs people in with; a process has one, which ends with it. */
let provider: ReturnType<typeof startProvider> | undefined;
async function oauthVars() {
  provider ??= startProvider({ ...OAUTH_CLIENT, redirectUris: REDIRECT_URIS, people: PEOPLE });
  const { url } = await provider;
  const { clientId, clientSecret } = OAUTH_CLIENT;
  return {
    OAUTH_GOOGLE_CLIENT_ID: clientId,
    OAUTH_GOOGLE_CLIENT_SECRET: clientSecret,
    OAUTH_GOOGLE_ISSUER: `${url}/google`,
    OAUTH_GITHUB_CLIENT_ID: clientId,
    OAUTH_GITHUB_CLIENT_SECRET: clientSecret,
    OAUTH_GITHUB_URL: `${url}/github`,
    OAUTH_GITHUB_API_URL: `${url}/github/api`,
  };
}

/** Who moves money outside in the tests that are about that; in all others it is paper. */
let payments: ReturnType<typeof startStripe> | undefined;
async function paymentVars() {
  payments ??= startStripe();
  return { STRIPE_API_URL: (await payments).url, STRIPE_SECRET_KEY: STRIPE_KEY, STRIPE_WEBHOOK_SECRET };
}

// Four projects, from fast to slow: the pure core, the simulator, everything that needs the real runtime, and the built
// Worker in a process of its own.
export default defineConfig({
  test: {
    // What no test of core reaches is either a promise without a test or code that cannot be reached: both are mended.
    coverage: { provider: "istanbul", include: ["src/**"], thresholds: { "src/core/**": { 100: true } } },
    // The simulator keeps one core busy for minutes, the other projects mostly wait for the runtime.
    maxWorkers: 3,
    projects: [
      {
        test: {
          name: "core",
          environment: "node",
          include: ["test/{core,adapters}/**/*.test.ts", "test/tidy.test.ts"],
          // Some of the random ones take seconds on a quiet machine, and three times that beside the other projects.
          testTimeout: 60_000,
        },
      },
      { test: { name: "sim", environment: "node", include: ["test/sim/**/*.test.ts"], testTimeout: 600_000 } },
      {
        plugins: [
          withoutLibraryMaps,
          cloudflareTest(async () => ({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: {
              // A line for each request would bury what a test says.
              bindings: {
                ...TEST_SECRETS,
                ...(await oauthVars()),
                ...(await paymentVars()),
                LOG_LEVEL: "error",
                // Far above what a test moves that is about something else.
                TRANSFER_LIMITS: JSON.stringify({ withdrawals_per_day: "5000000", review_over: "1000000" }),
                // More than any test stores that is about something else.
                OBJECT_BYTES_MAX: "30000000",
                ALLOWED_ORIGINS: "https://app.example.com,http://localhost:5173",
                D1_MIGRATIONS: await readD1Migrations("./migrations"),
              },
            },
          })),
        ],
        test: {
          name: "workers",
          include: ["test/{objects,http,domains,projections,flows,db}/**/*.test.ts"],
          setupFiles: ["./test/support/setup.ts"],
          deps: {
            optimizer: {
              ssr: {
                enabled: true,
                include: LIBRARIES,
              },
            },
          },
          // Of a busy machine: passwords alone take seconds there.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "blackbox",
          environment: "node",
          include: ["test/blackbox/**/*.test.ts"],
          testTimeout: 300_000,
          // After all others: it measures how fast a server comes back, and would slow the rest down.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
