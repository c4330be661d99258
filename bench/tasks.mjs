// The bench of tasks: made, listed, and written while D1 takes no writes. D1's share is told by its ratio to a D1 read of nothing.
import { DatabaseSync } from "node:sqlite";
import { lock } from "../scripts/locked.ts";
import { once, request } from "./load.mjs";
import { inTurn, newToken } from "./orders.mjs";

const USERS = 32;
/** Tasks of each user whose list is read, and how many of them are asked for at once. */
const LISTED = 100;
const PAGE = 50;

const newTask = { title: "water the plants", notes: "those on the north side too", due_at: null };

/** What is measured: the row's name, the answer that each request must get, and the requests. */
export const TASK_KINDS = {
  create: { name: "POST /v1/tasks", expected: "HTTP/1.1 201", users: USERS, next: creating },
  list: { name: `GET /v1/tasks, ${PAGE} of ${LISTED}`, expected: "HTTP/1.1 200", users: USERS, next: listing },
  buffered: {
    name: "POST /v1/tasks, buffered",
    expected: '"buffered":true',
    users: USERS,
    next: creating,
    withoutWrites: true,
  },
};

async function tokensOf(config, users) {
  return Promise.all(Array.from({ length: users }, () => newToken(config)));
}

async function creating(_port, config, users) {
  const tokens = await tokensOf(config, users);
  return inTurn(tokens.map((token) => request("POST", "/v1/tasks", { token, body: newTask })));
}

async function listing(port, config, users) {
  const tokens = await tokensOf(config, users);
  for (const token of tokens) {
    const make = () => once(port, request("POST", "/v1/tasks", { token, body: newTask }));
    await Promise.all(Array.from({ length: LISTED }, make));
  }
  return inTurn(tokens.map((token) => request("GET", `/v1/tasks?limit=${PAGE}`, { token })));
}

/** Does `work` while somebody else has D1's one place for a writer: it can be read, and takes no writes. */
export async function whileD1TakesNoWrites(databaseFile, work) {
  const database = new DatabaseSync(databaseFile, { timeout: 0 });
  try {
    await lock(database, "BEGIN IMMEDIATE");
    return await work();
  } finally {
    // Closing gives the place back.
    database.close();
  }
}
