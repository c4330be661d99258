// How a part of a backup is stored and read: verified after it has been written, since a backup that was never read is a hope.
import type { BackupBucket } from "../../bindings/backups.ts";
import {
  type ArchivePart,
  archivePrefix,
  type BackupManifest,
  type BackupPart,
  backupPrefix,
  manifestKey,
  type PartRef,
} from "../../core/backups.ts";
import { type BackupKey, digestOf, SealError, seal, unseal } from "./sealing.ts";

/** Where backups are, and what they are sealed under. */
export interface Vault {
  bucket: BackupBucket;
  key: BackupKey;
}

/** What was stored: where, and how large it is. */
export interface Stored extends PartRef {
  bytes: number;
}

/** Stores a part in a place of its own: two runs that have made the same one must not write over each other. Throws. */
export function storePart(vault: Vault, part: BackupPart, number: number): Promise<Stored> {
  return store(vault, `${backupPrefix(part.backup)}${placeOf(number, 6)}`, part);
}

/** Stores what is to be cut, in a place of its own, too. Throws. */
export function storeArchive(vault: Vault, part: ArchivePart): Promise<Stored> {
  return store(vault, `${archivePrefix(part)}${String(part.epoch).padStart(4, "0")}-${placeOf(part.from, 16)}`, part);
}

/** A number that sorts as text, with something random behind it. */
function placeOf(number: number, digits: number): string {
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(6))).toString("hex");
  return `${String(number).padStart(digits, "0")}-${random}`;
}

/** Stores what a backup says of itself; with that it is one. Throws. */
export function storeManifest(vault: Vault, manifest: BackupManifest): Promise<Stored> {
  return store(vault, manifestKey(manifest.id), manifest);
}

async function store(
  { bucket, key }: Vault,
  at: string,
  value: BackupPart | BackupManifest | ArchivePart,
): Promise<Stored> {
  const text = JSON.stringify(value);
  const sha256 = await digestOf(text);
  const sealed = await seal(text, at, key);
  await bucket.put(at, sealed);
  const back = await bucket.get(at);
  if (back === null) throw new SealError(`${at} is not there after it was written`);
  if ((await digestOf(await unseal(back, at, [key]))) !== sha256) throw new SealError(`${at} reads as something else`);
  return { key: at, sha256, bytes: sealed.length };
}

/** What reads a backup: the bucket, or files that were copied out of it; and every key that may open it. */
export interface Reader {
  get: BackupBucket["get"];
  keys: readonly BackupKey[];
}

/** What a backup says of itself; null when there is none. Throws {@link SealError}. */
export async function readManifest({ get, keys }: Reader, id: string): Promise<BackupManifest | null> {
  const at = manifestKey(id);
  const sealed = await get(at);
  return sealed === null ? null : (JSON.parse(await unseal(sealed, at, keys)) as BackupManifest);
}

/** What was archived at a place, and the SHA-256 of its text; null when nothing is there. Throws {@link SealError}. */
export async function readArchive(
  { get, keys }: Reader,
  key: string,
): Promise<{ part: ArchivePart; ref: PartRef } | null> {
  const sealed = await get(key);
  if (sealed === null) return null;
  const text = await unseal(sealed, key, keys);
  return { part: JSON.parse(text) as ArchivePart, ref: { key, sha256: await digestOf(text) } };
}

/** The parts of a backup, the last one first, each held against what the one after it says of it. Throws {@link SealError}. */
export async function* readParts({ get, keys }: Reader, { id, last }: BackupManifest): AsyncGenerator<BackupPart> {
  for (let ref = last; ref !== null; ) {
    const sealed = await get(ref.key);
    if (sealed === null) throw new SealError(`${ref.key} is missing`);
    const text = await unseal(sealed, ref.key, keys);
    if ((await digestOf(text)) !== ref.sha256) throw new SealError(`${ref.key} is not the part that belongs there`);
    const part = JSON.parse(text) as BackupPart;
    if (part.backup !== id) throw new SealError(`${ref.key} belongs to ${part.backup}`);
    yield part;
    ref = part.before;
  }
}
