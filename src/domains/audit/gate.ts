// The way into the audit trail, as the port that app.ts hands to every request.
import { type AuditBinding, sendAudit } from "../../bindings/audit-queue.ts";
import { typeId } from "../../core/ids.ts";
import type { AuditTrail } from "../../http/audit.ts";
import { log } from "../../log.ts";
import type { AuditMessage } from "./schema.ts";

/** Gives events their ids and sends them to the queue. One that it does not take is a line in the log, with all it says. */
export function auditTrail(env: AuditBinding): AuditTrail {
  return async (event) => {
    const id = typeId("aud", event.at, crypto.getRandomValues(new Uint8Array(10)));
    const message: AuditMessage = { v: 1, id, ...event };
    try {
      await sendAudit(env, message);
    } catch (error) {
      log("error", "audit_not_sent", { message: String(error), audit: message });
    }
  };
}
