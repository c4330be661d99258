// Where `npm run restore` reads a backup and `npm run archived` an archive, and what it reaches of a state folder without a server.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getPlatformProxy, unstable_readConfig as readConfig } from "wrangler";
import type { Reader } from "../src/domains/backups/parts.ts";
import { backupKeyOf } from "../src/domains/backups/sealing.ts";

const CONFIG_PATH = join(import.meta.dirname, "..", "wrangler.toml");
const scratch = mkdtempSync(join(tmpdir(), "tradepost-restore-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** Where backups and archives are: what is under a key, and which there are. */
export interface Place {
  get: Reader["get"];
  ids: () => Promise<string[]>;
  /** The keys that begin so, as text sorts them. */
  keys: (prefix: string) => Promise<string[]>;
  dispose: () => Promise<void>;
}

/** The backups of a folder: a copy of a bucket, which has `backups/` in it, or a state folder. Throws where there is none. */
export async function placeOf(from: string): Promise<Place> {
  // Wrangler would make a state folder of a name that was mistyped.
  if (!existsSync(from)) throw new Error(`${from} is not there`);
  const copied = join(from, "backups");
  if (existsSync(copied) || existsSync(join(from, "archives"))) {
    const get = async (key: string) =>
      existsSync(join(from, key)) ? new Uint8Array(readFileSync(join(from, key))) : null;
    const keys = async (prefix: string) => filesIn(from, prefix).sort();
    return { get, ids: async () => readdirSync(copied), keys, dispose: async () => {} };
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
  const keys = async (prefix: string) => {
    const found: string[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await env.BACKUPS.list({ prefix, ...(cursor === undefined ? {} : { cursor }) });
      found.push(...page.objects.map(({ key }) => key));
      if (!page.truncated) return found.sort();
      cursor = page.cursor;
    }
  };
  return { get, ids, keys, dispose };
}

function filesIn(from: string, prefix: string): string[] {
  const folder = join(from, prefix);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [`${prefix}${entry.name}`] : [],
  );
}

/** What reads a place, with every key that the secrets of this checkout have. */
export async function readerOf({ get }: Place, secrets: Record<string, string>): Promise<Reader> {
  const named = ["BACKUP_KEY", "BACKUP_KEY_PREVIOUS"].flatMap((name) => secrets[name] ?? []);
  return { get, keys: await Promise.all(named.map(backupKeyOf)) };
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
