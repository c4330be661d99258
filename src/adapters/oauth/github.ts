// Sign-in with GitHub: OAuth 2 without an id_token, https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps.
// Its word is what its API says of whoever the access token is of; the token is forgotten after that.

import { type AuthorizationServer, processAuthorizationCodeResponse, protectedResourceRequest } from "oauth4webapi";
import { z } from "zod";
import type { OAuthConfig } from "../../config.ts";
import { ok, type Result } from "../../core/result.ts";
import { asRefusal, authorizationUrl, type CallOptions, callOptions, exchange } from "./flow.ts";
import type { OAuthProvider, Returned, Vouched } from "./provider.ts";

/** Where GitHub and its API are, and who we are there. */
export type GithubAccount = NonNullable<OAuthConfig["github"]>;

const userSchema = z.object({ id: z.int().positive(), login: z.string().max(100) });

const emailsSchema = z.array(z.object({ email: z.string(), primary: z.boolean(), verified: z.boolean() }));

/** Signs people in with GitHub, or with an Enterprise Server that has the same API. */
export function github(account: GithubAccount): OAuthProvider {
  return {
    begin: (redirectUri) => {
      const wish = { clientId: account.clientId, redirectUri, scope: "user:email", openid: false };
      return asRefusal("github", async () => ok(await authorizationUrl(serverOf(account), wish)));
    },
    finish: (returned) => asRefusal("github", () => finish(account, returned)),
  };
}

/** GitHub publishes no metadata of this; what it sends as `iss`, if it does, is where it signs people in. */
function serverOf({ url }: GithubAccount): AuthorizationServer {
  return {
    issuer: `${url}/login/oauth`,
    authorization_endpoint: `${url}/login/oauth/authorize`,
    token_endpoint: `${url}/login/oauth/access_token`,
  };
}

async function finish(account: GithubAccount, returned: Returned): Promise<Result<Vouched>> {
  const options = callOptions("github", account.local);
  const as = serverOf(account);
  const answered = await exchange(as, account, returned, options);
  if (!answered.ok) return answered;
  const client = { client_id: account.clientId };
  const tokens = await processAuthorizationCodeResponse(as, client, await asStandard(answered.value));
  const [user, emails] = await Promise.all([
    read(`${account.apiUrl}/user`, tokens.access_token, options).then((body) => userSchema.parse(body)),
    read(`${account.apiUrl}/user/emails`, tokens.access_token, options).then((body) => emailsSchema.parse(body)),
  ]);
  const email = emails.find(({ primary, verified }) => primary && verified)?.email ?? null;
  return ok({ issuer: as.issuer, subject: String(user.id), email, handle: user.login });
}

/** GitHub's names of a code that is not, or no more, good. */
const BAD_CODE: ReadonlySet<unknown> = new Set(["bad_verification_code", "redirect_uri_mismatch"]);

/** GitHub says what is wrong with a code in a 200 and in words of its own: said here as RFC 6749 has it. */
async function asStandard(answer: Response): Promise<Response> {
  const said: unknown = await answer
    .clone()
    .json()
    .catch(() => null);
  const error = typeof said === "object" && said !== null && "error" in said ? said.error : undefined;
  if (error === undefined) return answer;
  const standard = BAD_CODE.has(error) ? "invalid_grant" : String(error);
  return Response.json({ error: standard }, { status: 400 });
}

async function read(url: string, token: string, options: CallOptions): Promise<unknown> {
  const headers = new Headers({ ...options.headers, Accept: "application/vnd.github+json" });
  const answer = await protectedResourceRequest(token, "GET", new URL(url), headers, null, options);
  if (answer.status !== 200) throw new Error(`${answer.status} from the provider's API`);
  return answer.json();
}
