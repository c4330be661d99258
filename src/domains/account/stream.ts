// Opening the account stream: who it is for, by header or ticket, then over to the account object with the socket.
import { refuse, type Refusal, type Result } from "../../core/result.ts";
import type { Caller } from "../../objects/protocol.ts";
import { accountStub, callObject, type ObjectBindings } from "../../objects/stubs.ts";

const TICKET = /^tkt_([0-9a-z]{26})_[A-Za-z0-9_-]{22,64}$/;

/** Uses up a ticket at the account that it names. Refuses `unauthenticated` when it is not one, used, or late. */
export async function redeemTicket(env: ObjectBindings, ticket: string): Promise<Result<Caller>> {
  const account = TICKET.exec(ticket)?.[1];
  if (account === undefined) return refuse({ code: "unauthenticated" });
  return callObject(() => accountStub(env, `acc_${account}`).redeemTicket(ticket));
}

/** Hands the socket to the account object. Answers its 101, or the refusal that it gave instead. */
export async function openStream(env: ObjectBindings, caller: Caller, request: Request): Promise<Response | Refusal> {
  const headers = new Headers({ upgrade: "websocket", "x-caller": JSON.stringify(caller) });
  try {
    const answer = await accountStub(env, caller.accountId).fetch(new Request(request.url, { headers }));
    return answer.status === 101 ? answer : ((await answer.json()) as Refusal);
  } catch {
    // The object is away or was cut off: the client asks again, and nothing has changed.
    return { code: "unavailable" };
  }
}
