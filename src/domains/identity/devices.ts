// Whether somebody signs in from where they have signed in before.

import { and, desc, eq, ne } from "drizzle-orm";
import { cut, formatBlock, parseIp } from "../../core/ip.ts";
import { DEVICES_REMEMBERED_MAX } from "../../core/limits.ts";
import { guardD1 } from "../../db/client.ts";
import { sessions } from "../../db/tables.ts";
import type { IdentityContext, Origin } from "./user.ts";

/** What a provider usually gives to one customer or one neighbourhood: addresses in it change by themselves. */
const NETWORK_BITS = { 4: 24, 6: 48 } as const;
/** In this order: most browsers also name those that they descend from. */
const PROGRAMS = ["Edg", "OPR", "Firefox", "FxiOS", "SamsungBrowser", "CriOS", "Chrome", "Safari"];
const SYSTEMS = ["iPhone", "iPad", "Android", "Windows", "Macintosh", "CrOS", "Linux"];

/**
 * Whether a sign-in comes from a new device: none of the user's `earlier` ones had the same family of program on the same
 * system, in the same network (IPv4 by /24, IPv6 by /48). Versions do not count. The very first sign-in is none.
 */
export function isNewDevice(origin: Origin, earlier: readonly Origin[]): boolean {
  const mine = markOf(origin);
  return earlier.length > 0 && earlier.every((one) => markOf(one) !== mine);
}

function markOf({ device, ip }: Origin): string {
  const program = PROGRAMS.find((name) => device.includes(`${name}/`)) ?? device.split("/")[0] ?? "";
  const system = SYSTEMS.find((name) => device.includes(name)) ?? "";
  const address = parseIp(ip);
  const network = address === undefined ? "" : formatBlock(cut(address, NETWORK_BITS[address.version]));
  return [program, system, network].join("|");
}

/** Tells the user by e-mail of a session that a new device has opened, if they want to be told. Never throws. */
export async function tellOfNewDevice(
  ctx: IdentityContext,
  session: { id: string; userId: string; device: string; ip: string },
): Promise<void> {
  const { id, userId, device, ip } = session;
  const earlier = await guardD1(
    ctx.db
      .selectDistinct({ device: sessions.device, ip: sessions.ip })
      .from(sessions)
      .where(and(eq(sessions.userId, userId), ne(sessions.id, id)))
      .orderBy(desc(sessions.id))
      .limit(DEVICES_REMEMBERED_MAX),
  );
  if (!earlier.ok || !isNewDevice({ device, ip }, earlier.value)) return;
  await ctx.mail({ kind: "new_device", userId, device, ip, at: ctx.nowMs });
}
