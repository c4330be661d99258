// The provider that tests sign in with: one for a whole run, in Node, which both the runtime and the tests call over HTTP.
import { FAULTS, type Person } from "../../scripts/oauth-answers.ts";

export const OAUTH_CLIENT = { clientId: "tradepost-test", clientSecret: "a secret of tests" };

/** Where PUBLIC_URL of wrangler.toml has providers send browsers back to. */
export const REDIRECT_URIS = {
  google: "http://127.0.0.1:8787/v1/auth/oauth/google/callback",
  github: "http://127.0.0.1:8787/v1/auth/oauth/github/callback",
};

/** Everybody with a fault is called as it is; nobody else is anything but what their name says. */
export const PEOPLE: ReadonlyMap<string, Person> = new Map<string, Person>([
  ...FAULTS.map((fault): [string, Person] => [fault, { email: `${fault}@example.com`, verified: true, fault }]),
  ["unverified", { email: "unverified@example.com", verified: false }],
  ["odd", { email: "ödd@example.com", verified: true }],
]);

/** What a browser does with a provider's address: says who is there, and is sent back; the callback's query. */
export async function visit(url: string, as: string, changed: Record<string, string | null> = {}): Promise<Response> {
  const to = new URL(url);
  to.searchParams.set("as", as);
  for (const [key, value] of Object.entries(changed)) {
    if (value === null) to.searchParams.delete(key);
    else to.searchParams.set(key, value);
  }
  return fetch(to, { redirect: "manual" });
}
