// Whether a proof of liabilities holds, judged from the file alone: docs/ledger.md says of what it is made.
import { createHash } from "node:crypto";
import { leafText, nodeText, type ShownSums } from "../src/core/liabilities.ts";
import { decimalOf, FileError, unitsOf } from "./ledger-file.ts";

/** What a proof says, once it has been read. */
export interface ReadProof {
  round: string;
  account: string;
  salt: string;
  balances: ShownSums;
  leaf: string;
  path: { side: "left" | "right"; hash: string; sums: ShownSums }[];
  root: string;
  totals: ShownSums;
}

/** What was found; `wrong` says what first, null when nothing is. */
export interface ProofVerdict {
  proof: ReadProof | null;
  wrong: string | null;
}

type Fields = Record<string, unknown>;

/** Whether a text could be a proof: a statement has no path. */
export function isProof(text: string): boolean {
  try {
    const read: unknown = JSON.parse(text);
    return typeof read === "object" && read !== null && "path" in read;
  } catch {
    return false;
  }
}

/** Checks a proof; `root`: the round's root from elsewhere, without which the file can only show that it fits itself. */
export function checkProof(text: string, root: string | null): ProofVerdict {
  let proof: ReadProof | null = null;
  try {
    proof = readProof(JSON.parse(text) as Fields);
    climbs(proof);
    must(root === null || proof.root === root, `it leads to the root ${proof.root}, and not to ${root}`);
    return { proof, wrong: null };
  } catch (error) {
    if (error instanceof FileError || error instanceof SyntaxError) return { proof, wrong: error.message };
    throw error;
  }
}

const hashOf = (text: string) => createHash("sha256").update(text).digest("hex");

function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new FileError(otherwise);
}

function climbs({ round, account, salt, balances, leaf, path, root, totals }: ReadProof): void {
  let at = { hash: hashOf(leafText({ round, account, salt, sums: balances })), sums: balances };
  must(at.hash === leaf, "the leaf's hash is not that of account, salt and balances");
  for (const { side, ...other } of path) {
    const [left, right] = side === "left" ? [other, at] : [at, other];
    at = { hash: hashOf(nodeText(left, right)), sums: joined(left.sums, right.sums) };
  }
  must(at.hash === root, `the path leads to ${at.hash}, and the root is ${root}`);
  must(JSON.stringify(at.sums) === JSON.stringify(totals), "the totals are not what the path adds up to");
}

/** In whole digits of 10^-18, so that sums are exact; nothing here knows how many digits an asset has. */
function joined(left: ShownSums, right: ShownSums): ShownSums {
  const sums = new Map<string, bigint>();
  for (const [asset, amount] of [...left, ...right]) sums.set(asset, (sums.get(asset) ?? 0n) + unitsOf(amount));
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([asset, units]) => [asset, decimalOf(units)] as const);
}

function readProof(file: Fields): ReadProof {
  must(file["v"] === 1, "this is no proof of version 1");
  const path = listOf(file["path"], "path").map((step) => {
    const side = step["side"];
    if (side !== "left" && side !== "right") throw new FileError("a step of the path has no side");
    return { side, hash: textOf(step, "hash"), sums: sumsOf(step["sums"], "a step of the path") } as const;
  });
  return {
    round: textOf(file, "round"),
    account: textOf(file, "account_id"),
    salt: textOf(file, "salt"),
    balances: sumsOf(file["balances"], "balances"),
    leaf: textOf(file, "leaf"),
    path: [...path],
    root: textOf(file, "root"),
    totals: sumsOf(file["totals"], "totals"),
  };
}

function listOf(value: unknown, name: string): Fields[] {
  if (!Array.isArray(value)) throw new FileError(`${name} is not there, or no list`);
  return value.map((one: unknown) => {
    if (typeof one !== "object" || one === null) throw new FileError(`a member of ${name} is no object`);
    return one as Fields;
  });
}

function textOf(fields: Fields, name: string): string {
  const text = fields[name];
  if (typeof text === "string") return text;
  throw new FileError(`${name} is not there, or no text`);
}

/** Sums as they are hashed. What is negative, nothing, twice, out of order or in another form would hash, and say something else. */
function sumsOf(value: unknown, name: string): ShownSums {
  const sums = listOf(value, name).map((one) => [textOf(one, "asset"), textOf(one, "amount")] as const);
  for (const [index, [asset, amount]] of sums.entries()) {
    must(unitsOf(amount) > 0n, `${name}: ${asset} is ${amount}`);
    must(decimalOf(unitsOf(amount)) === amount, `${name}: ${amount} is not in its shortest form`);
    must(index === 0 || (sums[index - 1]?.[0] ?? "") < asset, `${name}: ${asset} is not in its place`);
  }
  return sums;
}
