// A customer as the demo plays one: signs up, calls the API, listens to its own stream.

/** Longest wait for one answer or one stream message. */
const WAIT_MS = 10_000;
const CHANNELS = ["orders", "fills", "balances"];

/** Something is off: the message is the whole explanation, so no stack is shown. */
export class DemoFailure extends Error {}

/** Goes on when `condition` holds; otherwise the demo has failed, for the reason given. */
export function must(condition, reason) {
  if (!condition) throw new DemoFailure(reason);
}

/** One call. Fails unless the answer has a status of `expected`; answers its JSON. */
export async function call(base, method, path, { token, json, expected = [200] } = {}) {
  const headers = { Accept: "application/json" };
  if (token !== undefined) headers.Authorization = `Bearer ${token}`;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  const body = json === undefined ? undefined : JSON.stringify(json);
  const signal = AbortSignal.timeout(WAIT_MS);
  const answer = await fetch(base + path, { method, headers, body, signal }).catch((error) => {
    const why = error.cause?.code ?? error.name;
    throw new DemoFailure(`${method} ${base}${path} got no answer (${why}). Is \`npm start\` running?`);
  });
  const text = await answer.text();
  must(expected.includes(answer.status), `${method} ${path} answered ${answer.status}: ${text.slice(0, 500)}`);
  return text === "" ? null : JSON.parse(text);
}

export class Customer {
  stream = null;

  constructor(base, name, username, accountId, token) {
    this.base = base;
    this.name = name;
    this.username = username;
    this.accountId = accountId;
    this.token = token;
  }

  /** Signs up a customer whom nobody has met before, and logs in. */
  static async signUp(base, name) {
    const username = `${name.toLowerCase()}-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
    const password = crypto.randomUUID();
    const json = { email: `${username}@example.com`, username, password };
    const { user } = await call(base, "POST", "/v1/auth/register", { json, expected: [201] });
    const tokens = await call(base, "POST", "/v1/auth/login", { json: { login: username, password } });
    return new Customer(base, name, username, user.account_id, tokens.access_token);
  }

  get(path) {
    return call(this.base, "GET", path, { token: this.token });
  }

  /** Every row of a list, page after page. */
  async all(path) {
    const rows = [];
    let cursor = null;
    do {
      const more = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const page = await this.get(`${path}${path.includes("?") ? "&" : "?"}limit=200${more}`);
      rows.push(...page.data);
      cursor = page.next_cursor;
    } while (cursor !== null);
    return rows;
  }

  deposit(asset, amount) {
    const options = { token: this.token, json: { asset, amount }, expected: [201] };
    return call(this.base, "POST", "/v1/account/deposits", options);
  }

  /** Places an order; a market that has not answered yet (202) is no failure, since the stream tells the rest. */
  order(json) {
    return call(this.base, "POST", "/v1/orders", { token: this.token, json, expected: [201, 202] });
  }

  cancel(orderId) {
    return call(this.base, "DELETE", `/v1/orders/${orderId}`, { token: this.token, expected: [200, 202] });
  }

  /** Opens the account stream with a ticket, and waits for the snapshots of all channels. */
  async listen() {
    const { ticket } = await call(this.base, "POST", "/v1/stream/tickets", { token: this.token, expected: [201] });
    const address = `${this.base.replace(/^http/, "ws")}/v1/stream/account?ticket=${encodeURIComponent(ticket)}`;
    this.stream = await AccountStream.open(address, this.name);
  }
}

/** The account stream: keeps every event, and checks that none was missed on the way. */
export class AccountStream {
  #socket;
  #name;
  #waiting = null;
  #lastSeq = null;
  #snapshots = 0;
  #failure = null;
  events = [];

  constructor(socket, name) {
    this.#socket = socket;
    this.#name = name;
    socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(data)));
    socket.addEventListener("error", () => this.#fail("broke"));
    socket.addEventListener("close", ({ code, reason }) => this.#fail(`was closed with ${code} ${reason}`));
  }

  static async open(address, name) {
    const socket = new WebSocket(address);
    const stream = new AccountStream(socket, name);
    socket.addEventListener("open", () => socket.send(JSON.stringify({ op: "subscribe", channels: CHANNELS })));
    await stream.#until(() => stream.#snapshots === CHANNELS.length || undefined, "its snapshots");
    return stream;
  }

  /** The first event, kept or to come, of a channel that `fits`; `what` says in words what is waited for. */
  find(channel, fits, what) {
    return this.#until(() => this.events.find((event) => event.channel === channel && fits(event.data))?.data, what);
  }

  /** Waits for everything up to a stream number, the account's own. Fails when something on the way was missed. */
  reach(seq) {
    return this.#until(() => this.#lastSeq >= seq || undefined, `message ${seq}`);
  }

  close() {
    this.#socket.close(1000);
  }

  #take(message) {
    if (message.type === "error") return this.#fail(`said ${message.code}: ${message.detail}`);
    if (message.type === "snapshot") {
      this.#snapshots += 1;
      this.#lastSeq = message.seq;
    }
    if (message.type === "event") {
      const { seq, prev_seq: previous } = message;
      const follows = previous === this.#lastSeq && seq > previous;
      if (!follows) return this.#fail(`sent seq ${seq} after ${previous}, but ${this.#lastSeq} was the last heard`);
      this.#lastSeq = seq;
      this.events.push(message);
    }
    this.#waiting?.();
  }

  #fail(what) {
    this.#failure ??= new DemoFailure(`The stream of ${this.#name} ${what}.`);
    this.#waiting?.();
  }

  /** Waits until `look` finds something, asking again after each message. */
  #until(look, what) {
    return new Promise((resolve, reject) => {
      const late = () => settle(reject, new DemoFailure(`The stream of ${this.#name} did not bring ${what} in time.`));
      const timer = setTimeout(late, WAIT_MS);
      const settle = (end, value) => {
        clearTimeout(timer);
        this.#waiting = null;
        end(value);
      };
      this.#waiting = () => {
        if (this.#failure !== null) return settle(reject, this.#failure);
        const found = look();
        if (found !== undefined) settle(resolve, found);
      };
      this.#waiting();
    });
  }
}
