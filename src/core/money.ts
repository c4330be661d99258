// How an amount is held: a bigint of an asset's smallest unit, and the one way in and out of an INTEGER column.

import { type EncodedBigint, readInteger } from "./codec.ts";

/** A count of some asset's smallest unit. */
export type Units = bigint;

/** The greatest amount that may be stored, 2^53 − 1 units: SQLite bindings read greater integers wrongly, without a word. */
export const UNITS_MAX = 2n ** 53n - 1n;

/** An amount as the number that an INTEGER column is bound to. Throws RangeError outside ±{@link UNITS_MAX}. */
export function toColumn(units: Units): number {
  if (units > UNITS_MAX || units < -UNITS_MAX) throw new RangeError(`${units} units do not fit a money column`);
  return Number(units);
}

/** As {@link toColumn}, of an amount as the codec writes it. Throws SyntaxError for what is none. */
export function readColumn(written: EncodedBigint): number {
  const units = readInteger(written);
  return typeof units === "number" ? units : toColumn(units);
}

/** The amount that a money column holds. Throws RangeError for a fraction and outside ±{@link UNITS_MAX}. */
export function fromColumn(stored: number): Units {
  if (!Number.isSafeInteger(stored)) throw new RangeError(`${stored} is not a whole amount in a money column`);
  return BigInt(stored);
}

/** `a / b` rounded up, for amounts that are not negative and `b` more than nothing. */
export function ceilDiv(a: bigint, b: bigint): bigint {
  return (a + b - 1n) / b;
}
