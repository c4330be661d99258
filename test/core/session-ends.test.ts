import { expect, it } from "vitest";
import { SESSION_END_REASONS } from "../../src/core/session-ends.ts";

it("a session's end is kept in these words: rows have them, so none may go", () => {
  const kept = ["logout", "logout_all", "reuse", "revoked", "password_changed", "password_reset", "operator"];
  expect(SESSION_END_REASONS).toEqual(expect.arrayContaining(kept));
});
