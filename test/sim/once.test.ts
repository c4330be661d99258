// An idempotency key whose call is never answered, though its object lives on: the key must not be lost with it.
import { expect, it } from "vitest";
import { IN_FLIGHT_MAX_MS } from "../../src/core/limits.ts";
import { PLAIN_ORDER } from "../support/core-world.ts";
import { NO_FAULTS } from "./faults.ts";
import { ACCOUNT_IDS, callerOf } from "./workload.ts";
import { World } from "./world.ts";

it("a key is in flight for as long as a POST may wait, then it has the order as it is", () => {
  const world = new World(1, NO_FAULTS);
  const [id = ""] = ACCOUNT_IDS;
  const account = world.account(id);
  const caller = callerOf(id);
  account.transfer(caller, { kind: "deposit", asset: "USD", amount: 1_000_000_000n }, null);
  const request = { ...PLAIN_ORDER, qty: 100_000_000n, limitPrice: 180_000_000n };
  const idempotency = { key: "k", requestId: "r" };
  const ask = () => account.place(caller, request, idempotency);
  const first = ask();
  if (!("order" in first)) throw new Error("the order was not placed");
  world.now += IN_FLIGHT_MAX_MS - 1;
  expect(ask()).toMatchObject({ result: { refusal: { code: "idempotency_in_flight" } } });
  world.now += 1;
  const second = ask();
  if (!("order" in second)) throw new Error("the key is not free");
  expect(second).toMatchObject({ order: { id: first.order.id }, replay: { by: "idempotency_key", requestId: "r" } });
  account.cancel(caller, first.order.id);
  const answered = account.answer(second, idempotency);
  expect(account.answer(first, idempotency).result).toEqual(answered.result);
  expect(ask()).toEqual(answered);
});
