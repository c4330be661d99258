// What the test provider says at its token endpoints and in its API, rightly or with the fault that somebody was given.

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type generateKeyPair, SignJWT } from "jose";

const BODY_CHARS_MAX = 10_000;
const ID_TOKEN_TTL = "5m";

/** Which of the two a path belongs to. */
export type Dialect = "google" | "github";

/** What goes wrong for one person, so that tests at the same time do not meet each other's. */
export const FAULTS = [
  "answer_other_iss",
  "answer_no_iss",
  "answer_error",
  "token_silent",
  "token_drips",
  "token_hangs_up",
  "token_500",
  "token_html",
  "token_huge",
  "token_redirect",
  "token_empty",
  "id_token_missing",
  "id_token_nonce",
  "id_token_audience",
  "id_token_issuer",
  "id_token_expired",
  "id_token_signature",
  "id_token_none",
  "api_500",
  "api_html",
  "api_other_shape",
  "api_redirect",
] as const;

/** One of {@link FAULTS}. */
export type Fault = (typeof FAULTS)[number];

/** Somebody who has an account here. */
export interface Person {
  email: string;
  verified: boolean;
  fault?: Fault;
}

/** What this provider is started with. `people`: who is somebody else than their name says. */
export interface ProviderOptions {
  port?: number;
  clientId: string;
  clientSecret: string;
  redirectUris: Readonly<Record<Dialect, string>>;
  people?: ReadonlyMap<string, Person>;
}

/** What a code was given for. */
export interface Grant {
  dialect: Dialect;
  redirectUri: string;
  challenge: string;
  nonce: string | null;
  as: string;
  until: number;
  /** The access token that the code was given for, once it was. */
  token: string | null;
}

/** What the provider knows. */
export interface State {
  options: ProviderOptions;
  url: string;
  key: Awaited<ReturnType<typeof generateKeyPair>>;
  wrongKey: Awaited<ReturnType<typeof generateKeyPair>>;
  jwk: object;
  grants: Map<string, Grant>;
  /** By access token, whose it is. */
  tokens: Map<string, string>;
  heard: URLSearchParams[];
}

/** Answers with JSON. */
export function json(response: ServerResponse, status: number, body: unknown): ServerResponse {
  return response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

/** Answers with a page. */
export function html(response: ServerResponse, status: number, body: string): ServerResponse {
  const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Test provider</title>${body}</html>`;
  return response.writeHead(status, { "Content-Type": "text/html; charset=utf-8" }).end(page);
}

/** Who somebody is: what their name says, unless it was arranged otherwise. */
export function personOf({ options }: State, as: string): Person {
  const email = as.includes("@") ? as : `${as}@example.com`;
  return options.people?.get(as) ?? { email, verified: true };
}

function subjectOf(as: string): number {
  return createHash("sha256").update(as).digest().readUIntBE(0, 5) + 1;
}

async function bodyOf(request: IncomingMessage): Promise<URLSearchParams> {
  let text = "";
  for await (const piece of request.setEncoding("utf8")) {
    text += piece;
    if (text.length > BODY_CHARS_MAX) throw new Error("too long a body");
  }
  return new URLSearchParams(text);
}

function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** The token endpoint: one use of a code, by the client, for the redirect URI and the verifier that it was made for. */
export async function token(state: State, dialect: Dialect, request: IncomingMessage, response: ServerResponse) {
  const sent = await bodyOf(request);
  state.heard.push(sent);
  const wrong = (standard: string, githubs: string) => {
    // GitHub says in a 200 what is wrong, and in words of its own.
    if (dialect === "github") return json(response, 200, { error: githubs, error_description: "No." });
    return json(response, standard === "invalid_client" ? 401 : 400, { error: standard });
  };
  const { clientId, clientSecret } = state.options;
  const known = sent.get("client_id") === clientId && sameText(sent.get("client_secret") ?? "", clientSecret);
  if (!known) return wrong("invalid_client", "incorrect_client_credentials");
  if (sent.get("grant_type") !== "authorization_code") return wrong("unsupported_grant_type", "unsupported_grant_type");
  const grant = state.grants.get(sent.get("code") ?? "");
  if (grant === undefined || grant.dialect !== dialect) return wrong("invalid_grant", "bad_verification_code");
  if (grant.token !== null || grant.until < Date.now()) {
    // A code that comes twice has been stolen: what the first got is worth nothing any more.
    state.tokens.delete(grant.token ?? "");
    return wrong("invalid_grant", "bad_verification_code");
  }
  if (sent.get("redirect_uri") !== grant.redirectUri) return wrong("invalid_grant", "redirect_uri_mismatch");
  const challenge = createHash("sha256")
    .update(sent.get("code_verifier") ?? "")
    .digest("base64url");
  if (challenge !== grant.challenge) return wrong("invalid_grant", "bad_verification_code");
  grant.token = randomBytes(24).toString("base64url");
  state.tokens.set(grant.token, grant.as);
  return giveToken(state, grant, response);
}

async function giveToken(state: State, grant: Grant, response: ServerResponse): Promise<ServerResponse> {
  const { fault } = personOf(state, grant.as);
  switch (fault) {
    case "token_silent":
      return response;
    case "token_drips":
      response.writeHead(200, { "Content-Type": "application/json" }).write("{");
      return response;
    case "token_hangs_up":
      return response.destroy();
    case "token_500":
      return json(response, 500, { error: "server_error" });
    case "token_html":
      return html(response, 200, "<p>Welcome to the hotel.");
    case "token_redirect":
      return response.writeHead(307, { Location: `${state.url}/google/token` }).end();
    case "token_empty":
      return json(response, 200, {});
    default: {
      const token = { access_token: grant.token, token_type: "bearer", scope: "email" };
      const idToken = grant.dialect === "google" && fault !== "id_token_missing" ? await idTokenOf(state, grant) : {};
      // Right in every other way: only its size is wrong.
      const filler = fault === "token_huge" ? { filler: "x".repeat(2_000_000) } : {};
      return json(response, 200, { ...token, ...idToken, ...filler });
    }
  }
}

async function idTokenOf(state: State, { as, nonce }: Grant): Promise<{ id_token: string }> {
  const { email, verified, fault } = personOf(state, as);
  const said = { email, email_verified: verified, nonce: fault === "id_token_nonce" ? "another" : nonce };
  const token = new SignJWT(said)
    .setProtectedHeader({ alg: "RS256", kid: "test" })
    .setIssuer(fault === "id_token_issuer" ? `${state.url}/other` : `${state.url}/google`)
    .setAudience(fault === "id_token_audience" ? "another-client" : state.options.clientId)
    .setSubject(String(subjectOf(as)))
    .setIssuedAt()
    .setExpirationTime(fault === "id_token_expired" ? "-1h" : ID_TOKEN_TTL);
  const signed = await token.sign(fault === "id_token_signature" ? state.wrongKey.privateKey : state.key.privateKey);
  if (fault !== "id_token_none") return { id_token: signed };
  const header = Buffer.from('{"alg":"none"}').toString("base64url");
  return { id_token: `${header}.${signed.split(".")[1]}.` };
}

/** What GitHub's API says of whoever the access token is of. */
export function api(state: State, emails: boolean, request: IncomingMessage, response: ServerResponse): ServerResponse {
  const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "")?.[1];
  const as = state.tokens.get(token ?? "");
  if (as === undefined) return json(response, 401, { message: "Bad credentials" });
  // As GitHub has it: who does not say what they are is refused.
  if (request.headers["user-agent"] === undefined) return json(response, 403, { message: "User-Agent required" });
  const { email, verified, fault } = personOf(state, as);
  if (fault === "api_500") return json(response, 500, { message: "Server Error" });
  if (fault === "api_html") return html(response, 200, "<p>Unicorn!");
  if (fault === "api_redirect") return response.writeHead(302, { Location: `${state.url}/github/api/user` }).end();
  if (fault === "api_other_shape") return json(response, 200, emails ? { email } : { id: "1", login: as });
  if (!emails) return json(response, 200, { id: subjectOf(as), login: as.split("@")[0], email: null });
  const other = { email: `other-${email}`, primary: false, verified: true, visibility: null };
  return json(response, 200, [other, { email, primary: true, verified, visibility: "private" }]);
}
