// The page behind a problem's `type`: one per code, out of the catalogue and of the tables of docs/errors.md.
import type { RefusalCode } from "../core/result.ts";
import texts from "./error-texts.json" with { type: "json" };
import { CATALOGUE } from "./problem.ts";

/** By code: when it is answered, and what to do then; a line of Markdown with nothing but code spans in it. */
const TEXTS: Readonly<Record<RefusalCode, { when: string; todo: string }>> = texts;

/** Every code that has a page: all there are. */
export const PAGE_CODES = Object.keys(CATALOGUE) as RefusalCode[];

/** The page of a code, as HTML that loads nothing. */
export function errorPage(code: RefusalCode): string {
  const { status, title } = CATALOGUE[code];
  const { when, todo } = TEXTS[code];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${code}</title>
<h1>${escaped(title)}</h1>
<p><code>${code}</code>, status ${status}</p>
<h2>When</h2>
<p>${sentence(when)}</p>
<h2>What to do</h2>
<p>${sentence(todo)}</p>
</html>
`;
}

function sentence(markdown: string): string {
  const html = escaped(markdown).replaceAll(/`([^`]+)`/g, "<code>$1</code>");
  return `${html.charAt(0).toUpperCase()}${html.slice(1)}.`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
