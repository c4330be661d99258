// A customer of the black box: signs up, keeps its session over every fault, and acts: each attempt is written down, and
// what has no answer is tried again with the same key until it has one.
import { parseConfig } from "../../src/config.ts";
import { signAccessToken } from "../../src/http/tokens.ts";
import { type Answer, type Ask, type Exchange, fingerprint, sleep } from "./exchange.ts";
import type { Attempt, Facts, Outcome } from "./history.ts";

const PASSWORD = "correct horse battery";
/** Well within the ten minutes that an access token is good for. */
const SIGN_EVERY_MS = 240_000;
/** Often enough that refreshing meets every kind of fault. */
const REFRESH_EVERY_MS = 5_000;
/** What stays unanswered for so long is given up, and a break. */
const GIVE_UP_MS = 90_000;
const PAUSE_FIRST_MS = 10;
const PAUSE_MAX_MS = 200;

type Config = ReturnType<typeof parseConfig>;

interface Tokens {
  access_token: string;
  refresh_token: string;
  session_id: string;
}

/** What is done, under which key. `byKey` sends the key as Idempotency-Key too. */
export interface Wish {
  kind: Attempt["kind"];
  key: string;
  byKey: boolean;
  ask: Ask;
}

/** A signed-up customer. `refreshes`: renews by refresh token; otherwise tokens are signed here with the server's key. */
export class Customer {
  readonly accountId: string;
  readonly attempts: Attempt[] = [];
  /** What was wrong outside of any act, in words. */
  readonly complaints: string[] = [];
  /** Acts done: answered 2xx, each once. */
  done = 0;
  /** Those of them whose first answer was lost: found done by their key. */
  foundByKey = 0;
  /** The highest stream number that any answer has shown. */
  seq = 0;
  readonly exchange: Exchange;
  readonly #config: Config;
  readonly #userId: string;
  readonly #refreshes: boolean;
  #tokens: Tokens;
  #renewedAt = performance.now();
  #renewing: Promise<void> | null = null;

  private constructor(exchange: Exchange, config: Config, user: UserOut, tokens: Tokens, refreshes: boolean) {
    this.exchange = exchange;
    this.#config = config;
    this.accountId = user.account_id;
    this.#userId = user.id;
    this.#tokens = tokens;
    this.#refreshes = refreshes;
  }

  /** Signs up and logs in, as anyone does. `name` is new to the server. */
  static async signUp(exchange: Exchange, vars: Record<string, unknown>, name: string, refreshes: boolean) {
    const user = JSON.stringify({ email: `${name}@example.com`, username: name, password: PASSWORD });
    // 409: the first answer was lost, as a hash may take longer than anyone waits on a busy machine.
    await exchange.insist({ method: "POST", path: "/v1/auth/register", body: user }, [201, 409]);
    const login = JSON.stringify({ login: name, password: PASSWORD });
    const tokens = await exchange.insist<Tokens>({ method: "POST", path: "/v1/auth/login", body: login }, [200]);
    const me: Ask = { method: "GET", path: "/v1/me", token: tokens.access_token };
    const made = await exchange.insist<{ user: UserOut }>(me, [200]);
    return new Customer(exchange, parseConfig(vars), made.user, tokens, refreshes);
  }

  /** A good access token. Refreshing needs D1: while that is away, the old one is good for some time yet. */
  async token(): Promise<string> {
    const age = performance.now() - this.#renewedAt;
    if (age > (this.#refreshes ? REFRESH_EVERY_MS : SIGN_EVERY_MS)) {
      this.#renewing ??= this.#renew().finally(() => {
        this.#renewing = null;
      });
      if (age > SIGN_EVERY_MS) await this.#renewing;
    }
    return this.#tokens.access_token;
  }

  async #renew(): Promise<void> {
    if (!this.#refreshes) {
      this.#tokens.access_token = await this.tokenFor(["customer"]);
    } else {
      const body = JSON.stringify({ refresh_token: this.#tokens.refresh_token });
      const answer = await this.exchange.send({ method: "POST", path: "/v1/auth/refresh", body });
      if (answer === null || answer.status === 503) return;
      if (answer.status !== 200)
        return void this.complaints.push(`the session of ${this.accountId} was lost: ${answer.text}`);
      this.#tokens = JSON.parse(answer.text) as Tokens;
    }
    this.#renewedAt = performance.now();
  }

  /** A token of this session with other roles, as an operator would have it. */
  tokenFor(roles: string[]): Promise<string> {
    const subject = { userId: this.#userId, accountId: this.accountId, sessionId: this.#tokens.session_id };
    return signAccessToken(this.#config, { ...subject, roles, emailVerified: true }, Date.now());
  }

  /** Does something once: sends it until it is answered. Null when it was given up. */
  async act(wish: Wish): Promise<Attempt | null> {
    const giveUpAt = performance.now() + GIVE_UP_MS;
    for (let pause = PAUSE_FIRST_MS; performance.now() < giveUpAt; pause = Math.min(pause * 2, PAUSE_MAX_MS)) {
      const attempt = await this.attempt(wish);
      if (attempt.outcome !== "info") {
        if (attempt.outcome === "ok" && !wish.kind.startsWith("read")) this.done += 1;
        if (attempt.repeated && pause > PAUSE_FIRST_MS) this.foundByKey += 1;
        return attempt;
      }
      await sleep(pause);
    }
    return null;
  }

  /** One attempt, written down. */
  async attempt({ kind, key, byKey, ask }: Wish): Promise<Attempt> {
    const token = await this.token();
    const invoke = performance.now();
    const answer = await this.exchange.send({ ...ask, token, key: byKey ? key : null });
    const facts = answer === null ? null : factsOf(answer);
    const attempt: Attempt = {
      account: this.accountId,
      kind,
      key,
      byKey,
      body: ask.body ?? "",
      invoke,
      completion: performance.now(),
      outcome: outcomeOf(answer, facts),
      httpStatus: answer?.status ?? 0,
      repeated: answer !== null && (answer.replayed || (kind === "order" && answer.status === 200)),
      facts,
    };
    this.attempts.push(attempt);
    if (attempt.outcome === "ok" && facts !== null) this.seq = Math.max(this.seq, facts.seq ?? 0);
    return attempt;
  }
}

interface UserOut {
  id: string;
  account_id: string;
}

function outcomeOf(answer: Answer | null, facts: Facts | null): Outcome {
  if (answer === null || answer.status >= 500) return "info";
  if (answer.status < 300) return "ok";
  const unjudged = answer.status === 401 || answer.status === 429 || facts?.code === "idempotency_in_flight";
  return unjudged ? "info" : "fail";
}

function factsOf({ text }: Answer): Facts {
  const body = JSON.parse(text) as Record<string, unknown>;
  const textOf = (name: string) => (typeof body[name] === "string" ? body[name] : null);
  return {
    ref: textOf("order_id") ?? textOf("id"),
    code: textOf("code"),
    // A problem document's status is a number.
    status: textOf("status"),
    filledQty: textOf("filled_qty"),
    seq: typeof body.seq === "number" ? body.seq : null,
    bytes: fingerprint(text),
  };
}
