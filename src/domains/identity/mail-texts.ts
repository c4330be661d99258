// What identity's e-mails say, in text and in HTML.

/** An e-mail without its address. */
export interface Letter {
  subject: string;
  text: string;
  html: string;
}

interface Said {
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

/** Tells the owner of an account that its password is another one now. */
export function passwordChangedLetter(username: string, publicUrl: string): Letter {
  return letter(username, {
    subject: "Your password has been changed",
    before: "the password of your account has been changed, and other sessions have ended.",
    link: { label: "It was not you? Choose a new password", href: `${publicUrl}/forgot-password` },
    after: "If it was you, there is nothing to do.",
  });
}

const PROVIDERS = { google: "Google", github: "GitHub" };

/** Tells the owner of an account that one may sign in to it with a provider now. */
export function identityLinkedLetter(username: string, publicUrl: string, provider: keyof typeof PROVIDERS): Letter {
  const name = PROVIDERS[provider];
  return letter(username, {
    subject: `You can sign in with ${name} now`,
    before: `an identity at ${name} has been linked to your account: whoever has it can sign in.`,
    link: { label: "It was not you? Choose a new password", href: `${publicUrl}/forgot-password` },
    after: "If it was you, there is nothing to do. If not, unlink it too.",
  });
}

/** Tells the owner of an account that one may sign in to it with a provider no more. */
export function identityUnlinkedLetter(username: string, publicUrl: string, provider: keyof typeof PROVIDERS): Letter {
  const name = PROVIDERS[provider];
  return letter(username, {
    subject: `You cannot sign in with ${name} any more`,
    before: `the identity at ${name} has been unlinked from your account.`,
    link: { label: "It was not you? Choose a new password", href: `${publicUrl}/forgot-password` },
    after: "If it was you, there is nothing to do.",
  });
}

/** After the #: a browser sends that part to nobody, so that no log and no referrer has the token. */
function link(publicUrl: string, page: string, token: string): string {
  return `${publicUrl}/${page}#token=${token}`;
}

function letter(username: string, { subject, before, link, after }: Said): Letter {
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

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
