// Cursors on the wire: opaque to clients, a stream number inside.
import { ok, type Result, refuse } from "../core/result.ts";

/** A page as verbs answer it: the place after its last row, or null at the end. */
export interface NumberedPage<T> {
  data: T[];
  nextCursor: number | null;
}

/** Reads a `cursor` parameter. Refuses `validation_failed` when we cannot have made it. */
export function cursorOf(text: string | undefined): Result<number | null> {
  if (text === undefined) return ok(null);
  const seq = /^c[0-9a-z]{1,11}$/.test(text) ? Number.parseInt(text.slice(1), 36) : Number.NaN;
  if (Number.isSafeInteger(seq)) return ok(seq);
  return refuse({
    code: "validation_failed",
    errors: [{ pointer: "/cursor", code: "invalid_cursor", detail: "Use a next_cursor of this list." }],
  });
}

/** Calls a list's verb with the cursor read. Refuses a wrong cursor before anything is asked. */
export async function withCursor<T>(
  text: string | undefined,
  list: (cursor: number | null) => Promise<Result<T>>,
): Promise<Result<T>> {
  const cursor = cursorOf(text);
  return cursor.ok ? list(cursor.value) : cursor;
}

/** Renders a page's rows and its cursor. */
export function renderPage<T, B>(
  page: NumberedPage<T>,
  render: (row: T) => B,
): { data: B[]; next_cursor: string | null } {
  return {
    data: page.data.map(render),
    next_cursor: page.nextCursor === null ? null : `c${page.nextCursor.toString(36)}`,
  };
}
