// A provider that people can sign in with on this machine: it speaks OpenID Connect as Google does and OAuth 2 as GitHub does,
// over HTTP, and is as strict as they are about redirect URIs, codes, PKCE and client secrets. Anybody is whoever they say.

import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair } from "jose";
import { api, type Dialect, html, json, type ProviderOptions, personOf, type State, token } from "./oauth-answers.ts";

const HOST = "127.0.0.1";
const CODE_TTL_MS = 60_000;

/** A provider that runs. `heard` has what came to its token endpoints. */
export interface Provider {
  url: string;
  heard: URLSearchParams[];
  close: () => void;
}

/** Starts the provider on this machine; a port of 0 is any. It keeps nothing beyond its process, and does not keep that alive. */
export async function startProvider(options: ProviderOptions): Promise<Provider> {
  const key = await generateKeyPair("RS256");
  const wrongKey = await generateKeyPair("RS256");
  const jwk = { ...(await exportJWK(key.publicKey)), kid: "test", alg: "RS256", use: "sig" };
  const state: State = { options, url: "", key, wrongKey, jwk, grants: new Map(), tokens: new Map(), heard: [] };
  const server = createServer((request, response) => {
    serve(state, request, response).catch((error) => {
      console.error(error);
      response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, HOST, resolve);
  });
  server.unref();
  state.url = `http://${HOST}:${(server.address() as AddressInfo).port}`;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: state.url, heard: state.heard, close };
}

async function serve(state: State, request: IncomingMessage, response: ServerResponse): Promise<unknown> {
  const url = new URL(request.url ?? "/", state.url);
  switch (`${request.method} ${url.pathname}`) {
    case "GET /google/.well-known/openid-configuration":
      return json(response, 200, discovery(state));
    case "GET /google/jwks":
      return json(response, 200, { keys: [state.jwk] });
    case "GET /google/authorize":
      return authorize(state, "google", url.searchParams, response);
    case "GET /github/login/oauth/authorize":
      return authorize(state, "github", url.searchParams, response);
    case "POST /google/token":
      return token(state, "google", request, response);
    case "POST /github/login/oauth/access_token":
      return token(state, "github", request, response);
    case "GET /github/api/user":
    case "GET /github/api/user/emails":
      return api(state, url.pathname.endsWith("emails"), request, response);
    default:
      return json(response, 404, { error: "not_found" });
  }
}

function discovery({ url }: State) {
  return {
    issuer: `${url}/google`,
    authorization_endpoint: `${url}/google/authorize`,
    token_endpoint: `${url}/google/token`,
    jwks_uri: `${url}/google/jwks`,
    response_types_supported: ["code"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256"],
    code_challenge_methods_supported: ["S256"],
    authorization_response_iss_parameter_supported: true,
  };
}

/** Strict about who asks and where the answer goes: without both it answers nobody but the person. */
function authorize(state: State, dialect: Dialect, asked: URLSearchParams, response: ServerResponse): ServerResponse {
  const { clientId, redirectUris } = state.options;
  const redirectUri = asked.get("redirect_uri");
  if (asked.get("client_id") !== clientId) return html(response, 400, "<p>No such client.");
  // As text: another case, port, path, or a part more is another address.
  if (redirectUri !== redirectUris[dialect]) return html(response, 400, "<p>Not a redirect URI of this client.");
  const answer = (fields: Record<string, string>) => sendBack(state, { dialect, redirectUri, asked, response }, fields);
  const challenge = asked.get("code_challenge") ?? "";
  const proof = asked.get("code_challenge_method") === "S256" && /^[A-Za-z0-9_-]{43}$/.test(challenge);
  if (asked.get("response_type") !== "code" || !proof) return answer({ error: "invalid_request" });
  const as = asked.get("as");
  if (as === null || as === "") return html(response, 200, page(asked));
  if (as === "nobody") return answer({ error: "access_denied" });
  const { fault } = personOf(state, as);
  if (fault === "answer_error") return answer({ error: "server_error" });
  const code = randomBytes(24).toString("base64url");
  const nonce = asked.get("nonce");
  state.grants.set(code, { dialect, redirectUri, challenge, nonce, as, until: Date.now() + CODE_TTL_MS, token: null });
  return answer({ code });
}

interface Return {
  dialect: Dialect;
  redirectUri: string;
  asked: URLSearchParams;
  response: ServerResponse;
}

function sendBack(
  state: State,
  { dialect, redirectUri, asked, response }: Return,
  fields: Record<string, string>,
): ServerResponse {
  const to = new URL(redirectUri);
  for (const [name, value] of Object.entries(fields)) to.searchParams.set(name, value);
  const sent = asked.get("state");
  if (sent !== null) to.searchParams.set("state", sent);
  const { fault } = personOf(state, asked.get("as") ?? "");
  const iss = fault === "answer_other_iss" ? `${state.url}/other` : `${state.url}/google`;
  const names = dialect === "google" ? fault !== "answer_no_iss" : fault === "answer_other_iss";
  if (names) to.searchParams.set("iss", iss);
  return response.writeHead(302, { Location: to.href }).end();
}

/** The page where one says who one is. */
function page(asked: URLSearchParams): string {
  const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
  const hidden = [...asked].map(
    ([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`,
  );
  return `<h1>Test provider</h1><p>Nothing leaves this machine. Who are you?
<form>${hidden.join("")}<input name="as" value="grace@example.com" autofocus> <button>Sign in</button></form>
<form>${hidden.join("")}<input type="hidden" name="as" value="nobody"><button>Cancel</button></form>`;
}
