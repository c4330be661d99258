// Where the Worker's time goes: V8's sampling profiler over the inspector protocol. Only the Worker's own isolate: one
// thread runs them all, and the time of another isolate would be booked on whoever called it last.

import { writeFileSync } from "node:fs";

const SAMPLE_MICROSECONDS = 250;
const TOP = 25;

/** Profiles the Worker behind an inspector port while `work` runs, and answers work's value. Writes `<file>.cpuprofile`. */
export async function profiled(inspector, worker, file, work) {
  const targets = await fetch(`http://127.0.0.1:${inspector}/json`).then((answer) => answer.json());
  const target = targets.find(({ id }) => id === worker);
  if (target === undefined) throw new Error(`no inspector for ${worker}`);
  const session = await Session.open(target);
  await session.call("Profiler.enable");
  await session.call("Profiler.setSamplingInterval", { interval: SAMPLE_MICROSECONDS });
  await session.call("Profiler.start");
  const value = await work();
  const { profile } = await session.call("Profiler.stop");
  session.close();
  writeFileSync(`${file}.cpuprofile`, JSON.stringify(profile));
  report(file, profile);
  return value;
}

class Session {
  #socket;
  #last = 0;
  #waiting = new Map();

  constructor(socket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const { id, result, error } = JSON.parse(data);
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error !== undefined) waiting?.reject(new Error(error.message));
      else waiting?.resolve(result);
    });
  }

  static open(target) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(target.webSocketDebuggerUrl);
      socket.addEventListener("open", () => resolve(new Session(socket)));
      socket.addEventListener("error", () => reject(new Error("the inspector does not answer")));
    });
  }

  call(method, params = {}) {
    this.#last += 1;
    const id = this.#last;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  close() {
    this.#socket.close();
  }
}

/** Prints the functions with the most time of their own and with what they call, as shares of the busy time. */
function report(name, profile) {
  const labels = new Map(profile.nodes.map((node) => [node.id, labelOf(node.callFrame)]));
  const parents = new Map(profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])));
  const own = new Map();
  const inclusive = new Map();
  const add = (map, label, took) => map.set(label, (map.get(label) ?? 0) + took);
  let busy = 0;
  profile.samples.forEach((id, index) => {
    const took = profile.timeDeltas[index] ?? 0;
    if (labels.get(id).startsWith("(idle)")) return;
    busy += took;
    add(own, labels.get(id), took);
    const stack = new Set();
    for (let at = id; at !== undefined; at = parents.get(at)) stack.add(labels.get(at));
    for (const label of stack) add(inclusive, label, took);
  });
  console.log(`\n${name}: busy for ${(busy / 1e6).toFixed(2)} s`);
  for (const [title, map] of [
    ["own", own],
    ["with what it calls", inclusive],
  ]) {
    console.log(title);
    for (const [label, took] of [...map].sort(([, a], [, b]) => b - a).slice(0, TOP)) {
      console.log(`${((took / busy) * 100).toFixed(1).padStart(6)} %  ${label}`);
    }
  }
}

function labelOf({ functionName, url, lineNumber }) {
  return `${functionName || "(anonymous)"} ${url.split("/").at(-1)}:${lineNumber + 1}`;
}
