// What makes a group out of an order: its class and its exits.
import { z } from "@hono/zod-openapi";
import { decimalIn } from "../../http/openapi.ts";

/** A decimal above zero. */
export const positive = decimalIn.refine((text) => /[1-9]/.test(text), {
  message: "must be greater than zero",
  params: { code: "not_positive" },
});

/** The fields of a group; an order without them is a simple one. */
export const groupFields = {
  order_class: z.enum(["simple", "bracket", "oco", "oto"]).default("simple"),
  take_profit: z.strictObject({ limit_price: positive }).optional(),
  stop_loss: z
    .strictObject({
      stop_price: positive.optional(),
      trail_percent: positive.optional(),
      trail_amount: positive.optional(),
      limit_price: positive.optional(),
    })
    .optional(),
};

const groupShape = z.object(groupFields);

/** What {@link groupMisfits} looks at. */
export type GroupIn = z.output<typeof groupShape> & {
  type: string;
  notional?: string | undefined;
  limit_price?: string | undefined;
  display_qty?: string | undefined;
  time_in_force?: string | undefined;
};

/** One field that does not go together with the others. */
export interface Misfit {
  path: string;
  code: string;
  detail: string;
}

/** Which fields of a group do not go together; none of a simple order without exits. */
export function groupMisfits(order: GroupIn): Misfit[] {
  const { order_class: orderClass, take_profit: profit, stop_loss: loss } = order;
  const found: Misfit[] = [];
  const wrong = (path: string, code: string, detail: string) => found.push({ path, code, detail });
  const exits = [profit, loss].filter((exit) => exit !== undefined).length;
  const wanted = { simple: 0, oto: 1, bracket: 2, oco: 2 }[orderClass];
  const detail =
    ["A simple order has no exits.", "An oto has one exit.", `A ${orderClass} has both exits.`][wanted] ?? "";
  if (exits < wanted) wrong(profit === undefined ? "take_profit" : "stop_loss", "required", detail);
  if (exits > wanted) wrong(loss === undefined ? "take_profit" : "stop_loss", "not_allowed", detail);
  if (loss !== undefined) {
    const triggers = [loss.stop_price, loss.trail_percent, loss.trail_amount].filter((one) => one !== undefined);
    if (triggers.length !== 1)
      wrong("stop_loss", "exactly_one_trigger", "Give one of stop_price, trail_percent and trail_amount.");
    if (loss.limit_price !== undefined && loss.stop_price === undefined)
      wrong("stop_loss/limit_price", "not_allowed", "Only a stop_price has a limit_price.");
  }
  if (orderClass === "oco") found.push(...ocoMisfits(order));
  return found;
}

function ocoMisfits(order: GroupIn): Misfit[] {
  const found: Misfit[] = [];
  const wrong = (path: string, detail: string) => found.push({ path, code: "not_allowed", detail });
  if (order.type !== "limit") wrong("type", "An oco is of type limit.");
  if (order.limit_price !== undefined) wrong("limit_price", "An oco has its prices in its exits.");
  if (order.notional !== undefined) wrong("notional", "An oco is by qty.");
  if (order.display_qty !== undefined) wrong("display_qty", "Exits show all that they have.");
  if (order.time_in_force === "ioc" || order.time_in_force === "fok")
    wrong("time_in_force", "Exits wait: they cannot be immediate.");
  return found;
}
