// The hourly round of liabilities: everybody who had something is in it with what they had then, and can show it to anybody.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { checkProof } from "../../scripts/liability-check.ts";
import { parseDecimal } from "../../src/core/decimal.ts";
import { joinedSums } from "../../src/core/liabilities.ts";
import { sumLiabilities } from "../../src/domains/books/scheduled.ts";
import { AccountObject } from "../../src/worker.ts";
import { faultyD1 } from "../projections/queue.ts";
import { enroll } from "../support/readmodel.ts";
import {
  anotherToken,
  call,
  expectProblem,
  stopClock,
  type Trader,
  trader,
  type WirePage,
} from "../support/session.ts";

const HOUR = 3_600_000;
interface Round {
  round: string;
  root: string;
  accounts: number;
  missing: number;
  totals: { asset: string; amount: string }[];
}
type Proof = Record<string, unknown> & { balances: Round["totals"]; totals: Round["totals"]; path: unknown[] };

let pass: (ms: number) => void;
const people: Trader[] = [];
let latecomer: Trader;
let empty: Trader;
let round: Round;

const rounds = async () => (await call<WirePage<Round>>("GET", "/v1/system/liabilities")).body.data;
const proofOf = (who: Trader, name = round.round) => who.get<Proof>(`/v1/account/liabilities/${name}`);
const rows = (query: string, ...values: (string | number)[]) =>
  env.DB.prepare(query)
    .bind(...values)
    .all();

async function newcomer(usd?: string): Promise<Trader> {
  const who = await trader(usd === undefined ? {} : { usd });
  await enroll(who);
  return who;
}

beforeAll(async () => {
  pass = stopClock();
  pass(HOUR - (Date.now() % HOUR) - 60_000);
  for (const usd of ["100", "250.5", "3", "0.000001", "99999"]) people.push(await newcomer(usd));
  await people[0]?.deposit("1.5", "ETH");
  await people[1]?.place({ symbol: "BTC-USD", side: "buy", type: "market", notional: "100" });
  await people[2]?.place({ symbol: "BTC-USD", side: "buy", type: "limit", limit_price: "56000", qty: "0.00002" });
  empty = await newcomer();
  pass(60_000 + 10);
});

describe("a round", () => {
  it("has everybody with what they had at the hour, and nothing that came after it", async () => {
    await people[3]?.deposit("1000");
    latecomer = await newcomer("77");
    pass(40_000);
    expect((await sumLiabilities(env))?.phase).toBe("done");
    [round] = (await rounds()) as [Round];
    expect(round).toMatchObject({ accounts: 5, missing: 0 });
    expect(round.round).toBe(`${new Date(Date.now()).toISOString().slice(0, 13)}Z`);
    const proofs = await Promise.all(people.map((who) => proofOf(who)));
    expect(proofs[3]?.body.balances).toEqual([{ asset: "USD", amount: "0.000001" }]);
    const units = ({ asset, amount }: Round["totals"][number]) => {
      const parsed = parseDecimal(amount, 8);
      return { asset, units: parsed.ok ? parsed.value : 0n };
    };
    const sum = proofs.map(({ body }) => body.balances.map(units)).reduce(joinedSums, []);
    expect(sum).toEqual(round.totals.map(units));
    expect(round.totals.map(({ asset }) => asset)).toEqual(["BTC", "ETH", "USD"]);
  });

  it("gives everybody in it a proof that leads to its root, and held money is in it", async () => {
    for (const who of people) {
      const { status, text, body } = await proofOf(who);
      expect(status).toBe(200);
      expect(checkProof(text, round.root).wrong).toBeNull();
      expect(body.totals).toEqual(round.totals);
    }
    const held = await proofOf(people[2] as Trader);
    expect(held.body.balances).toEqual([{ asset: "USD", amount: "3" }]);
  });

  it("is done once: another run changes nothing, nor does asking again show another salt", async () => {
    const before = (await proofOf(people[0] as Trader)).text;
    expect(await sumLiabilities(env)).toBeNull();
    expect(await rounds()).toEqual([round]);
    expect((await proofOf(people[0] as Trader)).text).toBe(before);
  });

  it("has no proof for who had nothing then, in a round that there is not, or for a stranger", async () => {
    for (const who of [empty, latecomer]) expectProblem(await proofOf(who), 404, "not_found");
    expectProblem(await proofOf(people[0] as Trader, "2026-01-01T00Z"), 404, "not_found");
    expectProblem(await proofOf(people[0] as Trader, "yesterday"), 404, "not_found");
    expectProblem(await call("GET", `/v1/account/liabilities/${round.round}`), 401, "unauthenticated");
  });

  it("is told to the public with an ETag, without a word of any account", async () => {
    const answer = await call("GET", "/v1/system/liabilities");
    expect(answer.headers.get("Cache-Control")).toBe("public, max-age=60");
    expect(answer.headers.get("ETag")).not.toBeNull();
    expect(answer.text).not.toContain("acc_");
    expectProblem(await call("GET", "/v1/system/liabilities?cursor=x"), 422, "validation_failed");
  });
});

describe("the next rounds", () => {
  it("wait for an account that does not answer, and after half an hour are closed without it, and say so", async () => {
    pass(HOUR);
    const away = vi.spyOn(AccountObject.prototype, "owedAt").mockImplementation(async () => null);
    expect((await sumLiabilities(env))?.phase).toBe("leaves");
    expect(await rounds()).toEqual([round]);
    away.mockRestore();
    expect((await sumLiabilities(env))?.phase).toBe("done");
    expect((await rounds())[0]).toMatchObject({ accounts: 6, missing: 0 });
    pass(HOUR);
    const gone = vi.spyOn(AccountObject.prototype, "owedAt").mockImplementation(async () => null);
    await sumLiabilities(env);
    pass(HOUR / 2);
    expect((await sumLiabilities(env))?.phase).toBe("done");
    gone.mockRestore();
    const [last, ...earlier] = await rounds();
    expect(last).toMatchObject({ accounts: 0, missing: 7, root: "0".repeat(64), totals: [] });
    expect(earlier.map((one) => one.round)).toContain(round.round);
  });

  it("come to the same when two runs make them at once, and D1 fails in between", async () => {
    pass(HOUR);
    const silent = vi.spyOn(console, "error").mockImplementation(() => undefined);
    for (let failing = 1; failing <= 6; failing += 1) {
      let calls = 0;
      const db = faultyD1(() => {
        calls += 1;
        return calls === failing;
      });
      await Promise.all([sumLiabilities({ ...env, DB: db }), sumLiabilities({ ...env, DB: db })]);
    }
    silent.mockRestore();
    await sumLiabilities(env);
    const [last] = (await rounds()) as [Round];
    expect(last).toMatchObject({ accounts: 6, missing: 0 });
    for (const who of people) {
      const { text } = await call("GET", `/v1/account/liabilities/${last.round}`, { token: await anotherToken(who) });
      expect(checkProof(text, last.root).wrong).toBeNull();
    }
  });

  it("come in pages, newest first", async () => {
    const first = await call<WirePage<Round>>("GET", "/v1/system/liabilities?limit=2");
    const second = await call<WirePage<Round>>(
      "GET",
      `/v1/system/liabilities?limit=200&cursor=${first.body.next_cursor}`,
    );
    expect([...first.body.data, ...second.body.data]).toEqual(await rounds());
    expect(second.body.next_cursor).toBeNull();
  });

  it("of very many accounts are built in storeys, and every leaf still leads to the root", async () => {
    pass(HOUR);
    const hour = Date.now() - (Date.now() % HOUR);
    const hashOf = (n: number) => `7${n.toString(16).padStart(63, "0")}`;
    const others = Array.from({ length: 700 }, (_, n) => [
      ...[hour, 0, hashOf(n), hashOf(n)],
      ...[JSON.stringify([["USD", String(n + 1)]]), `acc_other${n}`, "salt"],
    ]);
    await rows(
      `INSERT INTO liability_nodes SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
        FROM json_each(?)`,
      JSON.stringify(others),
    );
    expect((await sumLiabilities(env))?.phase).toBe("done");
    const [big] = (await rounds()) as [Round];
    const { results } = await rows(
      "SELECT storey, count(*) AS n FROM liability_nodes WHERE round = ? GROUP BY storey",
      hour,
    );
    expect(results).toEqual([
      { storey: 0, n: 706 },
      { storey: 1, n: 3 },
    ]);
    for (const who of people) {
      const { text } = await call("GET", `/v1/account/liabilities/${big.round}`, { token: await anotherToken(who) });
      expect(checkProof(text, big.root).wrong).toBeNull();
    }
  });

  it("keep their nodes for three days, and their roots for ever", async () => {
    const count = async () => Number((await rows("SELECT count(*) AS n FROM liability_nodes")).results[0]?.["n"]);
    expect(await count()).toBeGreaterThan(700);
    pass(3 * 24 * HOUR + HOUR);
    await sumLiabilities(env);
    expect(await count()).toBeLessThan(20);
    expect((await rounds()).map((one) => one.round)).toContain(round.round);
  });
});
