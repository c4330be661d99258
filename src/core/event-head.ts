// What every journalled event begins with, whatever its kind and whoever wrote it.

/** An event's version and kind, the stream numbers that it takes (`first` to `seq`), and its time in ms. */
export interface EventHead {
  v: number;
  kind: string;
  first?: number;
  seq: number;
  at: number;
}

/**
 * Whether decoded data can be an event. By hand: a schema copies the whole event, which costs as much as its rows, a million times in a
 * rebuild.
 */
export function isEventHead(decoded: unknown): decoded is EventHead {
  if (typeof decoded !== "object" || decoded === null) return false;
  const { v, kind, first, seq, at } = decoded as Record<string, unknown>;
  const streamNumber = (value: unknown) => Number.isSafeInteger(value) && Number(value) > 0;
  return (
    Number.isSafeInteger(v) &&
    typeof kind === "string" &&
    (first === undefined || streamNumber(first)) &&
    streamNumber(seq) &&
    Number.isSafeInteger(at)
  );
}
