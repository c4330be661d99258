// The queue that carries the audit trail to D1: a D1 that is away keeps nobody from signing in, and loses no event.

/** The environment as far as the audit trail is concerned. */
export interface AuditBinding {
  AUDIT: Queue;
}

/** Hands over one event as it is stored. Rejects when the queue does not take it. */
export async function sendAudit(env: AuditBinding, event: object): Promise<void> {
  await env.AUDIT.send(event);
}
