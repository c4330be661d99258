// Writes src/http/error-texts.json, what the pages behind a problem's `type` say, from the tables of docs/errors.md; with
// --check it only says whether the file is up to date. Either way the tables must have every code, with its status.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { generate } from "./generated.mjs";
import { ROOT, usePinnedNode } from "./pinned-node.mjs";

const ROW = /^\| `(?<code>\w+)` \| (?<status>\d{3}) \| (?<when>.+) \| (?<todo>.+) \|$/;

await usePinnedNode();
const { CATALOGUE } = await import("../src/http/problem.ts");
const rows = readFileSync(join(ROOT, "docs", "errors.md"), "utf8")
  .split("\n")
  .flatMap((line) => ROW.exec(line)?.groups ?? []);
const listed = rows.map(({ code, status }) => `${code} ${status}`).sort();
const known = Object.entries(CATALOGUE).map(([code, { status }]) => `${code} ${status}`);
if (listed.join() !== known.sort().join()) {
  const missing = known.filter((one) => !listed.includes(one));
  const wrong = listed.filter((one, at) => !known.includes(one) || listed.indexOf(one) !== at);
  console.error(`docs/errors.md is not the catalogue: missing ${missing.join(", ")}; wrong ${wrong.join(", ")}.`);
  process.exit(1);
}

const texts = Object.fromEntries(rows.map(({ code, when, todo }) => [code, { when, todo }]));
generate("src/http/error-texts.json", `${JSON.stringify(texts, null, 2)}\n`, {
  has: `${rows.length} codes`,
  source: "docs/errors.md says",
  script: "errors",
});
