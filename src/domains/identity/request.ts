// From a request to what identity's verbs work with.

import { edgeSessions } from "../../bindings/kv.ts";
import { database } from "../../db/client.ts";
import { audit } from "../../http/audit.ts";
import { clientIpText } from "../../http/client-ip.ts";
import { later, type RequestContext } from "../../http/context.ts";
import type { IdentityContext, Origin } from "./user.ts";

/** What the verbs of this request work with, as of now. */
export function contextOf(c: RequestContext): IdentityContext {
  const { sessionAuthority, limits, mail } = c.get("ports");
  const config = c.get("config");
  return {
    db: database(c.env),
    config,
    revoker: sessionAuthority(c.env),
    limits: limits(c.env, config.rates),
    audit: (act) => audit(c, act),
    edge: edgeSessions(c.env),
    mail: mail(c.env),
    later: (work) => later(c, work),
    nowMs: Date.now(),
  };
}

/** Where this request comes from, as the list of sessions shows it. */
export function originOf(c: RequestContext): Origin {
  return { device: c.req.header("user-agent") ?? "", ip: clientIpText(c) };
}
