// Writes docs/openapi.json from the routes themselves; with --check it only says whether the file is up to date.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT, usePinnedNode } from "./pinned-node.mjs";

const FILE = join(ROOT, "docs", "openapi.json");

await usePinnedNode();
const { createApp, openApiDocument } = await import("../src/app.ts");
const document = openApiDocument(createApp());
const text = `${JSON.stringify(ordered(document), null, 2)}\n`;

if (!process.argv.includes("--check")) {
  mkdirSync(dirname(FILE), { recursive: true });
  writeFileSync(FILE, text);
  console.log(`Wrote docs/openapi.json: ${Object.keys(document.paths).length} paths.`);
} else if (text !== current()) {
  console.error("docs/openapi.json is not what the routes say. Run `npm run openapi` and commit the result.");
  process.exit(1);
}

function current() {
  try {
    return readFileSync(FILE, "utf8");
  } catch {
    return null;
  }
}

/** The document with paths and schemas by name: the order in which routers are mounted leaves no trace in a diff. */
function ordered({ paths, components, ...head }) {
  const { schemas, ...others } = components;
  return { ...head, paths: byName(paths), components: { ...others, schemas: byName(schemas) } };
}

function byName(object) {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}
