// Whom operators have shut out by address: judged before anything else that costs something.
import type { MiddlewareHandler } from "hono";
import type { IpBlock } from "../core/ip.ts";
import { clientIp } from "./client-ip.ts";
import { type AppEnv, later } from "./context.ts";
import { problemResponse } from "./problem.ts";

/** Whether an address is shut out, as far as is known here; `later` is given what may go on after the answer. */
export type AddressGate = (ip: IpBlock, later: (work: Promise<void>) => void) => boolean | Promise<boolean>;

/** Refuses whoever operators have shut out with 403, whatever is asked for; after the size and before the caller. */
export const addressGate: MiddlewareHandler<AppEnv> = async (c, next) => {
  const ip = clientIp(c);
  if (ip === null) return next();
  const gate = c.get("ports").addressGate(c.env);
  const refused = await gate(ip, (work) => later(c, work));
  if (refused) return problemResponse(c, { code: "forbidden", detail: "This address may not call." });
  return next();
};
