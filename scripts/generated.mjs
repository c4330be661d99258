// A file that is made from the code: written, or with --check only compared.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "./pinned-node.mjs";

/**
 * Writes `text` to a file of the repository and says so with what it has; with --check it ends with 1 when the file is another
 * one. `source`: what it is made from, `script`: the npm script that makes it.
 */
export function generate(path, text, { has, source, script }) {
  const file = join(ROOT, path);
  if (!process.argv.includes("--check")) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    console.log(`Wrote ${path}: ${has}.`);
  } else if (text !== textOf(file)) {
    console.error(`${path} is not what ${source}. Run \`npm run ${script}\` and commit the result.`);
    process.exit(1);
  }
}

function textOf(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    // One that has never been written is out of date like any other.
    if (error.code === "ENOENT") return null;
    throw error;
  }
}
