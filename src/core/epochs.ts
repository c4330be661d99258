// Which life of an object is speaking (protocol rule 15): it has an epoch, raised when it is restored.

/**
 * Why what was said is not of the life that is known, or null when it is. Nothing is known before the first contact, and
 * the version before leaves the epoch out of some answers. Restore's handshake begins where this finds a stranger.
 */
export function strangeEpoch(who: "account" | "market", known: number | null, said: number | undefined): string | null {
  if (known === null || said === undefined || said === known) return null;
  return `${who} epoch ${said}, known as ${known}`;
}
