// The local mailbox as a page for people: what was sent, the last first, with nothing that runs or is loaded.

import type { readMailbox } from "./email.ts";
import { escaped } from "./mail-texts.ts";

type Mailbox = Extract<Awaited<ReturnType<typeof readMailbox>>, { ok: true }>["value"];

/** Whether who asks is a browser that shows a page, by its Accept header. */
export function wantsPage(accept: string | undefined): boolean {
  return accept?.includes("text/html") === true && !accept.includes("application/json");
}

/** The page of some e-mails. `to` is whose alone they are, if they are. */
export function mailboxPage({ data, next_cursor: next }: Mailbox, to: string | undefined): string {
  const older = new URLSearchParams({ ...(to === undefined ? {} : { to }), cursor: next ?? "" });
  const link = next === null ? "" : `<p><a href="?${escaped(older.toString())}">Older ones</a></p>\n`;
  const mails = data.length === 0 ? "<p>There is none yet.</p>\n" : data.map(article).join("");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>E-mails of this local run</title>
<h1>E-mails of this local run</h1>
${mails}${link}</html>
`;
}

/** One e-mail: its text as it is, its HTML in a frame without scripts, forms or an origin. */
function article({ id, kind, to, subject, text, html, at }: Mailbox["data"][number]): string {
  return `<article id="${escaped(id)}">
<h2>${escaped(subject)}</h2>
<p>To ${escaped(to)}, ${escaped(at)}, <code>${escaped(kind)}</code></p>
<pre>${escaped(text)}</pre>
<iframe sandbox title="The same as HTML" width="640" height="260" srcdoc="${escaped(html)}"></iframe>
</article>
`;
}
