// What a backup is stored as: packed, and sealed with AES-256-GCM under a key that its object names, for the place where it is.

/** A key, and what sealed objects call it. */
export interface BackupKey {
  id: string;
  key: CryptoKey;
}

/** What every sealed object begins with; then the key's id, the nonce, and what is sealed. */
const MAGIC = "TPB1";
const ID_BYTES = 8;
const NONCE_BYTES = 12;
const HEAD_BYTES = MAGIC.length + ID_BYTES + NONCE_BYTES;

/** A sealed object that cannot be what was stored: cut off, changed, from another place, or of a key that is not here. */
export class SealError extends Error {
  override name = "SealError";
}

/** The key that a secret of 32 bytes in base64url stands for. Its id is made of it, and tells nothing of it. */
export async function backupKeyOf(secret: string): Promise<BackupKey> {
  const bytes = new Uint8Array(Buffer.from(secret, "base64url"));
  const named = new Uint8Array([...new TextEncoder().encode("tradepost backup key"), ...bytes]);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", named));
  const key = await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
  return { id: hexOf(digest.subarray(0, ID_BYTES)), key };
}

/** Packs and seals a text for the place `at`: in another one it does not open. */
export async function seal(text: string, at: string, { id, key }: BackupKey): Promise<Uint8Array<ArrayBuffer>> {
  const packed = await through(new Uint8Array(new TextEncoder().encode(text)), new CompressionStream("gzip"));
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const head = new Uint8Array([...new TextEncoder().encode(MAGIC), ...Buffer.from(id, "hex"), ...nonce]);
  const sealed = new Uint8Array(await crypto.subtle.encrypt(algorithmFor(nonce, at), key, packed));
  const whole = new Uint8Array(head.length + sealed.length);
  whole.set(head);
  whole.set(sealed, head.length);
  return whole;
}

/** The text that was sealed for the place `at`, under one of `keys`. Throws {@link SealError}. */
export async function unseal(whole: Uint8Array<ArrayBuffer>, at: string, keys: readonly BackupKey[]): Promise<string> {
  const magic = new TextDecoder().decode(whole.subarray(0, MAGIC.length));
  if (whole.length < HEAD_BYTES || magic !== MAGIC) throw new SealError(`${at} is no part of a backup`);
  const id = hexOf(whole.subarray(MAGIC.length, MAGIC.length + ID_BYTES));
  const found = keys.find((one) => one.id === id);
  if (found === undefined) throw new SealError(`${at} is sealed under the key ${id}, which is not here`);
  const nonce = whole.slice(HEAD_BYTES - NONCE_BYTES, HEAD_BYTES);
  try {
    const packed = await crypto.subtle.decrypt(algorithmFor(nonce, at), found.key, whole.subarray(HEAD_BYTES));
    const bytes = await through(new Uint8Array(packed), new DecompressionStream("gzip"));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SealError(`${at} is not what was stored`);
  }
}

/** The SHA-256 of a text, in hex. */
export async function digestOf(text: string): Promise<string> {
  return hexOf(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

function algorithmFor(iv: Uint8Array<ArrayBuffer>, at: string) {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(at) };
}

async function through(
  bytes: Uint8Array<ArrayBuffer>,
  stream: CompressionStream | DecompressionStream,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
