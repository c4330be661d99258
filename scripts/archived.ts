// npm run archived -- --from FOLDER --object NAME: prints the events that an account (acc_…) or a market (main/BTC-USD) has cut from its
// journal, oldest first, a line of JSON each, as they were journalled. Exits with 1 where any is missing or is not what was
// archived. FOLDER is a state folder of a local instance, or a copy of a bucket; the key is that of .dev.vars.
import { parseArgs } from "node:util";
import { archivePrefix } from "../src/core/backups.ts";
import { type Reader, readArchive } from "../src/domains/backups/parts.ts";
import { placeOf, readerOf } from "./backup-place.ts";
import { localSecrets } from "./local-server.ts";
import { archivedEvents, type ReadArchive } from "./restore-journals.ts";

const { values } = parseArgs({ options: { from: { type: "string" }, object: { type: "string" } } });
if (values.from === undefined || values.object === undefined) {
  console.error("Usage: npm run archived -- --from FOLDER --object NAME");
  process.exit(2);
}
process.exit(
  await main(values.from, values.object).catch((error: unknown) => {
    console.error(`WRONG  ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }),
);

async function main(from: string, name: string): Promise<0 | 1> {
  const place = await placeOf(from);
  const reader: Reader = await readerOf(place, localSecrets());
  const read: ReadArchive[] = [];
  for (const key of await place.keys(archivePrefix({ object: name.includes("/") ? "market" : "account", name }))) {
    const found = await readArchive(reader, key);
    if (found !== null) read.push(found);
  }
  await place.dispose();
  const { events, wrong } = archivedEvents(read);
  for (const body of events) console.log(body);
  for (const line of wrong) console.error(`WRONG  ${line}`);
  console.error(`${events.length} events of ${name}, from ${read.length} parts`);
  return wrong.length > 0 ? 1 : 0;
}
