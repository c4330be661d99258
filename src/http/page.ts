// Cursors on the wire: opaque to clients, a stream number, an id or a place inside.
import { isTypeId } from "../core/ids.ts";
import { ok, type Result, refuse } from "../core/result.ts";

/** How much of a list is wanted, and from where on. */
export interface PageWish {
  limit: number;
  cursor?: string | undefined;
}

/** A page as it is answered: its rows, and where the next one goes on. */
export interface WirePage<T> {
  data: T[];
  next_cursor: string | null;
}

/** What a cursor that we cannot have made is refused with. */
export const WRONG_CURSOR = refuse({
  code: "validation_failed",
  errors: [{ pointer: "/cursor", code: "invalid_cursor", detail: "Use a next_cursor of this list." }],
});

/** A page as verbs answer it: the place after its last row, or null at the end. */
export interface NumberedPage<T> {
  data: T[];
  nextCursor: number | null;
}

/** Reads a `cursor` parameter. Refuses `validation_failed` when we cannot have made it. */
export function cursorOf(text: string | undefined): Result<number | null> {
  if (text === undefined) return ok(null);
  const seq = /^c[0-9a-z]{1,11}$/.test(text) ? Number.parseInt(text.slice(1), 36) : Number.NaN;
  return Number.isSafeInteger(seq) ? ok(seq) : WRONG_CURSOR;
}

/**
 * Reads a `cursor` parameter that is the id of the last row before it; null without one. Ids are made of the time first,
 * so such lists are newest first. Refuses `validation_failed` when we cannot have made it.
 */
export function idCursor(prefix: string, text: string | undefined): Result<string | null> {
  if (text === undefined) return ok(null);
  return isTypeId(prefix, text) ? ok(text) : WRONG_CURSOR;
}

/** A row's place in a list that is sorted by a whole number, and by id among equals. */
export interface Place {
  key: number;
  id: string;
}

/**
 * Reads a `cursor` parameter of a list that is sorted by `order`; null without one. Refuses `validation_failed` when we cannot have
 * made it for this order: its place would mean another one there.
 */
export function placeCursor(order: string, prefix: string, text: string | undefined): Result<Place | null> {
  if (text === undefined) return ok(null);
  const [, sorted, key = "", id = ""] = /^(-?[a-z_]+)-([0-9a-z]{1,11})-(.+)$/.exec(text) ?? [];
  const place = { key: Number.parseInt(key, 36), id };
  const isOurs = sorted === order && Number.isSafeInteger(place.key) && isTypeId(prefix, id);
  return isOurs ? ok(place) : WRONG_CURSOR;
}

/** A place in a list that is sorted by `order` as a `cursor` parameter; its key is not negative. */
export function placeText(order: string, { key, id }: Place): string {
  return `${order}-${key.toString(36)}-${id}`;
}

/** Calls a list's verb with the cursor read. Refuses a wrong cursor before anything is asked. */
export async function withCursor<T>(
  text: string | undefined,
  list: (cursor: number | null) => Promise<Result<T>>,
): Promise<Result<T>> {
  const cursor = cursorOf(text);
  return cursor.ok ? list(cursor.value) : cursor;
}

/** A place in a list as a `cursor` parameter; null at its end. */
export function cursorText(place: number | null): string | null {
  return place === null ? null : `c${place.toString(36)}`;
}

/** Renders a page's rows and its cursor. */
export function renderPage<T, B>(
  page: NumberedPage<T>,
  render: (row: T) => B,
): { data: B[]; next_cursor: string | null } {
  return {
    data: page.data.map(render),
    next_cursor: cursorText(page.nextCursor),
  };
}

/** Renders rows of which one more than `limit` was asked for: that one only says whether there is a next page. */
export function pageBy<Row, T>(
  rows: Row[],
  limit: number,
  cursor: (row: Row) => string,
  render: (row: Row) => T,
): WirePage<T> {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { data: page.map(render), next_cursor: rows.length > limit && last !== undefined ? cursor(last) : null };
}

/** As {@link pageBy}, with ids for cursors. */
export function pageById<Row extends { id: string }, T>(
  rows: Row[],
  limit: number,
  render: (row: Row) => T,
): WirePage<T> {
  return pageBy(rows, limit, (row) => row.id, render);
}
