// What customers are owed, as a tree whose root says the sum: each can check that they are in it, and with how much. Texts are
// what docs/ledger.md tells of, so that anyone can verify a proof with nothing but a hash.
import type { Amount } from "./exam.ts";
import { formatUnits } from "./ledger.ts";

/** Amounts as they are shown and hashed: decimals in shortest form, assets in order, none of which there is nothing. */
export type ShownSums = readonly (readonly [asset: string, amount: string])[];

/** One customer's part in a round. */
export interface ShownLeaf {
  round: string;
  account: string;
  salt: string;
  sums: ShownSums;
}

/** The text whose SHA-256 is a leaf's hash. The salt keeps anybody from finding a balance by trying. */
export function leafText({ round, account, salt, sums }: ShownLeaf): string {
  return JSON.stringify(["leaf", 1, round, account, salt, sums]);
}

/** The text whose SHA-256 is the hash of a node over two: both hashes and both sums, so that neither can be changed alone. */
export function nodeText(left: { hash: string; sums: ShownSums }, right: { hash: string; sums: ShownSums }): string {
  return JSON.stringify(["node", 1, [left.hash, left.sums], [right.hash, right.sums]]);
}

/** A node of the tree: its hash, and what lies under it, in units by asset, assets in order. */
export interface TreeNode {
  hash: string;
  sums: Amount[];
}

/** A node on the way up, and on which side it stands of the one that one comes from. */
export interface Sibling extends TreeNode {
  side: "left" | "right";
}

/** SHA-256 in lower-case hex; a parameter, and asynchronous where the platform's is. */
export type Digest = (text: string) => Promise<string>;

/** Sums as they are shown. */
export function shownSums(sums: readonly Amount[]): ShownSums {
  return sortedSums(sums).map(({ asset, units }) => [asset, formatUnits(units, asset)] as const);
}

function sortedSums(sums: readonly Amount[]): Amount[] {
  return sums.filter(({ units }) => units !== 0n).sort((a, b) => (a.asset < b.asset ? -1 : 1));
}

/** What two nodes have together. */
export function joinedSums(left: readonly Amount[], right: readonly Amount[]): Amount[] {
  const sums = new Map<string, bigint>();
  for (const { asset, units } of [...left, ...right]) sums.set(asset, (sums.get(asset) ?? 0n) + units);
  return sortedSums([...sums].map(([asset, units]) => ({ asset, units })));
}

async function foldOnce(nodes: readonly TreeNode[], digest: Digest): Promise<TreeNode[]> {
  const above: TreeNode[] = [];
  for (const [at, left] of nodes.entries()) {
    if (at % 2 === 1) continue;
    const right = nodes[at + 1];
    // The last of an odd number goes up as it is: it is never counted twice.
    if (right === undefined) above.push(left);
    else {
      const shown = (node: TreeNode) => ({ hash: node.hash, sums: shownSums(node.sums) });
      const hash = await digest(nodeText(shown(left), shown(right)));
      above.push({ hash, sums: joinedSums(left.sums, right.sums) });
    }
  }
  return above;
}

/**
 * The one node over some nodes that stand side by side, and what is met on the way up to it from the one at `index`. Blocks of
 * 2^n nodes, folded one by one and then together, come to the same as all of them at once. Undefined over none.
 */
export async function climb(
  nodes: readonly TreeNode[],
  index: number,
  digest: Digest,
): Promise<{ top: TreeNode | undefined; path: Sibling[] }> {
  const path: Sibling[] = [];
  let [level, at] = [nodes, index];
  while (level.length > 1) {
    const sibling = level[at % 2 === 0 ? at + 1 : at - 1];
    if (sibling !== undefined) path.push({ ...sibling, side: at % 2 === 0 ? "right" : "left" });
    level = await foldOnce(level, digest);
    at = Math.floor(at / 2);
  }
  return { top: level[0], path };
}

const HOUR_MS = 3_600_000;
const ROUND = /^\d{4}-\d{2}-\d{2}T\d{2}Z$/;

/** The name of the round of a full hour, in ms: `2026-11-21T19Z`. */
export function roundName(hourMs: number): string {
  return `${new Date(hourMs).toISOString().slice(0, 13)}Z`;
}

/** The hour that a round is named after, in ms; undefined for what names none. */
export function roundOf(name: string): number | undefined {
  const at = ROUND.test(name) ? Date.parse(name.replace("Z", ":00:00.000Z")) : Number.NaN;
  return Number.isSafeInteger(at) && roundName(at) === name ? at : undefined;
}

/** The full hour that a moment is in, in ms. */
export function hourOf(ms: number): number {
  return Math.floor(ms / HOUR_MS) * HOUR_MS;
}
