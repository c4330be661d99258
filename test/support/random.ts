// Randomness that a failing test can name: one seed, one run.

export interface Random {
  /** A number from 0 to just below 1. */
  unit: () => number;
  /** A whole number from 0 to `below` − 1. */
  int: (below: number) => number;
  /** True once in `times`. */
  once: (times: number) => boolean;
  pick: <T>(from: readonly T[]) => T;
}

/** Mulberry32: small, fast, and the same on every machine. */
export function randomOf(seed: number): Random {
  let state = seed | 0;
  const unit = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (below: number) => Math.floor(unit() * below);
  return {
    unit,
    int,
    once: (times) => int(times) === 0,
    pick: (from) => {
      const picked = from[int(from.length)];
      if (picked === undefined) throw new RangeError("nothing to pick from");
      return picked;
    },
  };
}
