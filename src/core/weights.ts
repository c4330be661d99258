// Shares of a whole in basis points that add up to the whole.

const BPS = 10_000n;

/**
 * The weight of each value, in hundredths of a percent: 10,000 in all by largest remainder (the earlier of equals first),
 * so that each is less than one off; all 0 when the values sum to 0. Values are not negative, in one unit.
 */
export function weightsBps(values: readonly bigint[]): number[] {
  const total = values.reduce((sum, value) => sum + value, 0n);
  if (total === 0n) return values.map(() => 0);
  const shares = values.map((value) => ({ whole: Number((value * BPS) / total), rest: (value * BPS) % total }));
  const missing = Number(BPS) - shares.reduce((sum, { whole }) => sum + whole, 0);
  const byRest = [...shares].sort((a, b) => Number(b.rest > a.rest) - Number(b.rest < a.rest));
  const raised = new Set(byRest.slice(0, missing));
  return shares.map((share) => share.whole + Number(raised.has(share)));
}
