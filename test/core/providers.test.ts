import { expect, it } from "vitest";
import { PROVIDERS } from "../../src/core/providers.ts";

it("those with whom people sign in keep their names: paths and rows have them, so none may go", () => {
  expect(PROVIDERS).toEqual(expect.arrayContaining(["google", "github"]));
});
