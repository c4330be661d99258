// The two legs of a sign-in with a provider: one deadline for all calls of a step, and every failure a refusal.

import {
  AuthorizationResponseError,
  type AuthorizationServer,
  allowInsecureRequests,
  authorizationCodeGrantRequest,
  type Client,
  ClientSecretPost,
  type CustomFetchOptions,
  calculatePKCECodeChallenge,
  customFetch,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
  JWT_CLAIM_COMPARISON,
  OperationProcessingError,
  type ProtectedResourceRequestBody,
  ResponseBodyError,
  validateAuthResponse,
} from "oauth4webapi";
import type { OAuthClient } from "../../config.ts";
import {
  OUTSIDE_ANSWER_BYTES_MAX,
  OUTSIDE_LANES_MAX,
  PROVIDER_TRIES_MAX,
  PROVIDER_TRY_MS,
  PROVIDER_WAIT_MS,
} from "../../core/limits.ts";
import type { ProviderName } from "../../core/providers.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { mayCall } from "../../core/urls.ts";
import { log } from "../../log.ts";
import { askAgainAfter, outsideFetch } from "../outside.ts";
import type { FlowSecrets, Returned } from "./provider.ts";

/** What the library wants sent. */
type Sent = Pick<CustomFetchOptions<string, ProtectedResourceRequestBody>, "method" | "headers" | "body">;

/** What every call of one step has in common. Made anew for each step: its deadline runs from then. */
export function callOptions(provider: ProviderName, local: boolean) {
  const signal = AbortSignal.timeout(PROVIDER_WAIT_MS);
  const ask = outsideFetch(provider, {
    callMs: PROVIDER_WAIT_MS,
    tryMs: PROVIDER_TRY_MS,
    tries: PROVIDER_TRIES_MAX,
    lanes: OUTSIDE_LANES_MAX,
    answerBytes: OUTSIDE_ANSWER_BYTES_MAX,
  });
  return {
    [customFetch]: async (url: string, { method, headers, body }: Sent) => {
      // A provider names its own addresses: none of them may lead into somebody's network.
      if (!mayCall(new URL(url), local)) throw new Error("the provider names an address that may not be called");
      return ask(url, { method, headers, body: body ?? null, signal });
    },
    [allowInsecureRequests]: local,
    headers: { "User-Agent": "tradepost", Accept: "application/json" },
    signal,
  };
}

/** The options of one step's calls. */
export type CallOptions = ReturnType<typeof callOptions>;

/** Does `work` with a provider. Whatever it throws is the refusal `unavailable`, unless the answer was of another sign-in. */
export async function asRefusal<T>(provider: ProviderName, work: () => Promise<Result<T>>): Promise<Result<T>> {
  try {
    return await work();
  } catch (error) {
    if (isOfAnother(error)) return refuse(NOT_THIS_ONE);
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    // Its cause has the provider's answer in it, tokens and all.
    log("warn", "oauth_failed", { provider, name, message });
    const retryAfterSeconds = askAgainAfter(error);
    const away = { code: "unavailable", detail: "The provider does not answer as it should; try again." } as const;
    return refuse(retryAfterSeconds === null ? away : { ...away, retryAfterSeconds });
  }
}

const NOT_THIS_ONE: Refusal = { code: "invalid_code", detail: "This sign-in was used, is too old, or is another one." };
const DENIED: Refusal = { code: "access_denied", detail: "The sign-in was canceled at the provider." };

/** Whether a provider has found the code to be used, old or of another flow, or has signed another's nonce or audience. */
function isOfAnother(error: unknown): boolean {
  if (error instanceof ResponseBodyError) return error.error === "invalid_grant";
  return error instanceof OperationProcessingError && error.code === JWT_CLAIM_COMPARISON;
}

/** The first leg: where the browser goes, with state, PKCE and `nonce`, and what it must bring back. */
export async function authorizationUrl(
  as: AuthorizationServer,
  wish: { clientId: string; redirectUri: string; scope: string; openid: boolean },
): Promise<{ url: string; secrets: FlowSecrets }> {
  const secrets = {
    state: generateRandomState(),
    verifier: generateRandomCodeVerifier(),
    nonce: generateRandomNonce(),
  };
  const url = new URL(as.authorization_endpoint ?? "");
  const asked = {
    client_id: wish.clientId,
    redirect_uri: wish.redirectUri,
    response_type: "code",
    scope: wish.scope,
    state: secrets.state,
    code_challenge: await calculatePKCECodeChallenge(secrets.verifier),
    code_challenge_method: "S256",
    ...(wish.openid ? { nonce: secrets.nonce } : {}),
  };
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  return { url: url.href, secrets };
}

/** What a provider may say when nobody wanted to sign in. */
const DECLINED: ReadonlySet<string> = new Set(["access_denied", "login_required", "consent_required"]);

/** Judges what came back through the browser: state, issuer (RFC 9207), an error, one code. */
function judgeAnswer(as: AuthorizationServer, client: Client, { answer, secrets }: Returned): Result<URLSearchParams> {
  try {
    return ok(validateAuthResponse(as, client, answer, secrets.state));
  } catch (error) {
    if (!(error instanceof AuthorizationResponseError)) return refuse(NOT_THIS_ONE);
    if (DECLINED.has(error.error)) return refuse(DENIED);
    throw error;
  }
}

/** The second leg as far as the token endpoint's answer: judges what came back, uses the sign-in up, sends its code. */
export async function exchange(
  as: AuthorizationServer,
  { clientId, clientSecret }: OAuthClient,
  returned: Returned,
  options: CallOptions,
): Promise<Result<Response>> {
  const client: Client = { client_id: clientId };
  const judged = judgeAnswer(as, client, returned);
  if (!judged.ok) return judged;
  if (!judged.value.get("code")) return refuse(NOT_THIS_ONE);
  const claimed = await returned.claim();
  if (!claimed.ok) return claimed;
  const { redirectUri, secrets } = returned;
  const auth = ClientSecretPost(clientSecret);
  return ok(
    await authorizationCodeGrantRequest(as, client, auth, judged.value, redirectUri, secrets.verifier, options),
  );
}
