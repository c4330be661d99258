// From a request to what identity's verbs work with.

import { edgeSessions } from "../../bindings/kv.ts";
import { database } from "../../db/client.ts";
import { later, type RequestContext } from "../../http/context.ts";
import { askForMail } from "./mail-wish.ts";
import type { IdentityContext, Origin } from "./user.ts";

/** What the verbs of this request work with, as of now. */
export function contextOf(c: RequestContext): IdentityContext {
  return {
    db: database(c.env),
    config: c.get("config"),
    revoker: c.get("ports").sessionAuthority(c.env),
    edge: edgeSessions(c.env),
    mail: (subject) => askForMail(c.env, subject, Date.now()),
    later: (work) => later(c, work),
    nowMs: Date.now(),
  };
}

/** Only the edge's own header says where a client is: X-Forwarded-For is whatever the client wrote. */
export function originOf(c: RequestContext): Origin {
  return { device: c.req.header("user-agent") ?? "", ip: c.req.header("cf-connecting-ip") ?? "" };
}
