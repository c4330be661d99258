// The faults of a simulated run: how likely each kind is, drawn per seed. The ranges are those that the best known
// simulators use: loss up to 30 %, doubles up to 50 %, storage faults up to a few percent of the acts that they strike.
import { randomOf } from "../support/random.ts";

/** Likelihoods are 0 to 1, each kind zero in some seeds; times in ms. */
export interface FaultRates {
  requestLost: number;
  answerLost: number;
  duplicated: number;
  /** A call that its caller gives up, and that arrives all the same. */
  late: number;
  overloaded: number;
  delayMsMax: number;
  crashBeforeCommit: number;
  crashAfterCommit: number;
  /** A statement, or a commit, that storage refuses: the disk is full, or it fails. */
  storageFails: number;
  alarmTwice: number;
  alarmLate: number;
  /** An alarm that the platform forgets, as after six failures; its object is evicted within a minute. */
  alarmDropped: number;
  evicted: number;
  clockJumps: number;
  clockJumpMsMax: number;
  queueLost: number;
  queueDuplicated: number;
  queueSpoiled: number;
  queueDelayMsMax: number;
  /** Deliveries of a message beyond its first before it is a dead letter; wrangler.toml has ten. */
  queueRetriesMax: number;
  consumerDies: number;
  d1Fails: number;
  d1AnswerLost: number;
  /** How likely D1 goes away for up to a minute, at each call. */
  d1Outage: number;
  /** How likely one end of a pair calls everything that the other says a bug, for a while. */
  bug: number;
  /** Clients that ask in 2 to 50 copies at once, or again with another body under the same key. */
  storm: number;
  otherBody: number;
  /** How likely one object is lost with all that it has stored, and restored from the first part of its journal. */
  restored: number;
  /** How likely one stored row of one object is changed or cut, in a seed where no object is lost. */
  corrupted: number;
  /** How likely a message, or a row of a journal, is one of the version before or after, where no object is restored. */
  versions: number;
}

export const NO_FAULTS: FaultRates = {
  requestLost: 0,
  answerLost: 0,
  duplicated: 0,
  late: 0,
  overloaded: 0,
  delayMsMax: 5,
  crashBeforeCommit: 0,
  crashAfterCommit: 0,
  storageFails: 0,
  alarmTwice: 0,
  alarmLate: 0,
  alarmDropped: 0,
  evicted: 0,
  clockJumps: 0,
  clockJumpMsMax: 0,
  queueLost: 0,
  queueDuplicated: 0,
  queueSpoiled: 0,
  queueDelayMsMax: 100,
  queueRetriesMax: 10,
  consumerDies: 0,
  d1Fails: 0,
  d1AnswerLost: 0,
  d1Outage: 0,
  bug: 0,
  storm: 0,
  otherBody: 0,
  restored: 0,
  corrupted: 0,
  versions: 0,
};

const HOUR_MS = 3_600_000;

/** The fault rates of a seed: each kind is off in a third of the seeds. */
export function faultsOf(seed: number): FaultRates {
  const random = randomOf(seed ^ 0x5eed);
  const rate = (max: number) => (random.once(3) ? 0 : random.unit() * max);
  return {
    requestLost: rate(0.3),
    answerLost: rate(0.3),
    duplicated: rate(0.5),
    late: rate(0.05),
    overloaded: rate(0.1),
    delayMsMax: 1 + rate(3_000),
    crashBeforeCommit: rate(0.03),
    crashAfterCommit: rate(0.03),
    storageFails: rate(0.01),
    alarmTwice: rate(0.3),
    alarmLate: rate(0.3),
    alarmDropped: rate(0.2),
    evicted: rate(0.02),
    clockJumps: rate(0.02),
    clockJumpMsMax: random.once(16) ? HOUR_MS : 30_000,
    queueLost: rate(0.3),
    queueDuplicated: rate(0.5),
    queueSpoiled: rate(0.05),
    queueDelayMsMax: 1 + rate(20_000),
    queueRetriesMax: random.int(11),
    consumerDies: rate(0.2),
    d1Fails: rate(0.1),
    d1AnswerLost: rate(0.1),
    d1Outage: rate(0.02),
    bug: rate(0.4),
    storm: rate(0.1),
    otherBody: rate(0.2),
    restored: rate(1),
    corrupted: rate(1),
    versions: rate(0.5),
  };
}
