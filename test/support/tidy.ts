// The rules of tidiness that apply to one file at a time, and those about bindings. Each answers its complaints in words.

import { allowedImports, matches } from "./import-table.ts";
import { importsOf, isNode, lineOf, nameOf, type Source, type SyntaxNode, walk } from "./source.ts";

const FILE_LINES_MAX = 300;
const FUNCTION_LINES_MAX = 70;
const FOLDER_NOT_ALLOWED = /(^|\/)(utils?|helpers?|common|libs?)\//;
/** A list to look things up in: nobody reads it from its beginning to its end. */
const CATALOGUE = "src/core/limits.ts";
/** What is called from elsewhere has no deadline, no breaker and no bulkhead. */
const WAY_OUT = "src/adapters/outside.ts";
const NOTE_TO_SELF = /\b(TODO|FIXME|XXX|HACK)\b/;
const FUNCTIONS = ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"];
/** Globals that core may not touch: clocks, randomness, I/O and the platform. */
const IMPURE = new Set([
  "crypto",
  "performance",
  "Temporal",
  "fetch",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "process",
  "console",
  "globalThis",
  "caches",
  "WebSocket",
]);

const GLOBALS: ReadonlySet<unknown> = new Set(["globalThis", "self"]);

/** Every complaint about one file; none when it is tidy. */
export function complaintsOf(source: Source): string[] {
  const { path } = source;
  const inSrc = path.startsWith("src/");
  return [
    ...folderName(source),
    ...typeHoles(source),
    ...(path.startsWith("test/") ? [] : [...sizes(source), ...notes(source)]),
    ...(inSrc ? imports(source) : []),
    ...(path.startsWith("src/core/") ? impurities(source) : []),
    ...(inSrc && path !== WAY_OUT ? networkCalls(source) : []),
    ...(/^src\/domains\/[^/]+\/([^/]+-)?routes\.ts$/.test(path) ? environmentReads(source) : []),
  ];
}

function folderName({ path }: Source): string[] {
  const found = FOLDER_NOT_ALLOWED.exec(path);
  return found === null ? [] : [`${path}: a folder called ${found[2]} says nothing about what is in it`];
}

/** `any`, `!` and `export *`: each hides from the reader, or from the compiler, what there is. */
function typeHoles(source: Source): string[] {
  return complaints(source, (node) => {
    if (node.type === "TSAnyKeyword") return "any";
    if (node.type === "TSNonNullExpression" || node.definite === true) return "non-null !";
    return node.type === "ExportAllDeclaration" ? "export *" : null;
  });
}

function sizes(source: Source): string[] {
  const lines = source.text.replace(/\n$/, "").split("\n").length;
  const tooLong =
    lines > FILE_LINES_MAX && source.path !== CATALOGUE
      ? [`${source.path}: ${lines} lines, at most ${FILE_LINES_MAX}`]
      : [];
  const functions = complaints(source, (node) => {
    if (!FUNCTIONS.includes(node.type)) return null;
    const length = lineOf(source, node.end) - lineOf(source, node.start) + 1;
    return length > FUNCTION_LINES_MAX ? `a function of ${length} lines, at most ${FUNCTION_LINES_MAX}` : null;
  });
  return [...tooLong, ...functions];
}

function notes(source: Source): string[] {
  const lines = source.text.split("\n");
  return lines.flatMap((line, place) => {
    const note = NOTE_TO_SELF.exec(line);
    return note === null ? [] : [`${source.path}:${place + 1}: ${note[1]}`];
  });
}

function imports(source: Source): string[] {
  const path = source.path.slice("src/".length);
  const allowed = allowedImports(path);
  if (allowed === undefined) return [`${source.path}: has no row in the import table`];
  const wrong = importsOf(source).filter((target) => !allowed.some((pattern) => matches(pattern, target)));
  return [...new Set(wrong)].map((target) => `${source.path}: may not import ${target}`);
}

function impurities(source: Source): string[] {
  return complaints(source, (node, above) => {
    const [parent] = above;
    if (node.type === "MemberExpression") {
      const whole = `${nameOf(node.object)}.${nameOf(node.property)}`;
      return whole === "Date.now" || whole === "Math.random" ? `${whole} in core` : null;
    }
    if (node.type === "NewExpression" || node.type === "CallExpression") {
      const given = Array.isArray(node.arguments) ? node.arguments.length : 0;
      return nameOf(node.callee) === "Date" && given === 0 ? "the clock in core" : null;
    }
    const isGlobal = node.type === "Identifier" && IMPURE.has(String(node.name)) && isValue(node, parent);
    return isGlobal ? `${String(node.name)} in core` : null;
  });
}

/** Whether an identifier stands for a value, and is not merely the name of a property, a key or a type. */
function isValue(node: SyntaxNode, parent: SyntaxNode | undefined): boolean {
  if (parent === undefined || parent.computed === true) return true;
  if (parent.type.startsWith("TS")) return parent.expression === node;
  return parent.property !== node && parent.key !== node;
}

/** `fetch` as a value: called, handed on, or taken from where globals hang. What only has that name is something else. */
function networkCalls(source: Source): string[] {
  return complaints(source, (node, [parent]) => {
    if (node.type !== "Identifier" || node.name !== "fetch") return null;
    const isGlobals = parent?.type === "MemberExpression" && GLOBALS.has(nameOf(parent.object));
    if (!isGlobals && (!isValue(node, parent) || parent?.type === "MethodDefinition")) return null;
    return `a network call outside of ${WAY_OUT.slice("src/".length)}`;
  });
}

/** In a route: anything taken out of an environment. Handing all of it on is what the route is for. */
function environmentReads(source: Source): string[] {
  return complaints(source, (node) => {
    if (node.type === "MemberExpression" && isEnvironment(node.object)) return `reads env.${nameOf(node.property)}`;
    const unpacks = node.type === "VariableDeclarator" && isNode(node.id) && node.id.type === "ObjectPattern";
    return unpacks && isEnvironment(node.init) ? "unpacks env" : null;
  });
}

function isEnvironment(node: unknown): boolean {
  if (!isNode(node)) return false;
  return nameOf(node) === "env" || (node.type === "MemberExpression" && nameOf(node.property) === "env");
}

function complaints(
  source: Source,
  judge: (node: SyntaxNode, above: readonly SyntaxNode[]) => string | null,
): string[] {
  const found: string[] = [];
  walk(source.program, (node, above) => {
    const complaint = judge(node, above);
    if (complaint !== null) found.push(`${source.path}:${lineOf(source, node.start)}: ${complaint}`);
  });
  return found;
}

/** The names of the bindings in a wrangler.toml; vars and secrets are not among them. */
export function bindingsOf(toml: string): string[] {
  const names: string[] = [];
  let section = "";
  for (const line of toml.split("\n")) {
    section = /^\s*\[+([^\]]+)\]+/.exec(line)?.[1]?.trim() ?? section;
    const [, key, value = ""] = /^\s*(\w+)\s*=\s*"([^"]*)"/.exec(line) ?? [];
    if (key === "binding" || (key === "name" && /(^|\.)(bindings|ratelimits)$/.test(section))) names.push(value);
  }
  return names;
}

/** Complaints about bindings: each is read in exactly one file of src and named in the page about storage. */
export function bindingComplaints(toml: string, sources: readonly Source[], storagePage: string): string[] {
  return bindingsOf(toml).flatMap((name) => {
    const readers = sources
      .filter(({ path }) => path.startsWith("src/"))
      .filter((source) => readsProperty(source, name));
    const paths = readers.map(({ path }) => path).join(", ");
    const once = readers.length === 1 ? [] : [`${name} is read in ${readers.length} files: ${paths || "none"}`];
    const named = new RegExp(`\\b${name}\\b`).test(storagePage) ? [] : [`docs/storage.md does not name ${name}`];
    return [...once, ...named];
  });
}

function readsProperty(source: Source, name: string): boolean {
  let found = false;
  walk(source.program, (node, above) => {
    if (node.type === "MemberExpression" && nameOf(node.property) === name) found = true;
    const unpacked = node.type === "Property" && above[0]?.type === "ObjectPattern" && nameOf(node.key) === name;
    if (unpacked) found = true;
  });
  return found;
}
