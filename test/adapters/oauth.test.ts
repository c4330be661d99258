// Sign-in with a provider, against one that speaks OpenID Connect and OAuth 2 over HTTP and is as strict as the real ones; and
// what comes of it when that provider is slow, away, or says what it should not.
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Fault } from "../../scripts/oauth-answers.ts";
import { type Provider, startProvider } from "../../scripts/oauth-provider.ts";
import { providerOf } from "../../src/adapters/oauth/choice.ts";
import type { FlowSecrets, OAuthProvider } from "../../src/adapters/oauth/provider.ts";
import { ConfigError, type OAuthConfig, parseConfig } from "../../src/config.ts";
import { OUTSIDE_FAILURES_MAX, OUTSIDE_OPEN_MS } from "../../src/core/limits.ts";
import { ok, refuse } from "../../src/core/result.ts";
import { OAUTH_CLIENT, PEOPLE, REDIRECT_URIS, visit } from "../support/oauth.ts";
import { TEST_SECRETS } from "../support/secrets.ts";

const CLIENT = { ...OAUTH_CLIENT, local: true };
const NAMES = ["google", "github"] as const;
type Name = (typeof NAMES)[number];

let server: Provider;
let config: OAuthConfig;
let quiet: ReturnType<typeof vi.spyOn>;

beforeAll(async () => {
  server = await startProvider({ ...OAUTH_CLIENT, redirectUris: REDIRECT_URIS, people: PEOPLE });
  config = {
    google: { ...CLIENT, issuer: `${server.url}/google` },
    github: { ...CLIENT, url: `${server.url}/github`, apiUrl: `${server.url}/github/api` },
  };
  quiet = vi.spyOn(console, "warn").mockImplementation(() => {});
});
afterAll(() => {
  quiet.mockRestore();
  server.close();
});

function named(name: Name, changed: Partial<OAuthConfig> = {}): OAuthProvider {
  const provider = providerOf({ ...config, ...changed }, name);
  if (provider === null) throw new Error(`${name} is off`);
  return provider;
}

async function begin(name: Name): Promise<{ url: string; secrets: FlowSecrets }> {
  const begun = await named(name).begin(REDIRECT_URIS[name]);
  if (!begun.ok) throw new Error(begun.refusal.code);
  return begun.value;
}

async function returned(
  name: Name,
  as: string,
  changed = {},
): Promise<{ secrets: FlowSecrets; answer: URLSearchParams }> {
  const { url, secrets } = await begin(name);
  const visited = await visit(url, as, changed);
  expect(visited.status).toBe(302);
  return { secrets, answer: new URL(visited.headers.get("Location") ?? "").searchParams };
}

const claim = async () => ok(null);

function finish(name: Name, back: { secrets: FlowSecrets; answer: URLSearchParams }) {
  return named(name).finish({ ...back, redirectUri: REDIRECT_URIS[name], claim });
}

describe.each(NAMES)("%s", (name) => {
  it("vouches for somebody by issuer and subject, with a verified address", async () => {
    const first = await finish(name, await returned(name, "ada"));
    expect(first).toMatchObject({ ok: true, value: { email: "ada@example.com" } });
    const again = await finish(name, await returned(name, "ada"));
    const other = await finish(name, await returned(name, "bob"));
    expect(again).toEqual(first);
    if (!first.ok || !other.ok) throw new Error("refused");
    expect(first.value.issuer).toBe(name === "google" ? `${server.url}/google` : `${server.url}/github/login/oauth`);
    expect(first.value.subject).toMatch(/^\d+$/);
    expect(other.value.subject).not.toBe(first.value.subject);
    expect(first.value.handle).toBe(name === "google" ? null : "ada");
  });

  it("names no address that it has not verified", async () => {
    expect(await finish(name, await returned(name, "unverified"))).toMatchObject({ ok: true, value: { email: null } });
  });

  it("is told who says no", async () => {
    expect(await finish(name, await returned(name, "nobody"))).toMatchObject({ refusal: { code: "access_denied" } });
  });

  it("O1 gets one redirect URI, and takes no other", async () => {
    const { url } = await begin(name);
    expect(new URL(url).searchParams.get("redirect_uri")).toBe(REDIRECT_URIS[name]);
    const right = REDIRECT_URIS[name];
    const others = [
      right.replace("callback", "Callback"),
      right.replace("8787", "8788"),
      right.replace("127.0.0.1", "localhost"),
      right.replace("127.0.0.1", "127.0.0.1@evil.example"),
      right.replace("127.0.0.1:8787", "127.0.0.1:8787\\@evil.example"),
      right.replace("/v1", "//v1"),
      `${right}/`,
      `${right}/../x`,
      `${right}?x=1`,
      `${right}#x`,
      right.toUpperCase(),
    ];
    for (const other of others) {
      expect((await visit(url, "ada", { redirect_uri: other })).status, other).toBe(400);
    }
  });

  it("O2 with another state, or none, or two, it is not this sign-in, and no code is sent", async () => {
    const back = await returned(name, "ada");
    const before = server.heard.length;
    const foreign = new URLSearchParams(back.answer);
    foreign.set("state", (await begin(name)).secrets.state);
    const missing = new URLSearchParams(back.answer);
    missing.delete("state");
    const twice = new URLSearchParams(back.answer);
    twice.append("state", back.secrets.state);
    for (const answer of [foreign, missing, twice]) {
      expect(await finish(name, { ...back, answer })).toMatchObject({ refusal: { code: "invalid_code" } });
    }
    expect(server.heard).toHaveLength(before);
  });

  it("O2 a sign-in that was used is refused before its code is sent", async () => {
    const back = await returned(name, "ada");
    const before = server.heard.length;
    const used = async () => refuse({ code: "invalid_code" });
    const refused = await named(name).finish({ ...back, redirectUri: REDIRECT_URIS[name], claim: used });
    expect(refused).toMatchObject({ refusal: { code: "invalid_code" } });
    expect(server.heard).toHaveLength(before);
  });

  it("O3 is asked with a challenge of S256, another each time, and takes nothing less", async () => {
    const one = new URL((await begin(name)).url).searchParams;
    const two = new URL((await begin(name)).url).searchParams;
    expect(one.get("code_challenge_method")).toBe("S256");
    expect(one.get("code_challenge")).toMatch(/^[A-Za-z0-9_-]{43}$/);
    for (const secret of ["code_challenge", "state"]) expect(one.get(secret)).not.toBe(two.get(secret));
    for (const changed of [
      { code_challenge: null },
      { code_challenge_method: "plain" },
      { code_challenge_method: null },
    ]) {
      const back = await returned(name, "ada", changed);
      expect(back.answer.get("error")).toBe("invalid_request");
      expect(await finish(name, back)).toMatchObject({ refusal: { code: "unavailable" } });
    }
  });

  it("O3 a code of another sign-in has another verifier", async () => {
    const mine = await returned(name, "ada");
    const stolen = await returned(name, "mallory");
    const answer = new URLSearchParams(mine.answer);
    answer.set("code", stolen.answer.get("code") ?? "");
    expect(await finish(name, { ...mine, answer })).toMatchObject({ refusal: { code: "invalid_code" } });
  });

  it("O4 a code is good once", async () => {
    const back = await returned(name, "ada");
    expect(await finish(name, back)).toMatchObject({ ok: true });
    expect(await finish(name, back)).toMatchObject({ refusal: { code: "invalid_code" } });
  });

  it("O5 an answer in another issuer's name is not taken, nor its code sent anywhere", async () => {
    const back = await returned(name, "answer_other_iss");
    const before = server.heard.length;
    expect(await finish(name, back)).toMatchObject({ refusal: { code: "invalid_code" } });
    expect(server.heard).toHaveLength(before);
  });

  it("O8 is shown the client's secret in the body of one request, never in an address", async () => {
    const { url } = await begin(name);
    expect(url).not.toContain(encodeURIComponent(CLIENT.clientSecret));
    const back = await returned(name, "ada");
    expect(await finish(name, back)).toMatchObject({ ok: true });
    expect(server.heard.at(-1)?.get("client_secret")).toBe(CLIENT.clientSecret);
    expect(server.heard.at(-1)?.get("code_verifier")).toBe(back.secrets.verifier);
  });

  it("O8 refuses a client with another secret, which is for us to mend", async () => {
    const back = await returned(name, "ada");
    const wrong = { google: null, github: null, [name]: { ...config[name], clientSecret: "another" } };
    const refused = await named(name, wrong).finish({ ...back, redirectUri: REDIRECT_URIS[name], claim });
    expect(refused).toMatchObject({ refusal: { code: "unavailable" } });
  });

  it("that is away is unavailable", async () => {
    const nowhere = "http://127.0.0.1:1";
    const google = { ...CLIENT, issuer: nowhere };
    const github = { ...CLIENT, url: `${server.url}/github`, apiUrl: nowhere };
    const back = await returned(name, "ada");
    const refused = await named(name, { google, github }).finish({ ...back, redirectUri: REDIRECT_URIS[name], claim });
    expect(refused).toMatchObject({ refusal: { code: "unavailable" } });
  });

  it("may be called nowhere but outside, once deployed", async () => {
    const google = { ...CLIENT, issuer: `${server.url}/google`, local: false };
    const github = { ...CLIENT, url: `${server.url}/github`, apiUrl: `${server.url}/github/api`, local: false };
    const back = await returned(name, "ada");
    const before = server.heard.length;
    const refused = await named(name, { google, github }).finish({ ...back, redirectUri: REDIRECT_URIS[name], claim });
    expect(refused).toMatchObject({ refusal: { code: "unavailable" } });
    expect(server.heard).toHaveLength(before);
  });
});

const WITH_BOTH: Fault[] = [
  "token_silent",
  "token_drips",
  "token_hangs_up",
  "token_500",
  "token_html",
  "token_huge",
  "token_redirect",
  "token_empty",
  "answer_error",
];
const UNAVAILABLE: [Name, Fault][] = [
  ...NAMES.flatMap((name) => WITH_BOTH.map((fault): [Name, Fault] => [name, fault])),
  ["google", "id_token_missing"],
  ["google", "id_token_expired"],
  ["google", "id_token_signature"],
  ["google", "id_token_none"],
  ["github", "api_500"],
  ["github", "api_html"],
  ["github", "api_other_shape"],
  ["github", "api_redirect"],
];

describe("a provider that does wrong", () => {
  it.concurrent.each(UNAVAILABLE)(
    "%s, %s: is unavailable",
    async (name, fault) => {
      const refused = await finish(name, await returned(name, fault));
      expect(refused).toMatchObject({ ok: false, refusal: { code: "unavailable" } });
    },
    20_000,
  );

  it.each<Fault>(["id_token_nonce", "id_token_audience", "id_token_issuer", "answer_no_iss"])(
    "google, %s: vouches for another sign-in",
    async (fault) => {
      expect(await finish("google", await returned("google", fault))).toMatchObject({
        refusal: { code: "invalid_code" },
      });
    },
  );

  it.each<[Name, Fault]>([
    ["google", "token_500"],
    ["github", "token_hangs_up"],
  ])("%s, %s: is sent a code once, since a code is good once", async (name, fault) => {
    const back = await returned(name, fault);
    const before = server.heard.length;
    await finish(name, back);
    expect(server.heard).toHaveLength(before + 1);
  });

  it("for long is left alone: nobody waits for it, and no code is sent that would be lost", async () => {
    const away = await startProvider({ ...OAUTH_CLIENT, redirectUris: REDIRECT_URIS, people: PEOPLE });
    const github = { ...CLIENT, url: `${away.url}/github`, apiUrl: `${away.url}/github/api` };
    const provider = named("github", { github });
    const comeBack = async (as: string) => {
      const begun = await provider.begin(REDIRECT_URIS.github);
      if (!begun.ok) throw new Error(begun.refusal.code);
      const visited = await visit(begun.value.url, as);
      const answer = new URL(visited.headers.get("Location") ?? "").searchParams;
      const { secrets } = begun.value;
      return provider.finish({ secrets, answer, redirectUri: REDIRECT_URIS.github, claim });
    };
    for (let n = 0; n < OUTSIDE_FAILURES_MAX; n += 1) await comeBack("token_500");
    const sent = away.heard.length;
    const retryAfterSeconds = OUTSIDE_OPEN_MS / 1_000;
    expect(await comeBack("ada")).toMatchObject({ refusal: { code: "unavailable", retryAfterSeconds } });
    expect(away.heard).toHaveLength(sent);
    away.close();
  });

  it("leaves no secret in the log", async () => {
    await finish("google", await returned("google", "id_token_signature"));
    const lines = quiet.mock.calls.map(String).join("\n");
    expect(lines).toContain("oauth_failed");
    for (const secret of [CLIENT.clientSecret, "eyJ"]) expect(lines).not.toContain(secret);
  });
});

describe("the configuration", () => {
  const VARS = {
    ...TEST_SECRETS,
    ENVIRONMENT: "production",
    VENUE: "main",
    PRICE_SEED: "1",
    ISSUER: "tradepost",
    AUDIENCE: "tradepost-api",
    PUBLIC_URL: "https://tradepost.example/",
    MAIL_PROVIDER: "resend",
    MAIL_FROM: "no-reply@tradepost.example",
    MAIL_API_KEY: "re_test",
  };
  const both = {
    OAUTH_GOOGLE_CLIENT_ID: "g",
    OAUTH_GOOGLE_CLIENT_SECRET: "gs",
    OAUTH_GITHUB_CLIENT_ID: "h",
    OAUTH_GITHUB_CLIENT_SECRET: "hs",
  };

  it("has no provider unless it names a client", () => {
    expect(parseConfig(VARS).oauth).toEqual({ google: null, github: null });
    expect(parseConfig({ ...VARS, OAUTH_GOOGLE_CLIENT_ID: "" }).oauth.google).toBeNull();
    for (const name of NAMES) expect(providerOf(parseConfig(VARS).oauth, name)).toBeNull();
  });

  it("has the real ones unless it names others, and comes back to the API", () => {
    const { oauth, apiUrl } = parseConfig({ ...VARS, ...both });
    expect(oauth).toEqual({
      google: { clientId: "g", clientSecret: "gs", local: false, issuer: "https://accounts.google.com" },
      github: {
        clientId: "h",
        clientSecret: "hs",
        local: false,
        url: "https://github.com",
        apiUrl: "https://api.github.com",
      },
    });
    expect(apiUrl).toBe("https://tradepost.example");
    expect(parseConfig({ ...VARS, API_URL: "https://api.tradepost.example/" }).apiUrl).toBe(
      "https://api.tradepost.example",
    );
  });

  it.each([
    ["a client without its secret", { OAUTH_GOOGLE_CLIENT_SECRET: undefined }, "OAUTH_GOOGLE_CLIENT_SECRET"],
    ["the other without its secret", { OAUTH_GITHUB_CLIENT_SECRET: "" }, "OAUTH_GITHUB_CLIENT_SECRET"],
    ["plain http", { OAUTH_GOOGLE_ISSUER: "http://accounts.google.com" }, "OAUTH_GOOGLE_ISSUER"],
    ["this machine", { OAUTH_GITHUB_API_URL: "http://127.0.0.1:8788" }, "OAUTH_GITHUB_API_URL"],
    ["an address inside", { OAUTH_GITHUB_URL: "https://10.0.0.1" }, "OAUTH_GITHUB_URL"],
  ])("refuses %s, by name", (_, changed, name) => {
    expect(() => parseConfig({ ...VARS, ...both, ...changed })).toThrow(ConfigError);
    expect(() => parseConfig({ ...VARS, ...both, ...changed })).toThrow(name);
  });
});
