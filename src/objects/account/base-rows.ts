// What a base says, in the tables that have it beside the journal. Only a restore writes it: where a journal is cut, they are as they are.
import type { BaseFacts, BaseItem, KeptItem } from "../../core/account/base.ts";
import { encode } from "../../core/codec.ts";
import type { Group } from "../../core/groups.ts";
import type { Balances } from "../../core/ledger.ts";
import type { Order } from "../../core/order.ts";
import type { Position } from "../../core/positions.ts";
import type { Sql } from "../ports.ts";
import type { OnceTable } from "./once.ts";
import { writeTransfer } from "./transfer-rows.ts";

/** The rows of state that a turn has touched, each to be written once. */
export interface Touched {
  readonly balances: Balances;
  readonly orders: Map<string, Order>;
  readonly groups: Map<string, Group>;
  readonly positions: Map<string, Position>;
  readonly peers: Set<string>;
}

/** Where what is no row of a turn's is written to. */
export interface BasePlaces {
  sql: Sql;
  once: Pick<OnceTable, "keepShort">;
  setMeta: (key: string, value: string) => void;
}

/** Writes what a base or what is kept for ever says, or adds it to what is touched. Belongs in a transaction. */
export function writeBase(
  { sql, once, setMeta }: BasePlaces,
  items: readonly (BaseItem | KeptItem)[],
  to: Touched,
): void {
  for (const one of items) {
    if (!("item" in one)) {
      once.keepShort(one);
      continue;
    }
    if (one.item === "facts") writeFacts(one.facts, setMeta);
    if (one.item === "ledger") to.balances.set(one.account, one.units);
    if (one.item === "order") to.orders.set(one.order.id, one.order);
    if (one.item === "group") to.groups.set(one.group.id, one.group);
    if (one.item === "position") to.positions.set(one.position.symbol, one.position);
    if (one.item === "peer") to.peers.add(one.symbol);
    if (one.item === "transfer") writeTransfer(sql, one.transfer, one.placedSeq);
    if (one.item === "volume")
      sql("INSERT INTO volumes (day, units) VALUES (?, CAST(? AS INTEGER))", Number(one.day), String(one.units));
    if (one.item === "session")
      sql("INSERT INTO revoked_sessions (session_id, until) VALUES (?, ?)", one.id, one.until);
  }
}

function writeFacts(facts: BaseFacts, setMeta: BasePlaces["setMeta"]): void {
  setMeta("status", facts.status);
  setMeta("status_change", encode(facts.statusChange));
  setMeta("epoch", String(facts.epoch));
  setMeta("restoring", facts.restoring ? "1" : "0");
  setMeta("moved_today", encode(facts.movedToday));
  setMeta("tokens_valid_from", String(facts.tokensValidFrom));
  setMeta("self_trade_prevention", facts.selfTradePrevention);
}
