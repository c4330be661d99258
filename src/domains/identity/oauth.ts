// Sign-in with a provider, from the browser's way out to its way back: what is asked, what is judged, and where it ends.

import { createHash } from "node:crypto";
import { eq, lt } from "drizzle-orm";
import { providerOf } from "../../adapters/oauth/choice.ts";
import type { OAuthProvider } from "../../adapters/oauth/provider.ts";
import { SIGN_IN_MAX_MS, SIGN_IN_SPARE_MS } from "../../core/limits.ts";
import type { ProviderName } from "../../core/providers.ts";
import { ok, type Refusal, type RefusalCode, type Result, refuse } from "../../core/result.ts";
import { returnTarget } from "../../core/urls.ts";
import { guardD1 } from "../../db/client.ts";
import { oauthUsedStates, users } from "../../db/tables.ts";
import type { Principal } from "../../http/context.ts";
import type { Flow } from "../../http/sign-in-cookie.ts";
import type { Entered } from "./enter.ts";
import { hasIdentity, linkIdentity } from "./oauth-identities.ts";
import { signIn } from "./oauth-people.ts";
import type { Tokens } from "./sessions.ts";
import type { IdentityContext, Origin } from "./user.ts";

const NO_PROVIDER: Refusal = { code: "not_found", detail: "Nobody can sign in with this provider here." };
const USED: Refusal = { code: "invalid_code", detail: "This sign-in has been used." };
const LINKED: Refusal = { code: "identity_taken", detail: "An identity of this provider is linked already." };

/** Where a browser goes, and the sign-in that it is to keep; null when it has ended before it began. */
export interface Begun {
  url: string;
  flow: Flow | null;
}

/** Where a browser goes after a provider has sent it back. `spent`: its sign-in is over, however it ended. */
export interface Landing {
  url: string;
  tokens: Tokens | null;
  spent: boolean;
}

interface Way {
  provider: OAuthProvider;
  name: ProviderName;
  returnTo: string;
}

/** Refuses `validation_failed` for a way back that would lead elsewhere, and `not_found` for a provider that is off. */
function wayOf({ config }: IdentityContext, name: ProviderName, wished: string | undefined): Result<Way> {
  const returnTo = returnTarget(wished ?? config.publicUrl, config.publicUrl, config.allowedOrigins);
  if (returnTo === null) {
    const detail = "must be a path, or a URL of this or a listed origin, without a fragment";
    return refuse({ code: "validation_failed", errors: [{ pointer: "/return_to", code: "not_allowed", detail }] });
  }
  const provider = providerOf(config.oauth, name);
  return provider === null ? refuse(NO_PROVIDER) : ok({ provider, name, returnTo });
}

/** As text, exactly what has been registered at the provider: never made of what a request says of its host. */
function redirectUriOf({ config }: IdentityContext, name: ProviderName): string {
  return `${config.apiUrl}/v1/auth/oauth/${name}/callback`;
}

async function begin(
  ctx: IdentityContext,
  { provider, name, returnTo }: Way,
  link: Flow["link"],
): Promise<Result<{ url: string; flow: Flow }>> {
  const begun = await provider.begin(redirectUriOf(ctx, name));
  if (!begun.ok) return begun;
  const { url, secrets } = begun.value;
  return ok({ url, flow: { provider: name, returnTo, link, ...secrets } });
}

/**
 * Begins a sign-in. A provider that cannot be reached sends the browser back at once, with `unavailable`. Refuses
 * `validation_failed` for `returnTo`, and `not_found` for a provider that is off.
 */
export async function beginSignIn(
  ctx: IdentityContext,
  name: ProviderName,
  returnTo: string | undefined,
): Promise<Result<Begun>> {
  const way = wayOf(ctx, name, returnTo);
  if (!way.ok) return way;
  const begun = await begin(ctx, way.value, null);
  return begun.ok ? begun : ok({ url: withError(way.value.returnTo, begun.refusal.code), flow: null });
}

/**
 * Begins to link an identity to the caller, whose e-mail address must be verified (`email_not_verified`) and who must not
 * have one of this provider (`identity_taken`). Refuses as {@link beginSignIn}, and `unavailable`.
 */
export async function beginLink(
  ctx: IdentityContext,
  caller: Principal,
  name: ProviderName,
  returnTo: string | undefined,
): Promise<Result<{ url: string; flow: Flow }>> {
  const way = wayOf(ctx, name, returnTo);
  if (!way.ok) return way;
  const { userId, sessionId } = caller;
  const found = await guardD1(
    ctx.db.select({ verified: users.emailVerified }).from(users).where(eq(users.id, userId)).limit(1),
  );
  if (!found.ok) return found;
  // Not as the token has it: that may be ten minutes old.
  if (found.value[0]?.verified !== true) return refuse({ code: "email_not_verified" });
  const has = await hasIdentity(ctx, userId, name);
  if (!has.ok) return has;
  return has.value ? refuse(LINKED) : begin(ctx, way.value, { userId, sessionId });
}

/**
 * Ends a sign-in that a provider has sent back: opens a session, asks for a second factor, or links what was to be linked;
 * else the browser goes back with `error`. One that this browser has not begun changes nothing, and ends at `PUBLIC_URL`.
 * Refuses only `not_found`, for a provider that is off.
 */
export async function land(
  ctx: IdentityContext,
  name: ProviderName,
  { flow, answer }: { flow: Flow | undefined; answer: URLSearchParams },
  origin: Origin,
): Promise<Result<Landing>> {
  const provider = providerOf(ctx.config.oauth, name);
  if (provider === null) return refuse(NO_PROVIDER);
  if (flow === undefined || flow.provider !== name || flow.state !== answer.get("state")) {
    return ok({ url: withError(ctx.config.publicUrl, "invalid_code"), tokens: null, spent: false });
  }
  const { state, verifier, nonce, returnTo, link } = flow;
  const vouched = await provider.finish({
    answer,
    secrets: { state, verifier, nonce },
    redirectUri: redirectUriOf(ctx, name),
    claim: () => claim(ctx, state),
  });
  if (!vouched.ok) return ok({ url: withError(returnTo, vouched.refusal.code), tokens: null, spent: true });
  // The provider has taken its time: a session is opened now.
  const now = { ...ctx, nowMs: Date.now() };
  const who = { name, ...vouched.value };
  const ended = link === null ? await signIn(now, who, origin) : await linkIdentity(now, link, who);
  return ok(ended.ok ? landingOf(returnTo, ended.value) : { url: withError(returnTo, ended.refusal.code), ...NOTHING });
}

const NOTHING = { tokens: null, spent: true } as const;

function landingOf(returnTo: string, entered: Entered | null): Landing {
  if (entered === null) return { url: returnTo, ...NOTHING };
  if (entered.kind === "session") return { url: returnTo, tokens: entered.tokens, spent: true };
  // After the #: browsers send that part to nobody. It opens nothing without the second factor.
  return { url: `${returnTo}#mfa_token=${entered.mfaToken}`, ...NOTHING };
}

function withError(returnTo: string, code: RefusalCode): string {
  const url = new URL(returnTo);
  url.searchParams.set("error", code);
  return url.href;
}

/** Uses a sign-in up: of many that come back with the same state, one is told so. Refuses `invalid_code`, `unavailable`. */
async function claim(ctx: IdentityContext, state: string): Promise<Result<null>> {
  const hash = createHash("sha256").update(state, "utf8").digest("hex");
  const expiresAt = ctx.nowMs + SIGN_IN_MAX_MS + SIGN_IN_SPARE_MS;
  const written = await guardD1(
    ctx.db.batch([
      ctx.db.delete(oauthUsedStates).where(lt(oauthUsedStates.expiresAt, ctx.nowMs)),
      ctx.db.insert(oauthUsedStates).values({ hash, expiresAt }),
    ]),
  );
  if (written.ok) return ok(null);
  return refuse(written.uniqueColumn === undefined ? written.refusal : USED);
}
