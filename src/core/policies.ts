// The one table of limits: what is counted, for whom, how much, and what happens while nobody can count.
import type { Rate } from "./rate.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;

/**
 * `per`: whose units these are. `ip` and `account` are counted at a route's door; a `name` is whatever a verb counts under,
 * such as an address that need not belong to anybody. `failures` are stored, and count as {@link judgeFailures} says; the
 * others are buckets in memory. `away`: what is done while the counter cannot be reached. `closed` refuses with 503 what
 * would be guessed at or sent in masses; `open` lets pass what costs little.
 */
export interface Policy {
  per: "ip" | "account" | "name";
  counts: "calls" | "failures";
  away: "open" | "closed";
  /** The contract's figures for a local run, and stricter ones wherever ENVIRONMENT is not local. */
  local: Rate;
  deployed: Rate;
}

const table = {
  /** Orders that an account may place; a batch counts its orders. Counted by the account object as it takes them. */
  orders: {
    per: "account",
    counts: "calls",
    away: "open",
    local: { units: 300, windowMs: 3 * SECOND },
    deployed: { units: 150, windowMs: 3 * SECOND },
  },
  /** All else that somebody signed in may call, cancels included. Counted by the account object too. */
  calls: {
    per: "account",
    counts: "calls",
    away: "open",
    local: { units: 500, windowMs: 5 * SECOND },
    deployed: { units: 200, windowMs: 5 * SECOND },
  },
  /** What anybody may call. */
  public: {
    per: "ip",
    counts: "calls",
    away: "open",
    local: { units: 500, windowMs: 5 * SECOND },
    deployed: { units: 200, windowMs: 5 * SECOND },
  },
  register: {
    per: "ip",
    counts: "calls",
    away: "closed",
    local: { units: 120, windowMs: MINUTE },
    deployed: { units: 20, windowMs: MINUTE },
  },
  login: {
    per: "ip",
    counts: "calls",
    away: "closed",
    local: { units: 240, windowMs: MINUTE },
    deployed: { units: 30, windowMs: MINUTE },
  },
  /** Wrong passwords for one person, or for a name that nobody has: who tries learns nothing from it. */
  login_failures: {
    per: "name",
    counts: "failures",
    away: "closed",
    local: { units: 10, windowMs: 15 * MINUTE },
    deployed: { units: 10, windowMs: 15 * MINUTE },
  },
  /**
   * Wrong passwords that somebody signed in gives once more: apart from logins, or a stranger's wrong ones would keep an owner
   * from a new password.
   */
  own_password_failures: {
    per: "name",
    counts: "failures",
    away: "closed",
    local: { units: 10, windowMs: 15 * MINUTE },
    deployed: { units: 10, windowMs: 15 * MINUTE },
  },
  /** Telling somebody that they are locked: as long as the lock that it tells of, and stored as long. */
  lock_notices: {
    per: "name",
    counts: "failures",
    away: "closed",
    local: { units: 1, windowMs: 15 * MINUTE },
    deployed: { units: 1, windowMs: 15 * MINUTE },
  },
  refresh: {
    per: "ip",
    counts: "calls",
    away: "open",
    local: { units: 500, windowMs: 5 * SECOND },
    deployed: { units: 120, windowMs: MINUTE },
  },
  /** Asking for a mail: for a reset, a verification, another one. */
  mail: {
    per: "ip",
    counts: "calls",
    away: "closed",
    local: { units: 60, windowMs: MINUTE },
    deployed: { units: 10, windowMs: MINUTE },
  },
  /** Mails to one address, or for one account: nobody's mailbox is filled by strangers. */
  mail_to: {
    per: "name",
    counts: "calls",
    away: "closed",
    local: { units: 10, windowMs: HOUR },
    deployed: { units: 5, windowMs: HOUR },
  },
  /** Using what a mail brought: a token to verify with, or to set a password with. */
  mail_token: {
    per: "ip",
    counts: "calls",
    away: "closed",
    local: { units: 60, windowMs: MINUTE },
    deployed: { units: 10, windowMs: MINUTE },
  },
  /** Codes of a second factor, from one address. */
  mfa: {
    per: "ip",
    counts: "calls",
    away: "closed",
    local: { units: 60, windowMs: MINUTE },
    deployed: { units: 10, windowMs: MINUTE },
  },
  /** Wrong codes of one account. */
  mfa_failures: {
    per: "name",
    counts: "failures",
    away: "closed",
    local: { units: 5, windowMs: 15 * MINUTE },
    deployed: { units: 5, windowMs: 15 * MINUTE },
  },
  /** Passwords that somebody signed in gives once more: a change of it, or a step up. Each costs a hash. */
  password_check: {
    per: "account",
    counts: "calls",
    away: "closed",
    local: { units: 20, windowMs: MINUTE },
    deployed: { units: 5, windowMs: MINUTE },
  },
} as const satisfies Record<string, Policy>;

/** The name of a policy, as it stands in the RateLimit headers and in RATE_LIMITS. */
export type PolicyName = keyof typeof table;

/** Every policy by its name. */
export const POLICIES: Readonly<Record<PolicyName, Policy>> = table;

/** Every policy's name. */
export const POLICY_NAMES = Object.keys(table) as PolicyName[];

/** How much each policy allows here. */
export type Rates = Readonly<Record<PolicyName, Rate>>;

/** The figures of an environment, with those in `changed` in place of the table's. */
export function ratesOf(local: boolean, changed: Partial<Record<PolicyName, Rate>>): Rates {
  const entries = POLICY_NAMES.map((name) => [name, changed[name] ?? POLICIES[name][local ? "local" : "deployed"]]);
  return Object.fromEntries(entries) as Record<PolicyName, Rate>;
}

/** What counting said, as the headers tell it: what is left under a policy, and in how many seconds that changes. */
export interface Standing {
  policy: PolicyName;
  remaining: number;
  resetSeconds: number;
}

/** What an act costs and under which policy it is counted. */
export interface Spend {
  policy: "orders" | "calls";
  count: number;
}
