// The verbs of API keys: each is one call to the account object, which alone knows which keys there are.
import { typeId } from "../../core/ids.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { type MadeKey, makeKey } from "../../http/api-keys.ts";
import type { ApiKey, Page, PageRequest } from "../../objects/protocol.ts";
import { type AccountAccess, askAccount } from "../../objects/stubs.ts";
import type { KeyIn } from "./schema.ts";

/** Who makes or revokes a key, what keys are sealed with, and who is told of it afterwards. */
export interface KeyContext extends AccountAccess {
  userId: string;
  /** Lets through who has a verified e-mail address by now. Refuses `email_not_verified`, `unavailable`. */
  requireVerified: () => Promise<Result<null>>;
  secret: string;
  audit: (act: string, target: string) => void;
  /** Tells the user by e-mail, after the answer. */
  tellUser: (name: string) => void;
  nowMs: number;
}

/** A key at its making, with what is never shown again. */
export interface FreshKey extends ApiKey {
  made: MadeKey;
}

/**
 * Makes a key of the caller's account. Refuses an end in the past (`validation_failed`), `email_not_verified` for one that
 * could withdraw, and `too_many_api_keys`.
 */
export async function createKey(ctx: KeyContext, input: KeyIn): Promise<Result<FreshKey>> {
  // A withdrawal by key asks for no more than the key: it is judged here, while somebody is signed in.
  const verified = input.scopes.includes("transfer") ? await ctx.requireVerified() : null;
  if (verified !== null && !verified.ok) return verified;
  if (input.expires_at !== null && input.expires_at <= ctx.nowMs) {
    const errors = [{ pointer: "/expires_at", code: "in_the_past", detail: "must be in the future" }];
    return refuse({ code: "validation_failed", errors });
  }
  const id = typeId("key", ctx.nowMs, crypto.getRandomValues(new Uint8Array(10)));
  const made = await makeKey(ctx.secret, ctx.caller.accountId, id);
  const { name, scopes, ip_allow: ipAllow, signing, expires_at: expiresAt } = input;
  const key = { id, hash: made.hash, userId: ctx.userId, name, scopes, ipAllow, signing, expiresAt };
  const kept = await askAccount(ctx, async (account, caller) => account.createKey(caller, key));
  if (!kept.ok) return kept;
  ctx.audit("api_key.create", id);
  ctx.tellUser(name);
  return ok({ ...kept.value, made });
}

/** The keys of the caller's account, newest first. */
export function listKeys(ctx: AccountAccess, query: PageRequest): Promise<Result<Page<ApiKey>>> {
  return askAccount(ctx, async (account, caller) => account.apiKeys(caller, query));
}

/** Revokes a key of the caller's account: from the next call on it is none. Refuses `not_found`. */
export async function revokeKey(ctx: KeyContext, id: string): Promise<Result<null>> {
  const revoked = await askAccount(ctx, async (account, caller) => account.revokeKey(caller, id));
  if (revoked.ok) ctx.audit("api_key.revoke", id);
  return revoked;
}

/** A key as the contract shows it. */
export function wireKey(key: ApiKey) {
  return {
    id: key.id,
    name: key.name,
    scopes: key.scopes,
    ip_allow: key.ipAllow,
    signing: key.signing,
    created_at: wireTime(key.createdAt),
    expires_at: key.expiresAt === null ? null : wireTime(key.expiresAt),
    last_used_at: key.lastUsedAt === null ? null : wireTime(key.lastUsedAt),
  };
}

/** A key at its making, with its text. */
export function wireMadeKey(fresh: FreshKey) {
  const { text, signingSecret } = fresh.made;
  return { ...wireKey(fresh), key: text, ...(fresh.signing ? { signing_secret: signingSecret } : {}) };
}
