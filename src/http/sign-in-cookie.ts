// What binds a sign-in with a provider to the browser that began it: a cookie, sealed, so that its browser cannot read it and
// nobody can make one.
import type { Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { EncryptJWT, jwtDecrypt } from "jose";
import { z } from "zod";
import { SIGN_IN_MAX_MS } from "../core/limits.ts";
import { PROVIDERS } from "../core/providers.ts";
import type { AppEnv, Config } from "./context.ts";

const NAME = "sign-in";
/** Lax: a browser that a provider sends back must bring it along, and on that way no other request does. */
const FLAGS = { path: "/", secure: true, httpOnly: true, sameSite: "Lax", prefix: "host" } as const;
/** Another kind of sealed text under the same key is not one. */
const TYPE = "sign-in+jwt";
const KEY_LABEL = "sign-in-cookie.v1";

const flowSchema = z.object({
  provider: z.enum(PROVIDERS),
  state: z.string(),
  verifier: z.string(),
  nonce: z.string(),
  returnTo: z.string(),
  link: z.object({ userId: z.string(), sessionId: z.string() }).nullable(),
});

/** A sign-in that has begun: what it must bring back, where its browser wants to go, and to whom it links what, if it does. */
export type Flow = z.output<typeof flowSchema>;

/** Has the browser keep a sign-in that has begun, in place of the one before. */
export async function keepFlow(c: Context<AppEnv>, flow: Flow): Promise<void> {
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const sealed = await new EncryptJWT({ flow })
    .setProtectedHeader({ alg: "dir", enc: "A256GCM", typ: TYPE })
    .setExpirationTime(nowSeconds + SIGN_IN_MAX_MS / 1_000)
    .encrypt(await keyOf(c.get("config")));
  setCookie(c, NAME, sealed, { ...FLAGS, maxAge: SIGN_IN_MAX_MS / 1_000 });
}

/** The sign-in that this browser has begun; undefined when there is none, or its time is over. */
export async function readFlow(c: Context<AppEnv>): Promise<Flow | undefined> {
  const sealed = getCookie(c, NAME, "host");
  if (sealed === undefined || !sealed.split(".").every(isSpeltOurWay)) return undefined;
  const key = await keyOf(c.get("config"));
  try {
    const { payload } = await jwtDecrypt(sealed, key, {
      typ: TYPE,
      keyManagementAlgorithms: ["dir"],
      contentEncryptionAlgorithms: ["A256GCM"],
      requiredClaims: ["exp"],
    });
    return flowSchema.parse(payload.flow);
  } catch {
    return undefined;
  }
}

/** Decoders overlook idle bits and padding: what is sealed must not have many spellings. */
function isSpeltOurWay(part: string): boolean {
  return Buffer.from(part, "base64url").toString("base64url") === part;
}

/** Has the browser forget its sign-in. */
export function dropFlow(c: Context<AppEnv>): void {
  deleteCookie(c, NAME, FLAGS);
}

/** A key for this alone, made of a secret that has other uses. */
async function keyOf({ refreshSecret }: Config): Promise<Uint8Array> {
  const from = await crypto.subtle.importKey("raw", Buffer.from(refreshSecret, "base64url"), "HKDF", false, [
    "deriveBits",
  ]);
  const info = new TextEncoder().encode(KEY_LABEL);
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info };
  return new Uint8Array(await crypto.subtle.deriveBits(how, from, 256));
}
