// Vars and secrets, parsed once per isolate. A wrong one stops every request with the variable's name in the log,
// so that a bad deployment fails at its first health check and not at its first login.

import { z } from "zod";
import { POLICY_NAMES, type Rates, ratesOf } from "./core/policies.ts";
import type { Level } from "./log.ts";

const base64url32 = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "must be 32 bytes in base64url");

const json = z.string().transform((text, context) => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    context.addIssue({ code: "custom", message: "must be JSON" });
    return z.NEVER;
  }
});

const privateJwk = json.pipe(
  z.object({
    kty: z.literal("OKP"),
    crv: z.literal("Ed25519"),
    kid: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
    x: base64url32,
    d: base64url32,
  }),
);

/** By policy, figures in place of the table's: `{"login":{"units":60,"seconds":60}}`. */
const changedRates = json.pipe(
  z.partialRecord(
    z.enum(POLICY_NAMES),
    z
      .strictObject({ units: z.int().min(1).max(1_000_000_000), seconds: z.int().min(1).max(86_400) })
      .transform(({ units, seconds }) => ({ units, windowMs: seconds * 1_000 })),
  ),
);

/** Origins, with commas between them: exactly what a browser sends. Plain http only for this machine. */
const origins = z.string().transform((text, context) => {
  const list = text.split(",").flatMap((one) => (one.trim() === "" ? [] : [one.trim()]));
  for (const one of list) {
    if (isOrigin(one)) continue;
    context.addIssue({
      code: "custom",
      message: "must be origins such as https://app.example.com, with commas between",
    });
    return z.NEVER;
  }
  return list;
});

function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { origin, protocol, hostname } = new URL(text);
  const near = protocol === "http:" && (hostname === "localhost" || hostname === "127.0.0.1");
  return origin === text && (protocol === "https:" || near);
}

const schema = z.object({
  ENVIRONMENT: z.enum(["local", "staging", "production"]),
  VENUE: z.string().regex(/^[a-z0-9-]{1,32}$/),
  PRICE_SEED: z
    .string()
    .regex(/^\d{1,9}$/)
    .transform(Number),
  ISSUER: z.string().min(1).max(200),
  AUDIENCE: z.string().min(1).max(200),
  JWT_PRIVATE_JWK: privateJwk,
  REFRESH_SECRET: base64url32,
  PASSWORD_PEPPER: base64url32,
  RATE_LIMITS: changedRates.default({}),
  ALLOWED_ORIGINS: origins.default([]),
  LOG_LEVEL: z.enum(["info", "warn", "error"]).default("info"),
});

/** The Ed25519 key that signs access tokens, with its id. */
export type SigningJwk = z.output<typeof privateJwk>;

/** What the environment says, checked. */
export interface Config {
  environment: "local" | "staging" | "production";
  venue: string;
  priceSeed: number;
  issuer: string;
  audience: string;
  signingJwk: SigningJwk;
  refreshSecret: string;
  passwordPepper: string;
  rates: Rates;
  /** Whose pages may call and read answers, and act on the refresh cookie. */
  allowedOrigins: readonly string[];
  /** The least level of a request's line that is written. */
  logLevel: Level;
}

/** A variable or secret is missing or wrong. The message names it and never shows its value. */
export class ConfigError extends Error {
  override name = "ConfigError";
}

/** Reads vars and secrets out of `source`; throws {@link ConfigError} that lists every wrong one by name. */
export function parseConfig(source: object): Config {
  const parsed = schema.safeParse(source);
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new ConfigError(`The environment is not usable. ${wrong.join("; ")}`);
  }
  const vars = parsed.data;
  return {
    environment: vars.ENVIRONMENT,
    venue: vars.VENUE,
    priceSeed: vars.PRICE_SEED,
    issuer: vars.ISSUER,
    audience: vars.AUDIENCE,
    signingJwk: vars.JWT_PRIVATE_JWK,
    refreshSecret: vars.REFRESH_SECRET,
    passwordPepper: vars.PASSWORD_PEPPER,
    rates: ratesOf(vars.ENVIRONMENT === "local", vars.RATE_LIMITS),
    allowedOrigins: vars.ALLOWED_ORIGINS,
    logLevel: vars.LOG_LEVEL,
  };
}

const parsedByEnv = new WeakMap<object, Config>();

/** The configuration of `env`, parsed at first use and kept for the life of the isolate. */
export function loadConfig(env: object): Config {
  let config = parsedByEnv.get(env);
  if (config === undefined) {
    config = parseConfig(env);
    parsedByEnv.set(env, config);
  }
  return config;
}
