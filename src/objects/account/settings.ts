// What an account keeps of its own beside money and orders, each as one value of `meta`: its status, and what its owner has chosen.
import { chooseSettings, type Settings } from "../../core/account/settings.ts";
import type { AccountEvent, AccountState } from "../../core/account/state.ts";
import { SELF_TRADE_PREVENTIONS } from "../../core/order.ts";
import { ok, type Result } from "../../core/result.ts";
import type { ObjectPorts } from "../ports.ts";
import type { AccountView } from "../protocol.ts";
import { type AccountEngine, HALTED } from "./engine.ts";
import { FULL } from "./placing.ts";

/** Lets an owner choose. */
export class AccountSettings {
  readonly #ports: Pick<ObjectPorts, "isFull">;
  readonly #engine: AccountEngine;
  readonly #view: () => AccountView;

  constructor(ports: Pick<ObjectPorts, "isFull">, engine: AccountEngine, view: () => AccountView) {
    this.#ports = ports;
    this.#engine = engine;
    this.#view = view;
  }

  /**
   * Chooses, and answers the account as it is then; orders that are open already keep what they came in with. Refuses
   * `unavailable` while the account is halted, and `storage_full`.
   */
  choose(settings: Settings): Result<AccountView> {
    if (this.#engine.stopped !== null) return HALTED;
    if (this.#ports.isFull()) return FULL;
    return this.#engine.act(() => {
      this.#engine.commit((turn) => chooseSettings(turn, settings));
      return ok(this.#view());
    });
  }
}

/** Reads them back into a state. */
export function readSettings(state: AccountState, meta: (key: string) => string | undefined): void {
  state.status = meta("status") === "frozen" ? "frozen" : "active";
  state.tokensValidFrom = Number(meta("tokens_valid_from") ?? "0");
  const chosen = SELF_TRADE_PREVENTIONS.find((one) => one === meta("self_trade_prevention"));
  state.selfTradePrevention = chosen ?? state.selfTradePrevention;
}

/** Writes what an event has made of them. Belongs in the event's transaction. */
export function writeSettings(event: AccountEvent, setMeta: (key: string, value: string) => void): void {
  if (event.kind === "status_changed") setMeta("status", event.status);
  if (event.kind === "tokens_valid_from") setMeta("tokens_valid_from", String(event.from));
  if (event.kind === "settings_changed") setMeta("self_trade_prevention", event.selfTradePrevention);
}
