// Sign-in with Google: OpenID Connect, https://developers.google.com/identity/openid-connect/openid-connect. Its addresses and
// keys come from its discovery document, its word from the id_token.

import {
  discoveryRequest,
  getValidatedIdTokenClaims,
  type JWKSCacheInput,
  jwksCache,
  processAuthorizationCodeResponse,
  processDiscoveryResponse,
  validateApplicationLevelSignature,
} from "oauth4webapi";
import { z } from "zod";
import type { OAuthConfig } from "../../config.ts";
import { PROVIDER_METADATA_AGE_MS } from "../../core/limits.ts";
import { ok, type Result } from "../../core/result.ts";
import { asRefusal, authorizationUrl, type CallOptions, callOptions, exchange } from "./flow.ts";
import type { OAuthProvider, Returned, Vouched } from "./provider.ts";

/** Where Google is, and who we are there. */
export type GoogleAccount = NonNullable<OAuthConfig["google"]>;

/** What is gone by of its discovery document. */
const metadataSchema = z.object({
  issuer: z.string(),
  authorization_endpoint: z.url(),
  token_endpoint: z.url(),
  jwks_uri: z.url(),
  id_token_signing_alg_values_supported: z.array(z.string()).default(["RS256"]),
  authorization_response_iss_parameter_supported: z.boolean().default(false),
});

const claimsSchema = z.object({
  sub: z.string().min(1).max(255),
  email: z.string().optional(),
  email_verified: z.boolean().optional(),
});

/** What an isolate knows of an issuer. Plain data: what one request waits for must never be waited for by another. */
interface Known {
  as: z.output<typeof metadataSchema>;
  untilMs: number;
  keys: JWKSCacheInput;
}

const known = new Map<string, Known>();

/** Signs people in with Google, or with another issuer that speaks OpenID Connect. */
export function google(account: GoogleAccount): OAuthProvider {
  return {
    begin: (redirectUri) => {
      return asRefusal("google", async () => {
        const { as } = await issuerOf(account, callOptions("google", account.local));
        const wish = { clientId: account.clientId, redirectUri, scope: "openid email", openid: true };
        return ok(await authorizationUrl(as, wish));
      });
    },
    finish: (returned) => asRefusal("google", () => finish(account, returned)),
  };
}

async function finish(account: GoogleAccount, returned: Returned): Promise<Result<Vouched>> {
  const options = callOptions("google", account.local);
  const { as, keys } = await issuerOf(account, options);
  const answered = await exchange(as, account, returned, options);
  if (!answered.ok) return answered;
  const tokens = await processAuthorizationCodeResponse(as, { client_id: account.clientId }, answered.value, {
    expectedNonce: returned.secrets.nonce,
    requireIdToken: true,
  });
  await validateApplicationLevelSignature(as, answered.value, { ...options, [jwksCache]: keys });
  keepKeys(as.issuer, keys);
  const { sub, email, email_verified } = claimsSchema.parse(getValidatedIdTokenClaims(tokens));
  return ok({
    issuer: as.issuer,
    subject: sub,
    email: email_verified === true && email !== undefined ? email : null,
    handle: null,
  });
}

/** The issuer's addresses and keys as they are known, for this step alone: the library writes into both. */
async function issuerOf({ issuer }: GoogleAccount, options: CallOptions): Promise<Pick<Known, "as" | "keys">> {
  let one = known.get(issuer);
  if (one === undefined || one.untilMs <= Date.now()) {
    const url = new URL(issuer);
    const as = await processDiscoveryResponse(url, await discoveryRequest(url, options));
    one = { as: metadataSchema.parse(as), untilMs: Date.now() + PROVIDER_METADATA_AGE_MS, keys: {} };
    known.set(issuer, one);
  }
  return structuredClone({ as: one.as, keys: one.keys });
}

function keepKeys(issuer: string, keys: JWKSCacheInput): void {
  const one = known.get(issuer);
  if (one !== undefined) one.keys = structuredClone(keys);
}
