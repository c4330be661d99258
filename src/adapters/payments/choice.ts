// Which payment provider this deployment has.
import type { PaymentConfig } from "../../config.ts";
import type { PaymentDesk } from "../../core/payments.ts";
import type { PaymentProvider } from "./provider.ts";
import { stripe } from "./stripe.ts";

/** The provider that the configuration names; null for paper, which settles at once and asks nobody. */
export function paymentsOf(config: PaymentConfig): PaymentProvider | null {
  return config.provider === "paper" ? null : stripe(config);
}

/** What accounts ask of it; the configuration is read when it is needed. With paper nothing is ever pending, and none asks. */
export function deskOf(config: () => PaymentConfig): PaymentDesk {
  return {
    payOut: async (transfer) => paymentsOf(config())?.payOut(transfer) ?? NOBODY,
    look: async (transfer, ref) => paymentsOf(config())?.look(transfer, ref) ?? NOBODY,
  };
}

const NOBODY = { kind: "later", reason: "no provider is configured" } as const;
