// The R2 bucket of backups.

/** The environment as far as backups are stored. A runtime without R2 has none, and makes no backups. */
export interface BackupsBinding {
  BACKUPS?: R2Bucket;
}

/** What is done with the bucket. All of it throws while R2 is away. */
export interface BackupBucket {
  put(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Null when nothing is there. */
  get(key: string): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Takes away what begins with a prefix, a thousand at most. False: there may be more. */
  clear(prefix: string): Promise<boolean>;
}

/** The bucket of this environment; null when it has none. */
export function backupBucket({ BACKUPS: bucket }: BackupsBinding): BackupBucket | null {
  if (bucket === undefined) return null;
  return {
    put: async (key, bytes) => {
      await bucket.put(key, bytes);
    },
    get: async (key) => {
      const found = await bucket.get(key);
      return found === null ? null : new Uint8Array(await found.arrayBuffer());
    },
    clear: async (prefix) => {
      const { objects, truncated } = await bucket.list({ prefix });
      if (objects.length > 0) await bucket.delete(objects.map(({ key }) => key));
      return !truncated;
    },
  };
}
