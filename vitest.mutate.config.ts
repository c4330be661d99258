import { configDefaults, defineConfig } from "vitest/config";

// What `npm run mutate` asks: the tables of core alone. The random books, journals and restores would find nearly every
// mutant too, late and without saying which promise it breaks; and StrykerJS runs all projects of a configuration that has
// some.
export default defineConfig({
  test: {
    include: ["test/core/**/*.test.ts"],
    exclude: [...configDefaults.exclude, "test/core/{oracle,conservation,restore,groups-property}.test.ts"],
    testTimeout: 60_000,
  },
});
