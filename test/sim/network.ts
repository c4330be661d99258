// The network between simulated objects: it loses, doubles and delays, and those who speak over it may be of other versions.
import { CALL_TIMEOUT_MS } from "../../src/core/limits.ts";
import type { FaultRates } from "./faults.ts";
import type { Timeline } from "./timeline.ts";
import type { Versions } from "./versions.ts";

const LATE_MS_MAX = 20_000;

export class Network {
  /** Who calls everything that whom says a bug: `<sender>><receiver>`. */
  readonly bugs = new Set<string>();
  readonly #world: Timeline & { faults: FaultRates };
  readonly #versions: Versions;

  constructor(world: Timeline & { faults: FaultRates }, versions: Versions) {
    this.#world = world;
    this.#versions = versions;
  }

  /** A call that may be lost, doubled, late or given up: the effect may happen without the answer. */
  call<Call, Answer extends { outcome: string }>(
    alive: () => void,
    sender: string,
    receiver: string,
    call: Call,
    take: (said: Call) => Answer,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      alive();
      const world = this.#world;
      const { faults } = world;
      const delay = () => world.random.unit() * faults.delayMsMax;
      const arrive = (afterMs: number, answer: (value: Answer) => void) =>
        world.later(afterMs, () => {
          try {
            const said = this.#versions.call(structuredClone(call));
            const judged = this.#judged(sender, receiver, () => this.#understood(said, take)) as Answer;
            const value = this.#versions.answer(structuredClone(judged));
            const lost = world.strikes("answer_lost", faults.answerLost);
            world.later(delay(), () => (lost ? reject(new Error("answer lost")) : answer(value)));
          } catch (error) {
            world.later(delay(), () => reject(error));
          }
        });
      const nobody = () => undefined;
      if (world.strikes("overloaded", faults.overloaded)) {
        world.later(delay(), () => reject(Object.assign(new Error("overloaded"), { overloaded: true, remote: true })));
      } else if (world.strikes("request_lost", faults.requestLost)) {
        world.later(delay(), () => reject(new Error("request lost")));
      } else if (world.strikes("late", faults.late)) {
        arrive(CALL_TIMEOUT_MS + world.random.unit() * LATE_MS_MAX, nobody);
        world.later(CALL_TIMEOUT_MS, () => reject(new Error("object call timed out")));
      } else {
        arrive(delay(), resolve);
        if (world.strikes("duplicated", faults.duplicated)) arrive(delay() + world.random.unit() * 2_000, nobody);
      }
    });
  }

  /** What only a later version knows is asked again later, of whoever knows it by then. */
  #understood<Call, Answer extends { outcome: string }>(
    { call, unknown }: { call: Call; unknown: boolean },
    take: (said: Call) => Answer,
  ): Answer {
    const answer = take(call);
    if (unknown && answer.outcome !== "later") this.#world.alerts.push(`an unknown kind is answered ${answer.outcome}`);
    return answer;
  }

  /** What the receiver answers: while it is faulty `bug`, whether it has done what it was asked or not. */
  #judged<T>(sender: string, receiver: string, work: () => T): T | { outcome: "bug"; detail: string } {
    if (!this.bugs.has(`${sender}>${receiver}`)) return work();
    if (this.#world.chance(0.5)) work();
    return { outcome: "bug", detail: "simulated" };
  }
}
