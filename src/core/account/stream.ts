// The account stream: which messages an event makes. Each message has its own number, so a resume never loses one.
import type { Report } from "../messages.ts";
import type { ExecType, Order } from "../order.ts";
import type { AccountEvent, Balance, FillRecord, PreventedRecord } from "./state.ts";

/** What a stream can be subscribed to. */
export type Channel = "orders" | "fills" | "balances";

/** One message of the stream before it has its number. */
export type StreamData =
  | { channel: "orders"; execType: ExecType; order: Order; prevented?: PreventedRecord }
  | { channel: "fills"; fill: FillRecord }
  | { channel: "balances"; balance: Balance };

/** The messages of an event in the order of their numbers: the order, its fill, then each changed balance. */
export function streamMessages(event: AccountEvent): StreamData[] {
  const messages: StreamData[] = [];
  if (event.kind === "report" && isTold(event.execType)) {
    const { execType, order, prevented } = event;
    messages.push({ channel: "orders", execType, order, ...(prevented === undefined ? {} : { prevented }) });
    if (event.fill !== null) messages.push({ channel: "fills", fill: event.fill });
  }
  if (event.kind === "followed") messages.push({ channel: "orders", execType: event.execType, order: event.order });
  for (const balance of event.balances) messages.push({ channel: "balances", balance });
  return messages;
}

/** What did not change an order is no news of it. */
function isTold(execType: Report["execType"]): execType is ExecType {
  return execType !== "cancel_rejected" && execType !== "replace_rejected" && execType !== "rules_changed";
}
