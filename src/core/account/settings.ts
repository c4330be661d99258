// What an owner chooses for all orders that do not say otherwise.
import type { SelfTradePrevention } from "../order.ts";
import { type AccountTurn, emit } from "./decide.ts";

/** What an owner may choose. */
export interface Settings {
  selfTradePrevention: SelfTradePrevention;
}

/** Chooses, from the next order on; what is chosen already is no news. */
export function chooseSettings(turn: AccountTurn, { selfTradePrevention }: Settings): void {
  if (selfTradePrevention !== turn.state.selfTradePrevention)
    emit(turn, { kind: "settings_changed", selfTradePrevention });
}
