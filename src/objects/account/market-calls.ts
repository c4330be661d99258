// How an account's calls reach its markets, for the account's shell.
import { RULES_WAIT_MS } from "../../core/limits.ts";
import { toPeer } from "../platform.ts";
import { marketStub } from "../stubs.ts";
import type { AccountPorts } from "./engine.ts";

/** Calls to market objects, each given up after its time. */
export function marketCalls(env: Env): AccountPorts["send"] {
  const market = (symbol: string) => marketStub(env, symbol);
  return {
    exchange: (symbol, call) => toPeer(env, async () => market(symbol).exchange(call)),
    preview: (symbol, call) => toPeer(env, async () => market(symbol).preview(call)),
    rules: (symbol) => toPeer(env, async () => market(symbol).rules(), RULES_WAIT_MS),
    shake: (symbol, call) => toPeer(env, async () => market(symbol).shake(call)),
  };
}
