// Every way to ask wrongly, and what stays the same after it: no hold, no posting, no order, no stream number.
import { beforeAll, describe, expect, it } from "vitest";
import { SOCKET_MESSAGE_BYTES_MAX } from "../../src/core/limits.ts";
import {
  type Answer,
  call,
  expectProblem,
  type OrderWish,
  ORIGIN,
  priceAt,
  qtyWorth,
  stopClock,
  type Trader,
  trader,
} from "../support/session.ts";
