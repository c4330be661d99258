// What of a local server's lines is shown to who has started it.

import { createInterface } from "node:readline";
import { stripVTControlCharacters } from "node:util";

/** The least level of the server's lines that are shown: "info" shows one for each request. */
const LOG_LEVEL = process.env.LOG_LEVEL ?? "warn";
const LEVELS = ["info", "warn", "error"];
/** What wrangler has said on its stderr before the server listened, for the case that it never does; null after that. */
let early = [];

/** Whether LOG_LEVEL is one of the levels. */
export function isLevel() {
  return LEVELS.includes(LOG_LEVEL);
}

/** Shows a server's lines from now on. */
export function showLines(server) {
  createInterface({ input: server.stdout }).on("line", (text) => show(text, false));
  createInterface({ input: server.stderr }).on("line", (text) => show(text, true));
}

/** The server listens: what wrangler has said before is of no interest any more. */
export function listening() {
  early = null;
}

/** Shows what wrangler has said before the server listened, since it does not. */
export function sayEarly() {
  for (const text of early ?? []) console.error(text);
}

/** Shows a line of the server: our own by their level, e-mails in words; of wrangler's what is on its stderr. */
function show(text, onStderr) {
  const line = ownLine(text);
  if (line === undefined) {
    // Of a client that has hung up the Worker's own line tells.
    const hungUp = text.includes("ProxyWorker") && text.includes("Network connection lost");
    if (!onStderr || hungUp || stripVTControlCharacters(text).trim() === "") return;
    if (early === null) console.error(text);
    else early.push(text);
  } else if (line.event === "mail") {
    console.log(`E-mail to ${line.to}: ${line.subject} (${line.kind})\n  ${line.page}`);
  } else if (LEVELS.indexOf(line.level) >= LEVELS.indexOf(LOG_LEVEL)) {
    console.log(JSON.stringify(line));
  }
}

/** A line that the Worker itself has written: JSON, behind what wrangler puts before it. */
function ownLine(text) {
  const start = text.indexOf('{"level":');
  if (start < 0) return undefined;
  try {
    return JSON.parse(text.slice(start, text.lastIndexOf("}") + 1));
  } catch {
    return undefined;
  }
}
