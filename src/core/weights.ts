// Shares of a whole in basis points that add up to the whole.

const BPS = 10_000n;

/**
 * The weight of each value, in hundredths of a percent: 10,000 in all by largest remainder (the earlier of equals first),
 * so that each is less than one off; all 0 when the values sum to 0. Values are not negative, in one unit.
 */
export function weightsBps(values: readonly bigint[]): number[] {
  const total = values.reduce((sum, value) => sum + value, 0n);
  if (total === 0n) return values.map(() => 0);
  const weights = values.map((value) => Number((value * BPS) / total));
  const missing = Number(BPS) - weights.reduce((sum, weight) => sum + weight, 0);
  const remainder = (index: number) => ((values[index] ?? 0n) * BPS) % total;
  const byRemainder = [...weights.keys()].sort(
    (a, b) => Number(remainder(b) > remainder(a)) - Number(remainder(b) < remainder(a)),
  );
  const raised = new Set(byRemainder.slice(0, missing));
  return weights.map((weight, index) => weight + Number(raised.has(index)));
}
