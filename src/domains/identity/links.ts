// Links of e-mails that are open, and what takes them back: who had asked for one may be why.

import { and, eq, inArray, type SQL } from "drizzle-orm";
import { mailTokens, users } from "../../db/tables.ts";
import type { IdentityContext } from "./user.ts";

/** The statement that takes back the links of `whose` which choose a new password, or confirm another address. */
export function withdrawLinks(ctx: IdentityContext, whose: SQL) {
  return ctx.db.delete(mailTokens).where(and(whose, inArray(mailTokens.kind, ["reset_password", "change_email"])));
}

/** The statements that take back the address that is to follow a user's present one, and the link that confirms it. */
export function withdrawAddress(ctx: IdentityContext, userId: string) {
  const open = and(eq(mailTokens.userId, userId), eq(mailTokens.kind, "change_email"));
  return [
    ctx.db.update(users).set({ pendingEmail: null }).where(eq(users.id, userId)),
    ctx.db.delete(mailTokens).where(open),
  ] as const;
}
