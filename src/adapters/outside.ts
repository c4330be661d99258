// The one way out: every call to a provider goes through here, under a deadline, a bound on what is said back, a few further
// tries where those do no harm, a circuit breaker and a bulkhead (docs/adr/0028-one-way-out.md). All of that is an isolate's own.
import {
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  fullJitterGenerator,
  handleAll,
  handleWhen,
  retry,
  TimeoutStrategy,
  timeout,
} from "cockatiel";
import {
  OUTSIDE_FAILURES_MAX,
  OUTSIDE_LOST_MS,
  OUTSIDE_OPEN_MS,
  OUTSIDE_RETRY_FIRST_MS,
  OUTSIDE_RETRY_MAX_MS,
} from "../core/limits.ts";
import { log } from "../log.ts";

/** What one provider is given. */
export interface OutsideLimits {
  /** For the whole call, all tries and pauses: what its caller can wait. */
  callMs: number;
  /** For one of several tries, its answer's body included. A call that is made once has all of `callMs`. */
  tryMs: number;
  /** How often a call that may be repeated is made at most. */
  tries: number;
  /** Calls of this isolate at once. Whoever comes then is told so, and does not wait. */
  lanes: number;
  /** Bytes of one answer. */
  answerBytes: number;
}

/** What is sent: of `fetch`'s own, as much as a provider needs. `signal` is the caller's own deadline. */
export interface OutsideRequest {
  method?: string;
  headers?: HeadersInit;
  body?: BodyInit | null;
  signal?: AbortSignal;
}

/** `fetch` with one provider's limits. Answers with the body here as a whole; a 5xx is an answer, as it is with `fetch`. */
export type OutsideFetch = (url: string, request?: OutsideRequest) => Promise<Response>;

/** What this isolate knows of one host of a provider. Counts are since it began. */
export interface OutsideState {
  provider: string;
  origin: string;
  state: "closed" | "half_open" | "open";
  inFlight: number;
  lanes: number;
  /** Calls that were let through; how many requests that made beyond the first, how many of all requests failed. */
  calls: number;
  retries: number;
  failures: number;
  /** Calls that were not let through: the breaker was open, or all lanes were taken. */
  refused: number;
  /** Since when the breaker has been open, and when it lets one through, in ms; null while it is closed. */
  openedAt: number | null;
  retryAt: number | null;
}

/** A call that was not made: the provider is away, or this isolate calls it too often at once. Nothing was sent. */
export class NotAsked extends Error {
  override name = "NotAsked";
  readonly retryAfterSeconds: number;

  constructor(message: string, retryAfterMs: number) {
    super(message);
    this.retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1_000));
  }
}

const guards = new Map<string, Guard>();

/**
 * The way to one provider. Each host of it has a breaker and lanes of its own, shared by all calls of that name. The call throws
 * {@link NotAsked}, or what went wrong: no connection, no answer in time, one that is too long. It follows no redirect. Sent
 * again is only what does no harm twice: a GET or HEAD, and what bears an `Idempotency-Key`.
 */
export function outsideFetch(provider: string, limits: OutsideLimits): OutsideFetch {
  return async (url, request = {}) => {
    const { origin } = new URL(url);
    const key = `${provider} ${origin}`;
    let guard = guards.get(key);
    if (guard === undefined) {
      guard = new Guard(provider, origin, limits);
      guards.set(key, guard);
    }
    return guard.call(url, request);
  };
}

/** Every host that this isolate has called, by provider. */
export function outsideStates(): OutsideState[] {
  const states = [...guards.values()].map((guard) => guard.state());
  return states.sort((a, b) => (`${a.provider} ${a.origin}` < `${b.provider} ${b.origin}` ? -1 : 1));
}

/** Seconds after which to ask again what could not be asked now; null for any other failure. */
export function askAgainAfter(error: unknown): number | null {
  return error instanceof NotAsked ? error.retryAfterSeconds : null;
}

class Guard {
  readonly #provider: string;
  readonly #origin: string;
  readonly #limits: OutsideLimits;
  readonly #flights = new Map<symbol, number>();
  readonly #counts = { calls: 0, retries: 0, failures: 0, refused: 0 };
  #breaker: CircuitBreakerPolicy;
  #openedAt = 0;
  #probedAt = 0;

  constructor(provider: string, origin: string, limits: OutsideLimits) {
    this.#provider = provider;
    this.#origin = origin;
    this.#limits = limits;
    this.#breaker = this.#breakerFrom();
  }

  state(): OutsideState {
    this.#forgetLost(Date.now());
    const { state } = this.#breaker;
    const isClosed = state === CircuitState.Closed;
    return {
      provider: this.#provider,
      origin: this.#origin,
      state: isClosed ? "closed" : state === CircuitState.HalfOpen ? "half_open" : "open",
      inFlight: this.#flights.size,
      lanes: this.#limits.lanes,
      ...this.#counts,
      openedAt: isClosed ? null : this.#openedAt,
      retryAt: isClosed ? null : this.#openedAt + OUTSIDE_OPEN_MS,
    };
  }

  async call(url: string, request: OutsideRequest): Promise<Response> {
    const now = Date.now();
    this.#forgetLost(now);
    this.#refuseClosed(now);
    if (this.#flights.size >= this.#limits.lanes) {
      this.#counts.refused += 1;
      throw new NotAsked(`${this.#provider} is asked by too many at once`, OUTSIDE_RETRY_MAX_MS);
    }
    const flight = Symbol();
    this.#flights.set(flight, now);
    this.#counts.calls += 1;
    try {
      const inTime = timeout(this.#limits.callMs, TimeoutStrategy.Aggressive);
      return await inTime.execute(({ signal }) => this.#tried(url, request, signal), request.signal);
    } finally {
      this.#flights.delete(flight);
    }
  }

  #tried(url: string, request: OutsideRequest, signal: AbortSignal): Promise<Response> {
    const { tries, tryMs, callMs } = this.#limits;
    if (!mayRepeat(request)) return this.#once(url, request, callMs, signal);
    const backoff = new ExponentialBackoff({
      initialDelay: OUTSIDE_RETRY_FIRST_MS,
      maxDelay: OUTSIDE_RETRY_MAX_MS,
      generator: fullJitterGenerator,
    });
    const isWorthIt = handleWhen((error) => !(error instanceof NotAsked)).orWhenResult(isFailure);
    const again = retry(isWorthIt, { maxAttempts: tries - 1, backoff });
    return again.execute(({ attempt }) => {
      if (attempt > 0) {
        // The pause before it may have outlasted the call, and the breaker has perhaps opened meanwhile.
        signal.throwIfAborted();
        this.#refuseClosed(Date.now());
        this.#counts.retries += 1;
      }
      return this.#once(url, request, tryMs, signal);
    }, signal);
  }

  /** One request, as the breaker sees it. */
  #once(url: string, request: OutsideRequest, ms: number, whole: AbortSignal): Promise<Response> {
    const inTime = timeout(ms, TimeoutStrategy.Aggressive);
    return this.#breaker.execute(async () => {
      try {
        const answer = await inTime.execute(
          ({ signal }) => send(url, request, this.#limits.answerBytes, signal),
          whole,
        );
        if (isFailure(answer)) this.#counts.failures += 1;
        return answer;
      } catch (error) {
        this.#counts.failures += 1;
        throw error;
      }
    }, whole);
  }

  /** While it is open nobody calls; half open, one has gone to look, and nobody waits for what that one finds. */
  #refuseClosed(now: number): void {
    const { state } = this.#breaker;
    const wait = this.#openedAt + OUTSIDE_OPEN_MS - now;
    if (state === CircuitState.Closed || (state === CircuitState.Open && wait <= 0)) return;
    this.#counts.refused += 1;
    throw new NotAsked(`${this.#provider} is not asked for now: it has failed too often`, wait);
  }

  /** A request that is given up by its client, or whose object dies, never comes back: what it held would be held for ever. */
  #forgetLost(now: number): void {
    const longest = this.#limits.callMs + OUTSIDE_LOST_MS;
    for (const [flight, since] of this.#flights) if (now - since > longest) this.#flights.delete(flight);
    const isLost = this.#breaker.state === CircuitState.HalfOpen && now - this.#probedAt > longest;
    if (isLost) this.#breaker = this.#breakerFrom(this.#breaker.toJSON());
  }

  #breakerFrom(initialState?: unknown): CircuitBreakerPolicy {
    const breaker = circuitBreaker(handleAll.orWhenResult(isFailure), {
      breaker: new ConsecutiveBreaker(OUTSIDE_FAILURES_MAX),
      halfOpenAfter: OUTSIDE_OPEN_MS,
      ...(initialState === undefined ? {} : { initialState }),
    });
    const facts = { provider: this.#provider, origin: this.#origin };
    breaker.onBreak((reason) => {
      this.#openedAt = Date.now();
      log("error", "outside_opened", { ...facts, reason: reasonOf(reason), for_ms: OUTSIDE_OPEN_MS });
    });
    breaker.onHalfOpen(() => {
      this.#probedAt = Date.now();
    });
    breaker.onReset(() => log("info", "outside_closed", { ...facts, open_ms: Date.now() - this.#openedAt }));
    return breaker;
  }
}

function mayRepeat({ method = "GET", headers }: OutsideRequest): boolean {
  return method === "GET" || method === "HEAD" || Boolean(new Headers(headers).get("Idempotency-Key"));
}

/** What a provider could not do for reasons of its own. That it refuses, or wants to be asked less, shows that it is there. */
function isFailure(answer: unknown): boolean {
  return answer instanceof Response && answer.status >= 500;
}

function reasonOf(reason: object): string {
  if ("error" in reason) return String(reason.error);
  return "value" in reason && reason.value instanceof Response ? `status ${reason.value.status}` : "unknown";
}

async function send(
  url: string,
  { signal: _, ...request }: OutsideRequest,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Response> {
  // What is sent has keys and codes in it, and they would go along to wherever a redirect leads.
  const answer = await fetch(url, { ...request, redirect: "manual", signal });
  const bytes = answer.body === null ? null : await readUpTo(answer.body, bytesMax, signal);
  const empty = bytes === null || bytes.byteLength === 0;
  return new Response(empty ? null : bytes, { status: answer.status, headers: answer.headers });
}

async function readUpTo(
  stream: ReadableStream<Uint8Array>,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  const stop = () => void reader.cancel().catch(() => {});
  // A body that comes in drops would be read on and on after its caller has gone.
  signal.addEventListener("abort", stop, { once: true });
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return Buffer.concat(chunks, size);
      size += value.byteLength;
      if (size > bytesMax) throw new Error("the provider says too much");
      chunks.push(value);
    }
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}
