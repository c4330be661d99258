// Which life of an object is speaking (protocol rule 15): it has an epoch, raised when it is restored.

/** The epoch of an object that has never been restored. */
export const FIRST_EPOCH = 1;

/**
 * Why what was said is of a life that has ended, or null when it is not. Nothing is known before the first contact, and
 * the version before leaves the epoch out of some answers.
 */
export function strangeEpoch(who: "account" | "market", known: number | null, said: number | undefined): string | null {
  return isRestored(known, said) ? null : anotherEpoch(who, known, said);
}

/** As {@link strangeEpoch}, of a later life too: before the handshake nobody may act in its name. */
export function anotherEpoch(who: "account" | "market", known: number | null, said: number | undefined): string | null {
  return isSameLife(known, said) ? null : `${who} epoch ${said}, known as ${known}`;
}

/** Whether what was said is of a later life than the one known: that object has been restored, and must shake hands. */
export function isRestored(known: number | null, said: number | undefined): boolean {
  return known !== null && said !== undefined && said > known;
}

/** Whether what was said is of the life that is known, as far as either is. */
export function isSameLife(known: number | null, said: number | undefined): boolean {
  return known === null || said === undefined || said === known;
}
