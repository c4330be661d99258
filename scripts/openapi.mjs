// Writes docs/openapi.json from the routes themselves; with --check it only says whether the file is up to date.

import { generate } from "./generated.mjs";
import { usePinnedNode } from "./pinned-node.mjs";

await usePinnedNode();
const { createApp, openApiDocument } = await import("../src/app.ts");
const document = openApiDocument(createApp());
const text = `${JSON.stringify(ordered(document), null, 2)}\n`;

generate("docs/openapi.json", text, {
  has: `${Object.keys(document.paths).length} paths`,
  source: "the routes say",
  script: "openapi",
});

/** The document with paths and schemas by name: the order in which routers are mounted leaves no trace in a diff. */
function ordered({ paths, components, ...head }) {
  const { schemas, ...others } = components;
  return { ...head, paths: byName(paths), components: { ...others, schemas: byName(schemas) } };
}

function byName(object) {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}
