// Double entry with a hash chain. An object's ledger balances by itself; every posting carries its running balance.
import { formatDecimal } from "./decimal.ts";
import { listedAsset } from "./listings.ts";
import { UNITS_MAX } from "./money.ts";
import { invariant } from "./result.ts";

/** One movement on one account of the ledger, in units of `asset`; `balance` is what the account has after it. */
export interface Posting {
  account: string;
  asset: string;
  amount: bigint;
  balance: bigint;
}

/** Postings that sum to zero in each asset, made at `at` (ms) by `ref`; `hash` covers them and the entry before. */
export interface LedgerEntry {
  id: string;
  seq: number;
  at: number;
  kind: string;
  ref: string;
  postings: Posting[];
  hash: string;
}

/** A synchronous SHA-256 in lower-case hex; a parameter, since core has no platform. */
export type Sha256 = (text: string) => string;

/** Running balances by `account|asset`. */
export type Balances = Map<string, bigint>;

/** One movement before its running balance is known: account, asset, amount in units. */
export type Movement = readonly [account: string, asset: string, amount: bigint];

/** The hash that the first entry of a ledger follows. */
export const GENESIS_HASH = "0".repeat(64);

/** Where a ledger ends: the number and the hash of its last entry. Before the first: 0 and {@link GENESIS_HASH}. */
export interface ChainHead {
  seq: number;
  hash: string;
}

/** The key of one ledger account in {@link Balances}. */
export function balanceKey(account: string, asset: string): string {
  return `${account}|${asset}`;
}

/** The two parts of a {@link balanceKey}: no ledger account has a bar in its name. */
export function keyParts(key: string): { account: string; asset: string } {
  const bar = key.indexOf("|");
  return { account: key.slice(0, bar), asset: key.slice(bar + 1) };
}

/** Accounts of a customer's money: they may never be negative. */
export function isCustomerMoney(account: string): boolean {
  return account === "available" || account === "held";
}

/** The kinds of entries by which money comes in or goes out: no trade, and nothing that is only held or released. */
export const FLOW_KINDS = ["deposit", "withdrawal", "reversal", "suspense"] as const;

/** An entry as clients see it, which is what its hash covers; amounts are decimals, `at` is RFC 3339. */
export interface ShownEntry {
  seq: number;
  id: string;
  at: string;
  kind: string;
  ref: string;
  postings: readonly { account: string; asset: string; amount: string }[];
}

/**
 * The text whose SHA-256 is a shown entry's hash, `previousHash` being that of the entry before: docs/ledger.md tells of it,
 * so that anyone can recompute the chain from an exported file alone.
 */
export function chainText(previousHash: string, { seq, id, at, kind, ref, postings }: ShownEntry): string {
  const movements = postings.map(({ account, asset, amount }) => [account, asset, amount]);
  return JSON.stringify([previousHash, seq, id, at, kind, ref, movements]);
}

/** As {@link chainText}, of an entry in units. */
export function entryText(previousHash: string, entry: Omit<LedgerEntry, "hash">): string {
  const postings = entry.postings.map(({ account, asset, amount }) => {
    return { account, asset, amount: formatUnits(amount, asset) };
  });
  return chainText(previousHash, { ...entry, at: new Date(entry.at).toISOString(), postings });
}

/** Units of an asset as a signed decimal string in shortest form. Throws for an asset that is not listed. */
export function formatUnits(units: bigint, asset: string): string {
  return formatDecimal(units, listedAsset(asset).scale);
}

/**
 * Makes the entry for some movements: merges those of one account, leaves out zeros, adds running balances and the hash.
 * Throws InvariantError when they do not sum to zero per asset, when customer money would be negative or out of range, or one amount is.
 */
export function makeEntry(
  balances: Balances,
  head: string,
  facts: { id: string; seq: number; at: number; kind: string; ref: string },
  movements: readonly Movement[],
  sha256: Sha256,
): LedgerEntry | null {
  const merged: Balances = new Map();
  const sums: Balances = new Map();
  for (const [account, asset, amount] of movements) {
    const key = balanceKey(account, asset);
    merged.set(key, (merged.get(key) ?? 0n) + amount);
    sums.set(asset, (sums.get(asset) ?? 0n) + amount);
  }
  for (const [asset, sum] of sums) invariant(sum === 0n, `entry ${facts.id} leaves ${sum} of ${asset}`);
  const postings: Posting[] = [];
  for (const [key, amount] of merged) {
    if (amount === 0n) continue;
    const { account, asset } = keyParts(key);
    const balance = (balances.get(key) ?? 0n) + amount;
    invariant(balance >= 0n || !isCustomerMoney(account), `${account} ${asset} would be ${balance}`);
    // Only customers' money can be refused for its size; the other side of it adds up over all customers, without an end.
    invariant(balance <= UNITS_MAX || !isCustomerMoney(account), `${account} ${asset} out of range`);
    invariant(amount <= UNITS_MAX && amount >= -UNITS_MAX, `${account} ${asset} moves out of range`);
    postings.push({ account, asset, amount, balance });
  }
  if (postings.length === 0) return null;
  const entry = { ...facts, postings };
  return { ...entry, hash: sha256(entryText(head, entry)) };
}

/** Writes an entry's running balances into the map. */
export function applyEntry(balances: Balances, entry: LedgerEntry): void {
  for (const p of entry.postings) balances.set(balanceKey(p.account, p.asset), p.balance);
}

/**
 * What is wrong with entries that follow each other, oldest first: each hash is that of its entry's text after the hash
 * before, and running balances lead to `balances`, which stand after the last. `before` is the hash that the first follows;
 * null when it is not known, and then the first's own hash is believed. Undefined when nothing is wrong.
 */
export function entriesBreak(
  before: string | null,
  entries: readonly LedgerEntry[],
  balances: ReadonlyMap<string, bigint>,
  sha256: Sha256,
): string | undefined {
  const after = new Map(balances);
  for (const [index, entry] of [...entries.entries()].reverse()) {
    for (const { account, asset, amount, balance } of entry.postings) {
      const key = balanceKey(account, asset);
      const stored = after.get(key) ?? 0n;
      if (balance !== stored) return `${key} is ${stored} after entry ${entry.seq}, which says ${balance}`;
      after.set(key, balance - amount);
    }
    const head = entries[index - 1]?.hash ?? before;
    if (head !== null && sha256(entryText(head, entry)) !== entry.hash)
      return `the hash of entry ${entry.seq} is another's`;
  }
  return undefined;
}
