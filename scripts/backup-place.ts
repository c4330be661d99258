// Where `npm run restore` reads a backup, and what it reaches of a state folder without a server.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getPlatformProxy, unstable_readConfig as readConfig } from "wrangler";
import type { Reader } from "../src/domains/backups/parts.ts";

const CONFIG_PATH = join(import.meta.dirname, "..", "wrangler.toml");
const scratch = mkdtempSync(join(tmpdir(), "tradepost-restore-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** Where backups are: what is under a key, and which there are. */
export interface Place {
  get: Reader["get"];
  ids: () => Promise<string[]>;
  dispose: () => Promise<void>;
}

/** The backups of a folder: a copy of a bucket, which has `backups/` in it, or a state folder. */
export async function placeOf(from: string): Promise<Place> {
  const copied = join(from, "backups");
  if (existsSync(copied)) {
    const get = async (key: string) =>
      existsSync(join(from, key)) ? new Uint8Array(readFileSync(join(from, key))) : null;
    return { get, ids: async () => readdirSync(copied), dispose: async () => {} };
  }
  const { env, dispose } = await bindings(from);
  const get = async (key: string) => {
    const found = await env.BACKUPS.get(key);
    return found === null ? null : new Uint8Array(await found.arrayBuffer());
  };
  const ids = async () => {
    const { delimitedPrefixes } = await env.BACKUPS.list({ prefix: "backups/", delimiter: "/" });
    return delimitedPrefixes.map((prefix) => prefix.split("/")[1] ?? "");
  };
  return { get, ids, dispose };
}

/** The bindings of a state folder, without a server: of the whole configuration D1 and R2 alone. */
export function bindings(state: string) {
  const { name, compatibility_date, d1_databases, r2_buckets } = readConfig(
    { config: CONFIG_PATH },
    { hideWarnings: true },
  );
  const configPath = join(scratch, "wrangler.json");
  writeFileSync(configPath, JSON.stringify({ name, compatibility_date, d1_databases, r2_buckets }));
  const persist = { path: join(state, "v3") };
  return getPlatformProxy<{ BACKUPS: R2Bucket; DB: D1Database }>({ configPath, persist, envFiles: [] });
}
