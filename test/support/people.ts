// People whom D1 knows, without a password: their session is a row there, as a login makes one.
import { env } from "cloudflare:workers";
import { type Trader, trader } from "./session.ts";

/** A person whom D1 knows, with a session; `token` is what theirs says. */
export async function person(roles: string[] = ["customer"], token: { emailVerified?: boolean } = {}): Promise<Trader> {
  const who = await trader({ roles, ...token });
  const { userId, accountId, sessionId } = who;
  const at = Date.now();
  await env.DB.batch([
    env.DB.prepare(
      "INSERT INTO users (id, email, email_canonical, username, password_hash, roles, created_at, updated_at) VALUES (?, ?1, ?1, ?1, '', ?, ?, ?3)",
    ).bind(userId, JSON.stringify(roles), at),
    env.DB.prepare("INSERT INTO accounts (id, user_id, created_at) VALUES (?, ?, ?)").bind(accountId, userId, at),
    env.DB.prepare(
      "INSERT INTO sessions (id, user_id, account_id, generation, device, ip, created_at, rotated_at, expires_at) VALUES (?, ?, ?, 1, '', '', ?, ?4, ?5)",
    ).bind(sessionId, userId, accountId, at, at + 1_000_000),
  ]);
  return who;
}
