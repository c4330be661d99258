// What is left of an account's events that have been cut: all of the state that they led to, what must be known for ever, and what the
// read model has of it.
import type { Group } from "../groups.ts";
import type { Sha256 } from "../ledger.ts";
import { KEPT_DIGEST_CHARS } from "../limits.ts";
import type { MarketRules } from "../listings.ts";
import { isOpen, type Order, type SelfTradePrevention } from "../order.ts";
import type { Position } from "../positions.ts";
import type { Refusal } from "../result.ts";
import type { AccountEvent, AccountStatus, Balance, OnceKey, StatusChanged } from "./events.ts";
import { ordersOf, refOf } from "./events.ts";
import type { AccountState } from "./state.ts";
import { type DayUse, isPending, type Transfer } from "./transfer-events.ts";

/**
 * An act that was done under a key: the digests of key and body, what it made, and what it was refused with if it was. A list, and digests
 * of {@link KEPT_DIGEST_CHARS}: it is kept for ever, and an account may have done millions.
 */
export type OnceKept = readonly [key: string, body: string, ref: string | null, refusal?: Refusal];

/** Which key an act was done under, in as few characters as tell it from all others. */
export function keptKeyOf({ scope, key }: Pick<OnceKey, "scope" | "key">, sha256: Sha256): string {
  return shortened(sha256(`${scope} ${key}`));
}

/** A SHA-256 in hex, as far as it is kept. */
export function shortened(digest: string): string {
  return digest.slice(0, KEPT_DIGEST_CHARS);
}

/** A transfer as event `seq` left it; it was asked for by event `placedSeq`. */
export interface TransferKept {
  item: "transfer";
  transfer: Transfer;
  placedSeq: number;
  seq: number;
}

/** What is written down once and kept for ever: keys, and transfers that have ended. */
export type KeptItem = OnceKept | TransferKept;

/** Whether what is kept is a transfer. */
export function isTransfer(one: KeptItem | BaseItem): one is TransferKept {
  return "item" in one && one.item === "transfer";
}

/** One thing that a base says. An order, a transfer and a balance bear the event that they are as of. */
export type BaseItem =
  | TransferKept
  | { item: "facts"; facts: BaseFacts }
  | { item: "ledger"; account: string; units: bigint }
  | { item: "balance"; balance: Balance; seq: number }
  | { item: "credit"; asset: string; units: bigint }
  | { item: "order"; order: Order; seq: number }
  | { item: "group"; group: Group }
  | { item: "position"; position: Position }
  | { item: "peer"; symbol: string; epoch: number | null; cseq: number; rseq: number; rules: MarketRules | null }
  | { item: "volume"; day: string; units: bigint }
  | { item: "session"; id: string; until: number };

/** The single values of an account. `statusChange`: the last time that it was frozen or thawed. */
export interface BaseFacts {
  status: AccountStatus;
  statusChange: StatusChanged | null;
  epoch: number;
  restoring: boolean;
  ledger: { seq: number; hash: string };
  movedToday: DayUse;
  tokensValidFrom: number;
  selfTradePrevention: SelfTradePrevention;
}

/** Changes an empty state by items of a base. Commands of before its end have all been answered. */
export function applyBaseItems(state: AccountState, items: readonly BaseItem[]): void {
  for (const one of items) applyItem(state, one);
}

function applyItem(state: AccountState, one: BaseItem): void {
  switch (one.item) {
    case "facts": {
      const { ledger, statusChange: _, ...facts } = one.facts;
      Object.assign(state, facts, { ledgerSeq: ledger.seq, ledgerHead: ledger.hash });
      break;
    }
    case "ledger":
      state.balances.set(one.account, one.units);
      break;
    case "balance":
      break;
    case "credit":
      state.credits.set(one.asset, one.units);
      break;
    case "order":
      if (isOpen(one.order.status)) state.orders.set(one.order.id, one.order);
      break;
    case "group":
      state.groups.set(one.group.id, one.group);
      break;
    case "transfer":
      state.transfers.set(one.transfer.id, one.transfer);
      break;
    case "position":
      state.positions.set(one.position.symbol, one.position);
      break;
    case "peer": {
      const { symbol, epoch, cseq, rseq, rules } = one;
      state.peers.set(symbol, { epoch, cseq, acknowledged: cseq, rseq, pending: [] });
      if (rules !== null) state.rules.set(symbol, rules);
      break;
    }
    case "volume":
      state.volumes.set(one.day, one.units);
      break;
    case "session":
      state.revokedSessions.set(one.id, one.until);
  }
}

/** What is gathered, event by event, beside the state: of everything the last. */
export class Gathered {
  readonly #orders = new Map<string, { order: Order; seq: number }>();
  readonly #balances = new Map<string, { balance: Balance; seq: number }>();
  readonly #transfers = new Map<string, TransferKept>();
  readonly #once: { key: OnceKey; kept: OnceKept }[] = [];
  readonly #sha256: Sha256;
  readonly #placedSeqOf: (transferId: string) => number | undefined;
  #statusChange: StatusChanged | null = null;

  /** `placedSeqOf`: which event had asked for a transfer that is kept already. */
  constructor(sha256: Sha256, placedSeqOf: (transferId: string) => number | undefined) {
    this.#sha256 = sha256;
    this.#placedSeqOf = placedSeqOf;
  }

  /** Takes note of an event; the base that a journal begins with is one. */
  take(event: AccountEvent): void {
    if (event.kind === "base") for (const one of event.items) this.#again(one);
    for (const order of ordersOf(event)) this.#orders.set(order.id, { order, seq: event.seq });
    for (const balance of event.balances) this.#balances.set(balance.asset, { balance, seq: event.seq });
    if ("once" in event) for (const key of event.once) this.#once.push({ key, kept: this.#kept(key, event) });
    if ("transfer" in event) {
      const { transfer, seq } = event;
      const placedSeq = this.#transfers.get(transfer.id)?.placedSeq ?? this.#placedSeqOf(transfer.id) ?? seq;
      this.#transfers.set(transfer.id, { item: "transfer", transfer, placedSeq, seq });
    }
    if (event.kind === "status_changed") {
      const { kind, status, reason, by, cause } = event;
      const who = { ...(by === undefined ? {} : { by }), ...(cause === undefined ? {} : { cause }) };
      this.#statusChange = { kind, status, reason, ...who };
    }
  }

  #kept(key: OnceKey, event: AccountEvent): OnceKept {
    const kept = [keptKeyOf(key, this.#sha256), shortened(key.bodyHash), refOf(event)] as const;
    return event.kind === "refused" ? [...kept, event.refusal] : kept;
  }

  #again(one: BaseItem): void {
    if (one.item === "order") this.#orders.set(one.order.id, one);
    if (one.item === "balance") this.#balances.set(one.balance.asset, one);
    if (one.item === "transfer") this.#transfers.set(one.transfer.id, one);
    if (one.item === "facts") this.#statusChange = one.facts.statusChange;
  }

  /** The keys that acts were done under. */
  get once(): readonly { key: OnceKey; kept: OnceKept }[] {
    return this.#once;
  }

  /** What is to be kept for ever that is not yet. */
  kept(): KeptItem[] {
    return [
      ...this.#once.map(({ kept }) => kept),
      ...[...this.#transfers.values()].filter(({ transfer }) => !isPending(transfer)),
    ];
  }

  /** The last time that the account was frozen or thawed. */
  get statusChange(): StatusChanged | null {
    return this.#statusChange;
  }

  /** Everything that the state at their end is made of, and what the read model has of it. */
  base(state: AccountState): BaseItem[] {
    const { status, epoch, restoring, movedToday, tokensValidFrom, selfTradePrevention } = state;
    const ledger = { seq: state.ledgerSeq, hash: state.ledgerHead };
    const own = { status, epoch, restoring, movedToday, tokensValidFrom, selfTradePrevention };
    const items: BaseItem[] = [{ item: "facts", facts: { ...own, statusChange: this.#statusChange, ledger } }];
    for (const [account, units] of state.balances) items.push({ item: "ledger", account, units });
    for (const { balance, seq } of this.#balances.values()) items.push({ item: "balance", balance, seq });
    for (const [asset, units] of state.credits) items.push({ item: "credit", asset, units });
    const isKept = keeping(state);
    for (const { order, seq } of this.#orders.values()) if (isKept(order)) items.push({ item: "order", order, seq });
    for (const group of state.groups.values()) items.push({ item: "group", group });
    for (const one of this.#transfers.values()) if (isPending(one.transfer)) items.push(one);
    for (const position of state.positions.values()) items.push({ item: "position", position });
    for (const symbol of new Set([...state.peers.keys(), ...state.rules.keys()])) {
      const { epoch: of, cseq, rseq } = state.peers.get(symbol) ?? { epoch: null, cseq: 0, rseq: 0 };
      items.push({ item: "peer", symbol, epoch: of, cseq, rseq, rules: state.rules.get(symbol) ?? null });
    }
    for (const [day, units] of state.volumes) items.push({ item: "volume", day, units });
    for (const [id, until] of state.revokedSessions) items.push({ item: "session", id, until });
    return items;
  }

  /** The ids of the orders of which nothing is kept but under their keys. */
  gone(state: AccountState): string[] {
    const isKept = keeping(state);
    return [...this.#orders.values()].flatMap(({ order }) => (isKept(order) ? [] : [order.id]));
  }
}

/** An order is kept while it is open, or any of its group is: whoever looks at one sees all of them. */
function keeping({ orders }: AccountState): (order: Order) => boolean {
  const groups = new Set([...orders.values()].map(({ group }) => group?.id));
  return ({ id, group }) => orders.has(id) || (group !== undefined && groups.has(group.id));
}
