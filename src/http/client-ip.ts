// Where a client is. Only the edge's own header says so: X-Forwarded-For is whatever the client wrote.
import type { Context } from "hono";
import { cut, formatBlock, type IpBlock, parseIp } from "../core/ip.ts";
import type { AppEnv } from "./context.ts";

/** Whoever has an IPv6 address has this whole block of them: a limit per address would be none. */
const IPV6_HOLDING_BITS = 64;

/** The client's address as the edge saw it; null when nothing says, as in a local run without an edge. */
export function clientIp(c: Context<AppEnv>): IpBlock | null {
  return parseIp(c.req.header("cf-connecting-ip") ?? "") ?? null;
}

/** The client's address as text, empty when nothing says. */
export function clientIpText(c: Context<AppEnv>): string {
  const ip = clientIp(c);
  return ip === null ? "" : formatBlock(ip);
}

/** Under what the calls of an address are counted; all without one are counted together. */
export function ipKey(ip: IpBlock | null): string {
  if (ip === null) return "none";
  return formatBlock(ip.version === 6 ? cut(ip, IPV6_HOLDING_BITS) : ip);
}
