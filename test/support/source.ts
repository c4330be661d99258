// Source files as the tidiness rules look at them: parsed, with what each imports and how long its functions are.
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { parseSync } from "vite";

/** A node of the syntax tree; its children are found by looking. */
export interface SyntaxNode {
  type: string;
  start: number;
  end: number;
  [key: string]: unknown;
}

/** A file by its path from the root of the repository, with `/`. */
export interface Source {
  path: string;
  text: string;
  program: SyntaxNode;
}

/** Where code is kept; other folders are generated, or not code. */
const FOLDERS = ["src", "test", "scripts", "bench", "web"];
const CODE = /\.(ts|tsx|mts|js|mjs)$/;
const NOT_OURS = /(^|\/)(node_modules|dist|\.[^/]*)(\/|$)/;

/** Parses one file. Throws when it is no TypeScript (or JavaScript, by its name). */
export function sourceOf(path: string, text: string): Source {
  const parsed = parseSync(path, text);
  const [error] = parsed.errors;
  if (error !== undefined) throw new SyntaxError(`${path}: ${error.message}`);
  return { path, text, program: parsed.program as unknown as SyntaxNode };
}

/** Every file of code under `root`, in order of their paths. */
export function readSources(root: string): Source[] {
  const paths = FOLDERS.flatMap((folder) => filesOf(root, folder)).filter((path) => CODE.test(path));
  return paths.sort().map((path) => sourceOf(path, readFileSync(posix.join(root, path), "utf8")));
}

function filesOf(root: string, folder: string): string[] {
  try {
    const names = readdirSync(posix.join(root, folder), { recursive: true, encoding: "utf8" });
    return names.map((name) => posix.join(folder, name.replaceAll("\\", "/"))).filter((path) => !NOT_OURS.test(path));
  } catch {
    // Not every folder is there from the start.
    return [];
  }
}

/** A text file under `root`; empty when there is none. */
export function readText(root: string, path: string): string {
  try {
    return readFileSync(posix.join(root, path), "utf8");
  } catch {
    // What the caller looks for is then not in it, which is its own complaint.
    return "";
  }
}

/** Calls `see` with every node below and including `node`, and the nodes above it, the nearest first. */
export function walk(node: SyntaxNode, see: (node: SyntaxNode, above: readonly SyntaxNode[]) => void): void {
  visit(node, [], see);
}

function visit(
  node: SyntaxNode,
  above: SyntaxNode[],
  see: (node: SyntaxNode, above: readonly SyntaxNode[]) => void,
): void {
  see(node, above);
  const under = [node, ...above];
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) visit(child, under, see);
  }
}

/** Whether a value of the tree is a node of it. */
export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && typeof (value as SyntaxNode).type === "string";
}

/** The name that an identifier or a literal key has; undefined for any other node. */
export function nameOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === "Identifier") return String(node.name);
  return node.type === "Literal" && typeof node.value === "string" ? node.value : undefined;
}

/** The line, from 1, that a place in the text is on. */
export function lineOf(source: Source, place: number): number {
  return source.text.slice(0, place).split("\n").length;
}

/** What a file imports or re-exports, types included: paths under src/ without `src/`, other files as paths, packages by name. */
export function importsOf(source: Source): string[] {
  const found: string[] = [];
  walk(source.program, (node) => {
    if (!["Import", "TSImport", "ExportNamed", "ExportAll"].some((kind) => node.type.startsWith(kind))) return;
    const name = nameOf(node.source);
    if (name !== undefined) found.push(name);
    else if (node.type === "ImportExpression") found.push("a name that is computed");
  });
  return found.map((name) => {
    if (!name.startsWith(".")) return name;
    const path = posix.join(posix.dirname(source.path), name);
    return path.startsWith("src/") ? path.slice("src/".length) : `/${path}`;
  });
}
