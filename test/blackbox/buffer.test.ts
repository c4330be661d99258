// Changes of tasks while somebody else has D1's one place for a writer: accepted, kept through a kill, and done once.
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { lock } from "../../scripts/locked.ts";
import { build, canServe, WorkerdServer } from "../../scripts/workerd.ts";
import { Customer } from "./customer.ts";
import { type Answer, Exchange, sleep } from "./exchange.ts";
import { Ground } from "./ground.ts";

const TASKS = 8;
const DRAIN_LIMIT_MS = 60_000;

interface Row {
  id: string;
  status: string;
  version: number;
}

const bodyOf = (answer: Answer | null) => JSON.parse(answer?.text ?? "{}") as Record<string, unknown>;

it.skipIf(!canServe())("what is written while D1 takes no writes is kept through a kill, and done once", async () => {
  const built = build("src/worker.ts");
  const ground = Ground.prepare("tmpfs", false, TASKS);
  const server = new WorkerdServer(built, ground.folder);
  const exchange = new Exchange(() => server.port);
  const database = new DatabaseSync(server.databaseFile, { timeout: 0 });
  try {
    await server.start();
    const customer = await Customer.signUp(exchange, built.vars, "patient", false);
    const send = async (method: "GET" | "POST", path: string, key: string | null = null, json?: object) =>
      exchange.send({
        method,
        path,
        key,
        token: await customer.token(),
        ...(json ? { body: JSON.stringify(json) } : {}),
      });
    const make = (n: number) => send("POST", "/v1/tasks", `key-${n}`, { title: `task ${n}` });

    await lock(database, "BEGIN EXCLUSIVE");
    const ids: string[] = [];
    for (let n = 0; n < TASKS; n += 1) {
      const made = await make(n);
      expect([made?.status, bodyOf(made)]).toMatchObject([202, { buffered: true, version: 1 }]);
      ids.push(String(bodyOf(made)["id"]));
    }
    for (const id of ids) expect((await send("POST", `/v1/tasks/${id}/complete`))?.status).toBe(202);
    await server.kill();
    await server.start();
    for (const id of ids)
      expect(bodyOf(await send("GET", `/v1/tasks/${id}`))).toMatchObject({ status: "done", version: 2 });
    database.exec("ROLLBACK");

    const stored = () =>
      database.prepare("SELECT id, status, version FROM tasks ORDER BY rowid").all() as unknown as Row[];
    const isDone = ({ version }: Row) => version === 2;
    const giveUpAt = performance.now() + DRAIN_LIMIT_MS;
    while (stored().filter(isDone).length < TASKS && performance.now() < giveUpAt) await sleep(50);
    expect(stored().map((row) => ({ ...row }))).toEqual(ids.map((id) => ({ id, status: "done", version: 2 })));
    // Who has had no answer asks again with the same key: there is one task for it.
    for (let n = 0; n < TASKS; n += 1) expect(bodyOf(await make(n))["id"]).toBe(ids[n]);
    expect(stored()).toHaveLength(TASKS);
    expect(bodyOf(await send("GET", "/v1/writes/conflicts"))["data"]).toEqual([]);
  } finally {
    exchange.close();
    database.close();
    await server.end();
    ground.leave();
    built.remove();
  }
});
