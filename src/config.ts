// Vars and secrets, parsed once per isolate. A wrong one stops every request with the variable's name in the log,
// so that a bad deployment fails at its first health check and not at its first login.

import { z } from "zod";
import { unitsOf } from "./core/decimal.ts";
import { RETENTION_DAYS_MIN } from "./core/limits.ts";
import { POLICY_NAMES, type Rates, ratesOf } from "./core/policies.ts";
import { type TransferPolicy, transferPolicyOf } from "./core/transfer-policy.ts";
import { isOrigin, mayCall } from "./core/urls.ts";
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

const publicJwk = z.object({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  kid: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
  x: base64url32,
});
const privateJwk = publicJwk.extend({ d: base64url32 });

/** Keys that verify beside the one that signs: the last one and the next one, and some for a rotation that went wrong. */
const FURTHER_KEYS_MAX = 8;
/** As they stand in the JWKS. Strict: a private key is no public one, and would be published with its secret. */
const furtherJwks = z.array(publicJwk.extend({ alg: z.string().optional(), use: z.string().optional() }).strict());

/** By policy, figures in place of the table's: `{"login":{"units":60,"seconds":60}}`. */
const changedRates = json.pipe(
  z.partialRecord(
    z.enum(POLICY_NAMES),
    z
      .strictObject({ units: z.int().min(1).max(1_000_000_000), seconds: z.int().min(1).max(86_400) })
      .transform(({ units, seconds }) => ({ units, windowMs: seconds * 1_000 })),
  ),
);

const usdLimit = z
  .string()
  .regex(/^(0|[1-9]\d{0,9})$/, 'must be whole USD in a string, such as "20000"')
  .transform((text) => unitsOf(text, 6))
  .nullable()
  .optional();

/** In whole USD, figures in place of the environment's own; null takes a limit away. */
const changedLimits = json.pipe(
  z
    .strictObject({ deposits_per_day: usdLimit, withdrawals_per_day: usdLimit, review_over: usdLimit })
    .transform((given) => ({
      ...(given.deposits_per_day === undefined ? {} : { deposit: given.deposits_per_day }),
      ...(given.withdrawals_per_day === undefined ? {} : { withdrawal: given.withdrawals_per_day }),
      ...(given.review_over === undefined ? {} : { reviewOver: given.review_over }),
    })),
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

const url = z.url({ protocol: /^https?$/ }).transform((text) => text.replace(/\/+$/, ""));
/** Empty is as good as absent: a variable in wrangler.toml cannot be left out by one environment. */
const optionalText = z
  .string()
  .max(500)
  .transform((text) => (text === "" ? undefined : text))
  .optional();

const schema = z.object({
  ENVIRONMENT: z.enum(["local", "staging", "production"]),
  VENUE: z.string().regex(/^[a-z0-9-]{1,32}$/),
  PRICE_SEED: z
    .string()
    .regex(/^\d{1,9}$/)
    .transform(Number),
  ISSUER: z.string().min(1).max(200),
  AUDIENCE: z.string().min(1).max(200),
  JWT_PRIVATE_JWK: json.pipe(privateJwk),
  JWT_FURTHER_JWKS: json.default([]).pipe(furtherJwks.max(FURTHER_KEYS_MAX)),
  REFRESH_SECRET: base64url32,
  API_KEY_SECRET: base64url32,
  MFA_SECRET: base64url32,
  PASSWORD_PEPPER: base64url32,
  PASSWORD_PEPPER_PREVIOUS: base64url32.optional(),
  BACKUP_KEY: base64url32,
  PUBLIC_URL: url,
  API_URL: url.optional(),
  MAIL_PROVIDER: z.enum(["mailbox", "resend"]),
  MAIL_FROM: z.string().regex(/^[^\r\n]{3,200}$/),
  MAIL_ENDPOINT: z.url({ protocol: /^https?$/ }).default("https://api.resend.com/emails"),
  MAIL_API_KEY: z.string().min(1).optional(),
  OAUTH_GOOGLE_CLIENT_ID: optionalText,
  OAUTH_GOOGLE_CLIENT_SECRET: optionalText,
  OAUTH_GOOGLE_ISSUER: url.default("https://accounts.google.com"),
  OAUTH_GITHUB_CLIENT_ID: optionalText,
  OAUTH_GITHUB_CLIENT_SECRET: optionalText,
  OAUTH_GITHUB_URL: url.default("https://github.com"),
  OAUTH_GITHUB_API_URL: url.default("https://api.github.com"),
  PAYMENT_PROVIDER: z.enum(["paper", "stripe"]).default("paper"),
  STRIPE_API_URL: url.default("https://api.stripe.com"),
  STRIPE_SECRET_KEY: optionalText,
  STRIPE_WEBHOOK_SECRET: optionalText,
  RATE_LIMITS: changedRates.default({}),
  TRANSFER_LIMITS: changedLimits.default({}),
  ALLOWED_ORIGINS: origins.default([]),
  OBJECT_BYTES_MAX: z
    .string()
    .regex(/^[1-9]\d{0,9}$/)
    .optional(),
  OBJECTS_APART: z.enum(["0", "1"]).default("0"),
  RETENTION_DAYS: z
    .string()
    .regex(/^\d{1,5}$/)
    .default("90")
    .transform(Number)
    .refine((days) => days === 0 || days >= RETENTION_DAYS_MIN, `must be 0 or at least ${RETENTION_DAYS_MIN}`),
  LOG_LEVEL: z.enum(["info", "warn", "error"]).default("info"),
});

const environment = schema.superRefine((vars, context) => {
  const kids = [vars.JWT_PRIVATE_JWK, ...vars.JWT_FURTHER_JWKS].map(({ kid }) => kid);
  const wrong = (name: string, message: string) => context.addIssue({ code: "custom", path: [name], message });
  if (new Set(kids).size !== kids.length) wrong("JWT_FURTHER_JWKS", "must have each kid once");
  if (vars.MAIL_PROVIDER === "mailbox" && vars.ENVIRONMENT !== "local") {
    wrong("MAIL_PROVIDER", "must be a real one: nobody reads the mailbox of a deployment");
  }
  if (vars.MAIL_PROVIDER === "resend" && vars.MAIL_API_KEY === undefined) wrong("MAIL_API_KEY", "is needed by resend");
  for (const name of ["OAUTH_GOOGLE", "OAUTH_GITHUB"] as const) {
    if (vars[`${name}_CLIENT_ID`] === undefined) continue;
    if (vars[`${name}_CLIENT_SECRET`] === undefined) wrong(`${name}_CLIENT_SECRET`, "is needed beside the client id");
  }
  for (const name of ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"] as const) {
    if (vars.PAYMENT_PROVIDER === "stripe" && vars[name] === undefined) wrong(name, "is needed by stripe");
  }
  for (const name of ["STRIPE_API_URL", "OAUTH_GOOGLE_ISSUER", "OAUTH_GITHUB_URL", "OAUTH_GITHUB_API_URL"] as const) {
    if (mayCall(new URL(vars[name]), vars.ENVIRONMENT === "local")) continue;
    wrong(name, "must be https, of a host with a name");
  }
});

/** An Ed25519 key that verifies access tokens, with its id. */
export type VerifyingJwk = z.output<typeof publicJwk>;
/** The Ed25519 key that signs access tokens, with its id. */
export type SigningJwk = z.output<typeof privateJwk>;

/** How e-mail leaves: not at all, into the local mailbox, or through a provider. */
export type MailConfig =
  | { provider: "mailbox" }
  | { provider: "resend"; from: string; endpoint: string; apiKey: string };

/** Who moves fiat outside: nobody, it is paper and settles at once, or a provider. */
export type PaymentConfig =
  | { provider: "paper" }
  | { provider: "stripe"; apiUrl: string; secretKey: string; webhookSecret: string };

/** What this product is called at a provider, and how it proves that. */
export interface OAuthClient {
  clientId: string;
  clientSecret: string;
  /** Plain http on this machine is a provider too. */
  local: boolean;
}

/** By provider (core/providers.ts), where it is and who we are there; null where people cannot sign in with it. */
export interface OAuthConfig {
  google: (OAuthClient & { issuer: string }) | null;
  github: (OAuthClient & { url: string; apiUrl: string }) | null;
}

/** What the environment says, checked. */
export interface Config {
  environment: "local" | "staging" | "production";
  venue: string;
  priceSeed: number;
  issuer: string;
  audience: string;
  signingJwk: SigningJwk;
  /** Keys that verify, and are published, beside the one that signs: its predecessors and its successor. */
  furtherJwks: VerifyingJwk[];
  refreshSecret: string;
  /** What API keys are sealed with, and the secrets made from that their calls are signed with. */
  apiKeySecret: string;
  /** Under which the seeds of second factors are sealed. */
  mfaSecret: string;
  /** The pepper that new hashes get, and the one before it while hashes under that are still about. */
  passwordPeppers: { current: string; previous: string | null };
  /** What backups are sealed under. */
  backupKey: string;
  /** Days for which what is over is kept; 0: for ever. */
  retentionDays: number;
  /** Where the links in e-mails lead, without a slash at its end. */
  publicUrl: string;
  /** Where this API is reached from outside: providers send browsers back there. */
  apiUrl: string;
  oauth: OAuthConfig;
  mail: MailConfig;
  rates: Rates;
  transfers: TransferPolicy;
  payments: PaymentConfig;
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
  const parsed = environment.safeParse(source);
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
    furtherJwks: vars.JWT_FURTHER_JWKS,
    refreshSecret: vars.REFRESH_SECRET,
    apiKeySecret: vars.API_KEY_SECRET,
    mfaSecret: vars.MFA_SECRET,
    passwordPeppers: { current: vars.PASSWORD_PEPPER, previous: vars.PASSWORD_PEPPER_PREVIOUS ?? null },
    backupKey: vars.BACKUP_KEY,
    retentionDays: vars.RETENTION_DAYS,
    publicUrl: vars.PUBLIC_URL,
    apiUrl: vars.API_URL ?? vars.PUBLIC_URL,
    oauth: oauthConfig(vars),
    mail: mailConfig(vars),
    rates: ratesOf(vars.ENVIRONMENT === "local", vars.RATE_LIMITS),
    transfers: transferPolicyOf(
      vars.ENVIRONMENT === "local",
      vars.TRANSFER_LIMITS,
      vars.PAYMENT_PROVIDER === "paper" ? null : vars.PAYMENT_PROVIDER,
    ),
    payments: paymentConfig(vars),
    allowedOrigins: vars.ALLOWED_ORIGINS,
    logLevel: vars.LOG_LEVEL,
  };
}

function mailConfig(vars: z.output<typeof schema>): MailConfig {
  if (vars.MAIL_PROVIDER === "mailbox") return { provider: "mailbox" };
  return { provider: "resend", from: vars.MAIL_FROM, endpoint: vars.MAIL_ENDPOINT, apiKey: vars.MAIL_API_KEY ?? "" };
}

function paymentConfig(vars: z.output<typeof schema>): PaymentConfig {
  if (vars.PAYMENT_PROVIDER === "paper") return { provider: "paper" };
  const secrets = { secretKey: vars.STRIPE_SECRET_KEY ?? "", webhookSecret: vars.STRIPE_WEBHOOK_SECRET ?? "" };
  return { provider: "stripe", apiUrl: vars.STRIPE_API_URL, ...secrets };
}

function oauthConfig(vars: z.output<typeof schema>): OAuthConfig {
  const clientOf = (clientId: string | undefined, clientSecret: string | undefined): OAuthClient | null => {
    if (clientId === undefined || clientSecret === undefined) return null;
    return { clientId, clientSecret, local: vars.ENVIRONMENT === "local" };
  };
  const google = clientOf(vars.OAUTH_GOOGLE_CLIENT_ID, vars.OAUTH_GOOGLE_CLIENT_SECRET);
  const github = clientOf(vars.OAUTH_GITHUB_CLIENT_ID, vars.OAUTH_GITHUB_CLIENT_SECRET);
  return {
    google: google === null ? null : { ...google, issuer: vars.OAUTH_GOOGLE_ISSUER },
    github: github === null ? null : { ...github, url: vars.OAUTH_GITHUB_URL, apiUrl: vars.OAUTH_GITHUB_API_URL },
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
