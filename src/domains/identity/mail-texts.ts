// What identity's e-mails say, in text and in HTML.

/** An e-mail without its address. */
export interface Letter {
  subject: string;
  text: string;
  html: string;
}

/** What a letter says, paragraph by paragraph. */
export interface Said {
  subject: string;
  before: string;
  link?: { label: string; href: string };
  after: string;
}

/** Asks the owner of an address to say that it is theirs. */
export function verifyEmailLetter(username: string, publicUrl: string, token: string): Letter {
  return letter(username, {
    subject: "Confirm your e-mail address",
    before: "please confirm that this is your e-mail address.",
    link: { label: "Confirm the address", href: link(publicUrl, "verify-email", token) },
    after: "The link is good once, for 24 hours. If you have not signed up at Tradepost, ignore this e-mail.",
  });
}

/** Lets the owner of an address choose another password. */
export function resetPasswordLetter(username: string, publicUrl: string, token: string): Letter {
  return letter(username, {
    subject: "Choose a new password",
    before: "somebody, most likely you, has asked for a new password.",
    link: { label: "Choose a new password", href: link(publicUrl, "reset-password", token) },
    after: "The link is good once, for 30 minutes. If it was not you, ignore this e-mail: nothing has changed.",
  });
}

/** Asks the owner of an address to say that it is to be this user's. */
export function changeEmailLetter(username: string, publicUrl: string, token: string): Letter {
  return letter(username, {
    subject: "Confirm your new e-mail address",
    before:
      "please confirm that this is to be the e-mail address of your account. Until then the one before stays in force.",
    link: { label: "Confirm the address", href: link(publicUrl, "verify-email", token) },
    after: "The link is good once, for 24 hours. If you have no account at Tradepost, ignore this e-mail.",
  });
}

/** After the #: a browser sends that part to nobody, so that no log and no referrer has the token. */
function link(publicUrl: string, page: string, token: string): string {
  return `${publicUrl}/${page}#token=${token}`;
}

/** A letter in both forms. Whatever is put into it is escaped. */
export function letter(username: string, { subject, before, link, after }: Said): Letter {
  const greeting = `Hello ${username},`;
  const lines = link === undefined ? [] : [`${link.label}:\n${link.href}`];
  const anchor = link === undefined ? "" : `<p><a href="${escaped(link.href)}">${escaped(link.label)}</a></p>\n`;
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${escaped(subject)}</title>
<p>${escaped(greeting)}</p>
<p>${escaped(before)}</p>
${anchor}<p>${escaped(after)}</p>
<p>Tradepost</p>
</html>
`;
  return { subject, text: `${[greeting, before, ...lines, after, "Tradepost"].join("\n\n")}\n`, html };
}

/** Text as it stands in HTML, in an attribute too. */
export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
