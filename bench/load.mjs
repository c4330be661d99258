// The load: HTTP/1.1 over plain sockets, one request at a time on each, since a full client would eat the server's cores.

import { connect } from "node:net";

const ANSWER_LIMIT_MS = 10_000;
/** Open loop: connections enough that a request hardly ever waits for one; its wait would count as latency. */
const OPEN_CONNECTIONS = 256;

/** The bytes of a request, made once and sent many times. */
export function request(method, path, { token, body } = {}) {
  const text = body === undefined ? "" : JSON.stringify(body);
  const lines = [`${method} ${path} HTTP/1.1`, "Host: 127.0.0.1"];
  if (token !== undefined) lines.push(`Authorization: Bearer ${token}`);
  if (body !== undefined) lines.push("Content-Type: application/json", `Content-Length: ${Buffer.byteLength(text)}`);
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n${text}`);
}

/** One keep-alive connection. `send` resolves with the whole answer as text. */
class Connection {
  /** Whether it can send: a server closes what has been idle for seconds. */
  isOpen = true;
  #socket;
  #text = "";
  #waiting = null;

  constructor(socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    // An idle connection may be silent for as long as it likes.
    socket.setTimeout(ANSWER_LIMIT_MS, () => this.#waiting && socket.destroy(new Error("no answer in time")));
    socket.on("data", (piece) => this.#receive(piece));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("connection closed")));
  }

  static open(port) {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.off("error", reject);
        resolve(new Connection(socket));
      });
      socket.once("error", reject);
    });
  }

  send(bytes) {
    // A closed socket takes what is written and says nothing, for ever.
    if (!this.isOpen) return Promise.reject(new Error("connection closed"));
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(bytes);
    });
  }

  close() {
    this.#socket.destroy();
  }

  #receive(piece) {
    this.#text = this.#text === "" ? piece : this.#text + piece;
    if (!isWhole(this.#text)) return;
    const text = this.#text;
    this.#text = "";
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve(text);
  }

  #fail(error) {
    this.isOpen = false;
    this.#waiting?.reject(error);
    this.#waiting = null;
  }
}

function isWhole(text) {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text);
  if (length !== null && length.index < head) return text.length >= head + 4 + Number(length[1]);
  return text.endsWith("\r\n0\r\n\r\n");
}

/** Sends one request and answers status and body; throws unless the status is 2xx. */
export async function once(port, bytes) {
  const connection = await Connection.open(port);
  try {
    const text = await connection.send(bytes);
    if (!/^HTTP\/1.1 2/.test(text)) throw new Error(text);
    return JSON.parse(text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1));
  } finally {
    connection.close();
  }
}

/** What a measurement has seen: latencies in ms, and answers that were not the expected ones, with how often. */
class Tally {
  latencies = [];
  unexpected = new Map();
  #expected;

  constructor(expected) {
    this.#expected = expected;
  }

  add(answer, latency) {
    this.latencies.push(latency);
    if (answer.includes(this.#expected)) return;
    const what = `${answer.slice(9, 12)} ${/"code":"[^"]*"|"status":"[^"]*"/.exec(answer)?.[0] ?? ""}`;
    this.unexpected.set(what, (this.unexpected.get(what) ?? 0) + 1);
  }

  result(seconds) {
    const sorted = Float64Array.from(this.latencies).sort();
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
    return {
      count: sorted.length,
      rate: sorted.length / seconds,
      p50: at(0.5),
      p99: at(0.99),
      unexpected: this.unexpected,
    };
  }
}

/** Closed loop: each of `connections` sends its next request as soon as it has an answer, for `seconds`. */
export async function closedLoop({ port, connections, seconds, next, expected }) {
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)));
  const tally = new Tally(expected);
  const started = performance.now();
  const end = started + seconds * 1_000;
  await Promise.all(
    open.map(async (connection) => {
      for (let at = performance.now(); at < end; ) {
        const answer = await connection.send(next());
        const now = performance.now();
        tally.add(answer, now - at);
        at = now;
      }
    }),
  );
  const took = (performance.now() - started) / 1_000;
  for (const connection of open) connection.close();
  return tally.result(took);
}

/**
 * Open loop: requests come as they would from many strangers, at random moments (Poisson) with `rate` a second on average,
 * whether or not earlier ones are answered. Latency counts from the moment a request was due.
 */
export async function openLoop({ port, rate, seconds, next, expected }) {
  const idle = await Promise.all(Array.from({ length: OPEN_CONNECTIONS }, () => Connection.open(port)));
  const tally = new Tally(expected);
  const started = performance.now();
  const end = started + seconds * 1_000;
  const overdue = [];
  const flights = new Set();
  const fly = (due) => {
    const found = idle.pop();
    if (found === undefined) return void overdue.push(due);
    const flight = (async () => {
      const connection = found.isOpen ? found : await Connection.open(port);
      const answer = await connection.send(next());
      tally.add(answer, performance.now() - due);
      idle.push(connection);
      flights.delete(flight);
      const waiting = overdue.shift();
      if (waiting !== undefined) fly(waiting);
    })();
    // The wait at the end sees a failure; until then it must not count as one that nobody handles.
    flight.catch(() => undefined);
    flights.add(flight);
  };
  let due = started;
  for (;;) {
    // A timer rings up to a millisecond late, which counts as latency; spinning instead would take the server's core.
    await sleep(Math.max(0, due - performance.now()));
    while (due <= performance.now() && due < end) {
      fly(due);
      due += (-Math.log(1 - Math.random()) * 1_000) / rate;
    }
    if (due >= end) break;
  }
  while (flights.size > 0) await Promise.all(flights);
  for (const connection of idle) connection.close();
  return tally.result(seconds);
}

/** Resolves after `ms`. */
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
