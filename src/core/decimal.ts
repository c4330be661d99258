// Decimal strings in and out. Excess precision is refused, never rounded; Number and floats are not used.
import { UNITS_MAX } from "./money.ts";

/**
 * `format`: not of the grammar; `precision`: more digits after the point than the scale; `range`: above 2^53 − 1 units, and
 * how many there would be.
 */
export type ParsedDecimal =
  | { ok: true; value: bigint }
  | { ok: false; reason: "format" | "precision" }
  | { ok: false; reason: "range"; value: bigint };

/** The grammar of money in JSON: no sign, no exponent, no leading zeros, at most 18 digits on either side of the point. */
const DECIMAL_PATTERN = /^(?:0|[1-9]\d{0,17})(?:\.\d{1,18})?$/;

/**
 * The units that a decimal string means at `scale` digits after the point. Digits are counted as written: "1.50" at
 * scale 1 is refused for its precision, though its last digit is zero.
 */
export function parseDecimal(text: string, scale: number): ParsedDecimal {
  if (!DECIMAL_PATTERN.test(text)) return { ok: false, reason: "format" };
  const point = text.indexOf(".");
  const places = point === -1 ? 0 : text.length - point - 1;
  if (places > scale) return { ok: false, reason: "precision" };
  const value = BigInt(text.replace(".", "") + "0".repeat(scale - places));
  return value > UNITS_MAX ? { ok: false, reason: "range", value } : { ok: true, value };
}

/** The units of a decimal that the program itself wrote, such as a listing's tick. Throws RangeError for what is not one. */
export function unitsOf(text: string, scale: number): bigint {
  const parsed = parseDecimal(text, scale);
  if (!parsed.ok) throw new RangeError(`"${text}" at scale ${scale}: ${parsed.reason}`);
  return parsed.value;
}

/** Units as a decimal in shortest form: no trailing zeros, no bare point, `-` where negative, never "-0". Any size. */
export function formatDecimal(units: bigint, scale: number): string {
  const negative = units < 0n;
  const digits = (negative ? -units : units).toString().padStart(scale + 1, "0");
  const point = digits.length - scale;
  let end = digits.length;
  while (end > point && digits.charCodeAt(end - 1) === 48) end -= 1;
  const text = end === point ? digits.slice(0, point) : `${digits.slice(0, point)}.${digits.slice(point, end)}`;
  return negative ? `-${text}` : text;
}

/**
 * The quotient num / den as a decimal of at most `digits` digits after the point, rounded half to even, shortest form.
 * Throws RangeError unless den > 0.
 */
export function formatRatio(num: bigint, den: bigint, digits = 10): string {
  if (den <= 0n) throw new RangeError(`cannot divide by ${den}`);
  const scaled = (num < 0n ? -num : num) * 10n ** BigInt(digits);
  const floor = scaled / den;
  const twice = (scaled % den) * 2n;
  const up = twice > den || (twice === den && floor % 2n === 1n);
  const rounded = up ? floor + 1n : floor;
  return formatDecimal(num < 0n ? -rounded : rounded, digits);
}
