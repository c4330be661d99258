// The check of all books goes round while everything fails: what is late, doubled or on its way is no break, and at rest there is
// nothing that it could not judge.
import { CHECK_PAIR_TRIES } from "../../src/core/limits.ts";
import type { CheckResult } from "../../src/domains/books/checks.ts";
import type { World } from "./world.ts";

/** Seeds in which checks are made while faults last; in the others chance is drawn as if there were none. */
const EVERY_SEED = 4;
const EVERY_MS = 3_100;
/** What an object that cannot be asked, or whose storage fails just then, is said to be. */
const MAY_PASS: ReadonlySet<string> = new Set(["unreachable", "stopped"]);

/** Has checks made until some time in ms, where no object is lost or spoiled, which would be a break; what they find is kept. */
export function scheduleChecks(world: World, seed: number, untilMs: number, found: string[]): void {
  if (seed % EVERY_SEED !== 0) return;
  for (let at = EVERY_MS; at < untilMs; at += EVERY_MS) {
    world.later(
      at,
      async () => {
        const done = await world.checkBooks();
        world.count(done ? "books_checked" : "books_left");
        found.push(
          ...openBreaks(world)
            .filter(({ kind }) => !MAY_PASS.has(kind))
            .map(textOf),
        );
      },
      "awaited",
    );
  }
}

/** What a check finds when everything has come to rest: nothing, of everybody. */
export async function bookBreaks(world: World): Promise<string[]> {
  // Slices that were left half way by faults are done first.
  for (let tries = 0; tries < CHECK_PAIR_TRIES; tries += 1) await world.checkBooks();
  const [row] = world.d1.rows("SELECT * FROM checks WHERE phase = 'done'");
  if (row === undefined) return ["no check of the books comes to an end"];
  const breaks = openBreaks(world).map(textOf);
  const { sums, unjudged, unreached } = JSON.parse(String(row["result"])) as CheckResult;
  if (unjudged.length > 0 || unreached > 0) breaks.push(`the check could not judge ${unjudged} and ${unreached}`);
  for (const { asset, total, lines } of sums) {
    const rest = [total, lines.clearing, lines.in_flight, lines.suspense].join();
    if (rest !== "0,0,0,0") breaks.push(`${asset} sums to ${rest}`);
  }
  if (Number(row["accounts"]) !== world.accounts().length) breaks.push(`only ${row["accounts"]} accounts were checked`);
  return breaks;
}

interface OpenBreak {
  kind: string;
  text: string;
}

function openBreaks(world: World): OpenBreak[] {
  const rows = world.d1.rows("SELECT kind, name, subject, expected, found FROM breaks WHERE closed_at IS NULL");
  return rows.map((row) => ({ kind: String(row["kind"]), text: Object.values(row).join(" / ") }));
}

function textOf({ text }: OpenBreak): string {
  return `the check says ${text}`;
}
