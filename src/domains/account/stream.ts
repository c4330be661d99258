// Opening the account stream: who it is for, by header or ticket, then over to the account object with the socket.
import { type Refusal, type Result, refuse } from "../../core/result.ts";
import type { StreamCaller } from "../../objects/protocol.ts";
import { accountStub, callObject, type ObjectBindings } from "../../objects/stubs.ts";

/** The last character of the seal has two idle bits, which decoders overlook: one ticket must not have many spellings. */
const SEALED = /^(tkt_([0-9a-z]{26})_[0-9a-f]{40})_([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])$/;

/** A ticket as its account object made it, with a seal of this Worker's: `secret` is base64url of 32 bytes. */
export async function sealTicket(ticket: string, secret: string): Promise<string> {
  const seal = await crypto.subtle.sign("HMAC", await keyOf(secret), sayingOf(ticket));
  return `${ticket}_${Buffer.from(seal).toString("base64url")}`;
}

/**
 * Uses up a sealed ticket at the account that it names. Refuses `unauthenticated` when it is not one, used, or late. Without
 * a good seal no object is asked: any name makes one, and a stranger could make as many as there are names.
 */
export async function redeemTicket(env: ObjectBindings, sealed: string, secret: string): Promise<Result<StreamCaller>> {
  const [, ticket, account, seal] = SEALED.exec(sealed) ?? [];
  if (ticket === undefined || seal === undefined) return refuse({ code: "unauthenticated" });
  const good = await crypto.subtle.verify(
    "HMAC",
    await keyOf(secret),
    Buffer.from(seal, "base64url"),
    sayingOf(ticket),
  );
  if (!good) return refuse({ code: "unauthenticated" });
  return callObject(() => accountStub(env, `acc_${account}`).redeemTicket(ticket));
}

function sayingOf(ticket: string): Uint8Array {
  return new TextEncoder().encode(`ticket.v1.${ticket}`);
}

function keyOf(secret: string): Promise<CryptoKey> {
  const bytes = Buffer.from(secret, "base64url");
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
}

/** Hands the socket to the account object. Answers its 101, or the refusal that it gave instead. */
export async function openStream(
  env: ObjectBindings,
  caller: StreamCaller,
  request: Request,
): Promise<Response | Refusal> {
  const headers = new Headers({ upgrade: "websocket", "x-caller": JSON.stringify(caller) });
  try {
    const answer = await accountStub(env, caller.accountId).fetch(new Request(request.url, { headers }));
    return answer.status === 101 ? answer : ((await answer.json()) as Refusal);
  } catch {
    // The object is away or was cut off: the client asks again, and nothing has changed.
    return { code: "unavailable" };
  }
}
