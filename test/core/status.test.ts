// What a market takes in each of its states, how it gets from one to another, and the breaker that halts it by itself.
import { describe, expect, it } from "vitest";
import { decode, encode } from "../../src/core/codec.ts";
import { BREAKER_BPS, BREAKER_HALT_MS, BREAKER_WINDOW_MS } from "../../src/core/limits.ts";
import { MARKETS, type MarketStatus } from "../../src/core/listings.ts";
import { hasBolted, isTrading, takes, tradableAt } from "../../src/core/market/breaker.ts";
import { openMarket } from "../../src/core/market/reimport.ts";
import { changeRules, type RulesChange } from "../../src/core/market/rules.ts";
import { applyMarketEvent, emptyMarket, type MarketEvent, marketStateHash } from "../../src/core/market/state.ts";
import { changeStatus, kill, release } from "../../src/core/market/status.ts";
import { emit } from "../../src/core/market/turn.ts";
import { pricePath, STEP_MS } from "../../src/core/prices.ts";
import type { Result } from "../../src/core/result.ts";
import { Desk, deskWith, expectBook, listed, NOON, printBook, SEED, sha256 } from "../support/book.ts";

const RULES = listed("SOL-USD");
const ACT = { by: "usr_olivia", reason: "a drill" };
const short = (sentences: string[]) => sentences.map((sentence) => sentence.split(",")[0] ?? "");

function become(desk: Desk, status: MarketStatus): string[] {
  return desk.turn((turn) => changeStatus(turn, status, ACT));
}

function change(desk: Desk, wish: RulesChange): Result<null> {
  let done: Result<null> = { ok: true, value: null };
  desk.turn((turn) => {
    done = changeRules(turn, wish, ACT);
  });
  return done;
}

function versions(desk: Desk): number[] {
  return desk.journal.flatMap((event) => (event.kind === "rules" ? [event.rules.version] : []));
}

function expectReplays(desk: Desk, opening = RULES): void {
  const again = emptyMarket(opening, 1);
  for (const event of desk.journal) applyMarketEvent(again, decode<MarketEvent>(encode(event)));
  expect(marketStateHash(again, sha256)).toBe(marketStateHash(desk.state, sha256));
}

describe("what a market takes", () => {
  const ORDERS = { plain: "x1 buy 1 @ 179", post_only: "x1 buy 1 @ 179 post_only", stop: "x1 sell 1 market falls:170" };

  it.each<[MarketStatus, keyof typeof ORDERS, string]>([
    ["open", "plain", "x1 new"],
    ["open", "post_only", "x1 new"],
    ["open", "stop", "x1 new"],
    ["post_only", "plain", "x1 rejected: market_post_only"],
    ["post_only", "post_only", "x1 new"],
    ["post_only", "stop", "x1 rejected: market_post_only"],
    ["cancel_only", "plain", "x1 rejected: market_not_open"],
    ["cancel_only", "post_only", "x1 rejected: market_not_open"],
    ["cancel_only", "stop", "x1 rejected: market_not_open"],
    ["halted", "plain", "x1 rejected: market_not_open"],
    ["halted", "post_only", "x1 rejected: market_not_open"],
    ["halted", "stop", "x1 rejected: market_not_open"],
  ])("while it is %s: %s", (status, order, answer) => {
    const desk = new Desk();
    become(desk, status);
    expect(desk.send(ORDERS[order])).toEqual([answer]);
    const broken = desk.journal.flatMap((event) => (event.kind === "report" ? [event.report.broken] : []));
    expect(broken).toEqual([
      answer.includes("rejected") ? { rule: "status", limit: "open", value: status } : undefined,
    ]);
    expectReplays(desk);
  });

  it.each<MarketStatus>(["post_only", "cancel_only", "halted"])(
    "%s: cancels work, and what is due expires",
    (status) => {
      const desk = deskWith("a1:2 b1:1 | 179.9 |");
      desk.send(`c1 buy 1 @ 179 gtd until:${NOON + 60_000}`);
      become(desk, status);
      expect(desk.send("cancel a1")).toEqual(["a1 canceled: user"]);
      desk.now = NOON + 60_000;
      expect(desk.advance()).toEqual(["c1 expired: gtd"]);
      expectBook(desk, "b1:1 | 179.9 |");
      expectReplays(desk);
    },
  );

  it.each<MarketStatus>(["post_only", "cancel_only", "halted"])("%s: the house has no quotes, at once", (status) => {
    const desk = new Desk();
    desk.advance();
    expect(printBook(desk.state.book, desk.rules)).toHaveLength(20);
    become(desk, status);
    expect(printBook(desk.state.book, desk.rules)).toEqual([]);
    desk.now += 5_000;
    desk.advance();
    expect(printBook(desk.state.book, desk.rules)).toEqual([]);
    become(desk, "open");
    desk.now += STEP_MS;
    desk.advance();
    expect(printBook(desk.state.book, desk.rules)).toHaveLength(20);
    expectReplays(desk);
  });

  it.each<[MarketStatus, string, string]>([
    ["post_only", "replace a1 -1 @ 179.9", "a1 replace_rejected: market_post_only"],
    ["post_only", "replace a1 -1 @ 179.9 post_only", "a1 replaced"],
    ["cancel_only", "replace a1 -1 @ 179.9 post_only", "a1 replace_rejected: market_not_open"],
    ["halted", "replace a1 -1 @ 179.9 post_only", "a1 replace_rejected: market_not_open"],
  ])("%s: %s", (status, sentence, answer) => {
    const desk = deskWith("a1:3 | 179.9 |");
    become(desk, status);
    expect(desk.send(sentence)).toEqual([answer]);
  });

  it.each<MarketStatus>(["post_only", "cancel_only", "halted"])("%s: triggers wait until it is open", (status) => {
    const desk = new Desk();
    desk.advance();
    desk.send("x1 sell 1 market falls:179.9");
    become(desk, status);
    const path = pricePath(RULES, SEED);
    const there = Array.from({ length: 5_000 }, (_, s) => s + 1).find((s) => path(NOON / STEP_MS + s) <= 17_990);
    desk.now = NOON + (there ?? 0) * STEP_MS;
    expect(desk.advance()).toEqual([]);
    become(desk, "open");
    desk.now += STEP_MS;
    expect(short(desk.advance())[0]).toBe("x1 triggered at 179.9");
    expectReplays(desk);
  });
});

describe("a status", () => {
  it("is a version of the rules, with who gave it and why; the same once more is none", () => {
    const desk = new Desk();
    become(desk, "cancel_only");
    become(desk, "cancel_only");
    become(desk, "open");
    expect(versions(desk)).toEqual([2, 3]);
    expect(desk.journal[0]).toMatchObject({ kind: "rules", rules: { status: "cancel_only", halt: null }, ...ACT });
    expectReplays(desk);
  });

  it("of another life of the market has versions of its own", () => {
    const desk = new Desk();
    become(desk, "cancel_only");
    desk.turn((turn) => emit(turn, { kind: "restored", epoch: 2, by: "usr_olivia", reason: "its disk is gone" }));
    become(desk, "open");
    expect(versions(desk)).toEqual([2, 1_000_001]);
  });

  it.each<MarketStatus>(["post_only", "cancel_only", "halted"])("of %s does not count as an opening", (status) => {
    const desk = new Desk();
    const { openedAt } = desk.rules;
    become(desk, status);
    expect(desk.rules.openedAt).toBe(openedAt);
  });

  it("does not open what is being restored, and shows that it takes cancels alone", () => {
    const desk = deskWith("a1:1 | 179.9 |");
    desk.turn((turn) => emit(turn, { kind: "restored", epoch: 2, by: "usr_olivia", reason: "its disk is gone" }));
    become(desk, "halted");
    become(desk, "open");
    expect([takes(desk.state).status, isTrading(desk.state)]).toEqual(["cancel_only", false]);
    desk.turn((turn) => openMarket(turn, null, "all have been met"));
    expect([takes(desk.state).status, isTrading(desk.state)]).toEqual(["open", true]);
  });

  it.each([
    ["open", "cancel_only"],
    ["post_only", "cancel_only"],
    ["cancel_only", "cancel_only"],
    ["halted", "halted"],
  ] as const)("of %s takes %s where no more may be stored", (status, taken) => {
    const desk = new Desk();
    become(desk, status);
    expect(takes(desk.state, true).status).toBe(taken);
    expect(takes(desk.state).status).toBe(status);
  });

  it("halted by an operator has no end, and remembers what was before", () => {
    const desk = new Desk();
    become(desk, "post_only");
    become(desk, "halted");
    expect(desk.rules.halt).toEqual({ reason: "operator", until: null, before: "post_only" });
    desk.now += 10 * BREAKER_HALT_MS;
    desk.advance();
    expect(desk.rules.status).toBe("halted");
  });
});

describe("the kill switch", () => {
  it.each<MarketStatus>(["open", "post_only", "cancel_only"])("gives back what a market was: %s", (status) => {
    const desk = new Desk();
    become(desk, status);
    desk.turn((turn) => kill(turn, ACT));
    expect(desk.rules).toMatchObject({
      status: "halted",
      halt: { reason: "kill_switch", until: null, before: status },
    });
    desk.turn((turn) => kill(turn, ACT));
    desk.turn((turn) => release(turn, ACT));
    expect(desk.rules).toMatchObject({ status, halt: null });
    desk.turn((turn) => release(turn, ACT));
    expectReplays(desk);
  });

  it("leaves what an operator has halted as it is, pulled and released", () => {
    const desk = new Desk();
    become(desk, "halted");
    desk.turn((turn) => kill(turn, ACT));
    expect(desk.rules.halt?.reason).toBe("operator");
    desk.turn((turn) => release(turn, ACT));
    expect(desk.rules.status).toBe("halted");
  });

  it("takes the end from a halt of the breaker", () => {
    const desk = tripped();
    desk.turn((turn) => kill(turn, ACT));
    expect(desk.rules.halt).toEqual({ reason: "kill_switch", until: null, before: "open" });
  });
});

/** A market in which an order has met one that is farther from the reference than any trade may be. */
function tripped(order = "x1 buy 2 @ 260"): Desk {
  const desk = deskWith("| 250 | c1:1");
  desk.send(order);
  return desk;
}

describe("the breaker", () => {
  it("halts the market instead of a trade that is too far away; an order that may rest waits there", () => {
    const desk = deskWith("| 250 | c1:1\n| 200 | d1:1");
    expect(short(desk.send("x1 buy 3 @ 260"))).toEqual(["x1 new", "x1 fill 1 @ 200", "d1 filled 1 @ 200"]);
    expect(desk.rules).toMatchObject({ status: "halted", halt: { reason: "circuit_breaker", before: "open" } });
    expect(desk.rules.halt?.until).toBe(NOON + BREAKER_HALT_MS);
    expect(printBook(desk.state.book, desk.rules)).toEqual(["| 250 | c1:1", "x1:2 | 260 |"]);
    expectReplays(desk);
  });

  it("of an order that may not rest cancels what is left, and of a fok takes nothing and halts nothing", () => {
    const desk = deskWith("| 250 | c1:1\n| 200 | d1:1");
    expect(short(desk.send("x1 buy 3 @ 260 ioc")).at(-1)).toBe("x1 canceled: halted");
    expect(desk.rules.status).toBe("halted");
    const other = deskWith("| 250 | c1:1\n| 200 | d1:1");
    expect(other.send("x1 buy 2 @ 260 fok")).toEqual(["x1 rejected: fok_not_fillable"]);
    expect(other.rules.status).toBe("open");
  });

  it("lets a trade at its very edge be", () => {
    const { high, low } = tradableAt(RULES, new Desk().reference);
    const edge = Number(high) / 1e6;
    expect(short(deskWith(`| ${edge} | c1:1`).send(`x1 buy 1 @ ${edge}`))).toContain(`x1 filled 1 @ ${edge}`);
    const beyond = tripped(`x1 buy 1 @ 260`);
    expect(beyond.rules.status).toBe("halted");
    const desk = deskWith(`c1:1 | ${(Number(low) - 10_000) / 1e6} |`);
    expect(desk.send("x1 sell 1 @ 100")).toEqual(["x1 new"]);
    expect(desk.rules.status).toBe("halted");
  });

  it("never stands in the way of what is prevented: a trade with oneself is no trade", () => {
    const desk = deskWith("| 250 | c1:1");
    expect(desk.send("c2 buy 2 @ 260")).toEqual(["c2 new", "c2 canceled: self_trade_prevention"]);
    expect(desk.rules.status).toBe("open");
  });

  it("ends by itself, and what crossed meanwhile meets at the earlier one's price, if it may by then", () => {
    const desk = tripped();
    desk.send("cancel c1");
    desk.turn((turn) => changeStatus(turn, "post_only", ACT));
    desk.send("d1 sell 1 @ 300 post_only");
    desk.turn((turn) => changeStatus(turn, "halted", ACT));
    const before = desk.journal.length;
    become(desk, "open");
    expect(desk.journal.slice(before).map(({ kind }) => kind)).toEqual(["rules"]);
    expectBook(desk, "| 300 | d1:1\nx1:2 | 260 |");
    expectReplays(desk);
  });

  it("halts again as it opens while the trade is still too far away, and not once one of the two is gone", () => {
    const desk = tripped();
    desk.now = NOON + BREAKER_HALT_MS - 1;
    desk.advance();
    expect(desk.rules.status).toBe("halted");
    desk.now += 1;
    desk.advance();
    expect(desk.rules).toMatchObject({ status: "halted", halt: { until: desk.now + BREAKER_HALT_MS } });
    desk.send("cancel x1");
    desk.now += BREAKER_HALT_MS;
    desk.advance();
    expect(desk.rules).toMatchObject({ status: "open", halt: null });
    expectReplays(desk);
  });

  it("has those that crossed meet once rules allow it, the later one as the taker", () => {
    const desk = tripped("x1 buy 0.4 @ 260");
    change(desk, { priceBandBps: 5_000 });
    expect(short(become(desk, "open"))).toEqual(["x1 filled 0.4 @ 250", "c1 fill 0.4 @ 250"]);
    expect(desk.rules.status).toBe("open");
    expectBook(desk, "| 250 | c1:0.6");
    expectReplays(desk);
  });

  it("halts for a triggered order's trade, and the triggers after it wait", () => {
    const desk = deskWith("c1:1 | 120 |");
    desk.send("x1 sell 1 @ 110 falls:170");
    desk.send("y1 sell 1 @ 110 falls:169");
    desk.turn((turn) => {
      // Nobody waits for the price itself to fall so far.
      for (const id of ["x1", "y1"]) {
        const order = turn.state.orders.get(id);
        if (order?.trigger !== undefined) order.trigger.price = 200_000_000n;
        turn.state.waiting.set(order as never);
      }
    });
    expect(desk.send("z1 sell 1 market falls:190")).toEqual(["z1 new", "x1 triggered at 200"]);
    expect(desk.rules.status).toBe("halted");
    expect(desk.state.waiting.has("y1")).toBe(true);
  });

  it("halts instead of a trade of the house's that is too far away", () => {
    const desk = deskWith("a1:1 | 210 |");
    expect(desk.advance()).toEqual([]);
    expect(desk.rules.status).toBe("halted");
    expectBook(desk, "a1:1 | 210 |");
    expectReplays(desk);
  });

  it("rejects an atomic batch of which an order would halt the market, and halts nothing", () => {
    const desk = deskWith("| 250 | c1:1");
    const far = {
      id: "x1",
      side: "buy",
      limitPrice: desk.price("260"),
      qty: desk.qty("1"),
      timeInForce: "gtc",
    } as const;
    const terms = {
      postOnly: false,
      selfTradePrevention: "none",
      makerFeeBps: 10,
      takerFeeBps: 20,
      expiresAt: null,
    } as const;
    const orders = [far, { ...far, id: "x2", limitPrice: desk.price("170") }].map((order) => ({
      order: { ...order, ...terms, budget: desk.price("1000") },
      notAfter: null,
    }));
    const said = desk.command("x", { kind: "submit_all", cseq: 1, rulesVersion: 1, orders });
    expect(said).toEqual(["x1 rejected: batch_aborted", "x2 rejected: market_not_open"]);
    expect(desk.rules.status).toBe("open");
  });
});

describe("the breaker, by the reference price", () => {
  it("never trips for a simulated price, whatever the seed: a minute moves it by less than one percent", () => {
    for (const rules of MARKETS) {
      for (const seed of [1, 35, 2 ** 40 + 7]) {
        const path = pricePath(rules, seed);
        const steps = BREAKER_WINDOW_MS / STEP_MS;
        for (let start = NOON / STEP_MS; start < NOON / STEP_MS + 20_000; start += 37) {
          const prices = Array.from({ length: steps + 1 }, (_, at) => path(start + at));
          const [low, high] = [Math.min(...prices), Math.max(...prices)];
          expect((high - low) * 10_000).toBeLessThan(low * 100);
        }
      }
    }
    expect(BREAKER_BPS).toBeGreaterThan(100);
  });

  it("halts when it has moved too far within the window, before anything trades at the new price", () => {
    const desk = new Desk();
    desk.advance();
    desk.send("a1 buy 1 @ 179.5");
    change(desk, { breakerBps: 3, breakerWindowMs: 60_000, breakerHaltMs: 120_000 });
    desk.now = NOON + 60_000;
    expect(desk.advance()).toEqual([]);
    const { status, halt } = desk.rules;
    expect([status, halt?.reason]).toEqual(["halted", "circuit_breaker"]);
    expectBook(desk, "a1:1 | 179.5 |");
    desk.now = halt?.until ?? 0;
    expect(short(desk.advance())).toEqual([]);
    expect(desk.rules.status).toBe("open");
    expectReplays(desk);
  });

  it("halts in the second in which that was, however much later it is asked: nothing of what follows has happened", () => {
    const path = pricePath(RULES, SEED);
    const first = NOON / STEP_MS;
    const risen = Array.from({ length: 600 }, (_, s) => s).find((s) => path(first + s) >= path(first) + 20) ?? 0;
    const desk = new Desk();
    desk.advance();
    desk.send(`x1 buy 1 market rises:${path(first + risen) / 100}`);
    change(desk, { breakerBps: 5, breakerWindowMs: 600_000, breakerHaltMs: 120_000 });
    const before = desk.journal.length;
    desk.now = NOON + 600_000;
    expect(desk.advance()).toEqual([]);
    const told = desk.journal
      .slice(before)
      .map((event) => (event.kind === "requote" ? event.step - first : event.kind));
    expect(told).toEqual(["rules", risen, 600]);
    expect(desk.rules).toMatchObject({ status: "halted", halt: { reason: "circuit_breaker" } });
    expect(desk.state.waiting.has("x1")).toBe(true);
    expectReplays(desk);
  });

  it("is the market's own doing, and lasts as long as its rules say from the last thing that it has done, whatever its clock", () => {
    const desk = deskWith("| 250 | c1:1");
    desk.now -= 5_000;
    desk.send("x1 buy 1 @ 260");
    const { at } = desk.state;
    expect(at).toBe(NOON);
    expect(desk.rules.halt?.until).toBe(at + BREAKER_HALT_MS);
    expect(desk.journal.at(-1)).toMatchObject({ kind: "rules", by: null });
    desk.send("cancel x1");
    desk.now = NOON + BREAKER_HALT_MS;
    desk.advance();
    expect(desk.journal.filter(({ kind }) => kind === "rules").at(-1)).toMatchObject({ by: null });
  });

  it("looks back over all that has been since the last opening", () => {
    const desk = new Desk();
    change(desk, { breakerBps: 3 });
    become(desk, "halted");
    become(desk, "open");
    expect(desk.rules.openedAt).toBe(NOON);
    desk.now = NOON + 14_000;
    // It was eleven ticks higher ten seconds before: six bps.
    desk.turn((turn) => expect(hasBolted(turn, desk.now / STEP_MS, desk.reference)).toBe(true));
  });

  it("looks no farther back than the last opening", () => {
    const desk = new Desk();
    change(desk, { breakerBps: 3 });
    desk.now = NOON + 60_000;
    desk.turn((turn) => {
      const step = desk.now / STEP_MS;
      expect(hasBolted(turn, step, desk.reference)).toBe(true);
      changeStatus(turn, "halted", ACT);
      changeStatus(turn, "open", ACT);
      expect(hasBolted(turn, step, desk.reference)).toBe(false);
    });
  });
});

describe("changed rules", () => {
  it("are a version of them; what is as it was is none", () => {
    const desk = new Desk();
    expect(change(desk, { makerFeeBps: 5, priceBandBps: 500 })).toEqual({ ok: true, value: null });
    expect(change(desk, { makerFeeBps: 5 })).toEqual({ ok: true, value: null });
    expect(versions(desk)).toEqual([2]);
    expect(desk.rules).toMatchObject({ makerFeeBps: 5, takerFeeBps: 20, priceBandBps: 500 });
    expectReplays(desk);
  });

  it.each<[string, RulesChange, string, string]>([
    ["a tick and a lot that round notionals", { tickSize: 100n }, "/tick_size", "not_whole"],
    ["a tick too large for its price", { tickSize: 1_000_000_000_000n }, "/tick_size", "invalid"],
    ["a tick too small for its price", { tickSize: 1n }, "/tick_size", "invalid"],
    ["a most that is not in lots", { maxQty: 10_001n }, "/max_qty", "not_whole"],
  ])("refuses %s", (_, wish, pointer, code) => {
    const desk = new Desk();
    expect(change(desk, wish)).toMatchObject({
      ok: false,
      refusal: { code: "validation_failed", errors: [{ pointer, code }] },
    });
    expect(versions(desk)).toEqual([]);
  });

  it("have another tick or lot only while no order is open, one that waits included", () => {
    const desk = new Desk();
    desk.send("x1 sell 1 market falls:100");
    const regrid = { tickSize: RULES.tickSize * 10n };
    expect(change(desk, regrid)).toMatchObject({ ok: false, refusal: { code: "market_not_empty" } });
    expect(change(desk, { lotSize: RULES.lotSize * 10n })).toMatchObject({ ok: false });
    desk.send("cancel x1");
    expect(change(desk, regrid)).toEqual({ ok: true, value: null });
    desk.now += STEP_MS;
    desk.advance();
    expect(printBook(desk.state.book, desk.rules)).toHaveLength(20);
    expectReplays(desk);
  });
});
