// The sockets of an account: who may open one, how long each lives, and what they are all told. A socket lives by a token:
// the one that it was opened with, or the last that renewed it.
import type { AccountEvent } from "../../core/account/state.ts";
import { isKeyId } from "../../core/api-keys.ts";
import {
  SOCKET_MESSAGES_MAX,
  SOCKET_MESSAGES_WINDOW_MS,
  SOCKET_SILENCE_MAX_MS,
  SOCKETS_PER_ACCOUNT_MAX,
} from "../../core/limits.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { log } from "../../log.ts";
import type { Caller, StreamCaller } from "../protocol.ts";
import type { Absence } from "./absence.ts";
import { type AccountSocket, type KeptSocket, publish, receive, type StreamSource, sendError } from "./sockets.ts";

/** Who an access token stands for. Refuses as HTTP does: `token_expired` when only its time is over, else `unauthenticated`. */
export type ReadToken = (token: string) => Promise<Result<StreamCaller>>;

/** What the sockets need of the platform. */
export interface SocketPorts {
  name: string;
  now: () => number;
  /** The account's sockets that neither side has closed. */
  open: () => WebSocket[];
  /** Has the platform wake this object for what a socket says. */
  accept: (socket: WebSocket) => void;
  /** When the platform last answered a ping of this socket without waking the object, in ms; null when it never did. */
  pingedAt: (socket: WebSocket) => number | null;
  readToken: ReadToken;
}

/** What the sockets need of their account. */
export interface SocketAccount extends StreamSource {
  absence: Pick<Absence, "guard" | "unguard" | "left">;
  /** Whether this session or key still counts here, asked once a call. Refuses `session_revoked`, or what a key lacks. */
  enter: (caller: Caller) => Result<unknown>;
  /** Has {@link OpenSockets.closeExpired} called at `at`, in ms, or before. */
  awaitExpiry: (at: number) => void;
}

const TOKEN_ENDED = 4001;
/** HTTP's sentence for this speaks of a header, and a message has none. */
const NO_TOKEN = refuse({ code: "unauthenticated", detail: "This is no valid access token." });

/** All open streams of one account: 64 at most, each for as long as its token is good. */
export class OpenSockets {
  readonly #ports: SocketPorts;
  readonly #account: SocketAccount;

  constructor(ports: SocketPorts, account: SocketAccount) {
    this.#ports = ports;
    this.#account = account;
  }

  /**
   * Whether a caller may open one more socket; answers what is to be kept with it. Refuses as the account does,
   * `token_expired`, and `rate_limited` when the account has its 64 and none of them has been silent for a minute.
   */
  admit(caller: StreamCaller): Result<KeptSocket> {
    const judged = this.#judge(caller);
    if (!judged.ok) return judged;
    if (this.#ports.open().length >= SOCKETS_PER_ACCOUNT_MAX) this.#closeSilent();
    if (this.#ports.open().length >= SOCKETS_PER_ACCOUNT_MAX) {
      return refuse({ code: "rate_limited", retryAfterSeconds: 60, detail: "Too many open streams." });
    }
    const { sessionId, expiresAtMs } = caller;
    this.#account.awaitExpiry(expiresAtMs);
    return ok({ sessionId, expiresAtMs, heardAtMs: this.#ports.now(), backlog: 0, subscription: null });
  }

  /** Opens a socket for whom {@link admit} admits; a refusal comes back as JSON. */
  accept(caller: StreamCaller): Response {
    const admitted = this.admit(caller);
    // The Worker gives it its status: this one only says that nothing was opened.
    if (!admitted.ok) return Response.json(admitted.refusal, { status: 401 });
    const pair = new WebSocketPair();
    pair[1].serializeAttachment(admitted.value);
    this.#ports.accept(pair[1]);
    return new Response(null, { status: 101, webSocket: pair[0] });
  }

  /** Takes one message of a client. Resolves when it has been answered. */
  async receive(socket: WebSocket, sent: string | ArrayBuffer): Promise<void> {
    const token = this.#with(socket, (one) => (this.#hear(one) ? receive(one, sent, this.#account) : null));
    if (token === undefined || token === null) return;
    const caller = await this.#ports.readToken(token);
    this.#with(socket, (one) => this.#renew(one, caller));
  }

  /** Counts a message. Whether its client may still be answered; if not, the socket is closed. */
  #hear(socket: AccountSocket): boolean {
    if (this.#closeIfExpired(socket)) return false;
    const now = this.#ports.now();
    const { heardAtMs, backlog } = socket.kept;
    const forgiven = (Math.max(0, now - heardAtMs) / SOCKET_MESSAGES_WINDOW_MS) * SOCKET_MESSAGES_MAX;
    const left = Math.max(0, backlog - forgiven) + 1;
    socket.kept = { ...socket.kept, heardAtMs: now, backlog: left };
    if (left <= SOCKET_MESSAGES_MAX) return true;
    socket.close(4009, "too many messages");
    return false;
  }

  /** Lets the socket live by another token of its account, whatever session it is of. A refused one changes nothing. */
  #renew(socket: AccountSocket, read: Result<StreamCaller>): void {
    // It may have run out while the token was read: a socket that is to be closed is not brought back.
    if (this.#closeIfExpired(socket)) return;
    const judged = read.ok ? this.#judge(read.value) : read.refusal.code === "unauthenticated" ? NO_TOKEN : read;
    if (!judged.ok) {
      sendError(socket, judged.refusal.code, judged.refusal.detail ?? "This session has ended; log in again.");
      return;
    }
    const { sessionId, expiresAtMs } = judged.value;
    socket.kept = { ...socket.kept, sessionId, expiresAtMs };
    this.#account.awaitExpiry(expiresAtMs);
    socket.send(JSON.stringify({ type: "auth", expires_at: wireTime(expiresAtMs) }));
  }

  #judge(caller: StreamCaller): Result<StreamCaller> {
    if (caller.accountId !== this.#ports.name) {
      return refuse({ code: "unauthenticated", detail: "This token is another account's." });
    }
    const admitted = this.#account.enter(caller);
    if (!admitted.ok) return admitted;
    // Judged here too: a ticket outlives the token that it was made with.
    if (caller.expiresAtMs > this.#ports.now()) return ok(caller);
    return refuse({ code: "token_expired", detail: "The access token has expired; refresh it." });
  }

  /** Tells every socket what it has subscribed to of some events. */
  publish(events: readonly AccountEvent[]): void {
    for (const socket of this.#ports.open()) {
      this.#with(socket, (one) => {
        if (!this.#closeIfExpired(one)) publish(one, events);
      });
    }
  }

  /** Closes the sockets of a revoked session or key, or with null those of all sessions. */
  closeSession(sessionId: string | null): void {
    for (const socket of this.#ports.open()) {
      this.#with(socket, ({ kept, close }) => {
        const ends = sessionId === null ? !isKeyId(kept.sessionId) : kept.sessionId === sessionId;
        if (ends) close(TOKEN_ENDED, isKeyId(kept.sessionId) ? "key revoked" : "session revoked");
      });
    }
  }

  /** Closes the sockets whose token has run out. Answers when the next one's does, in ms; null when none is left. */
  closeExpired(): number | null {
    let next = Number.POSITIVE_INFINITY;
    for (const socket of this.#ports.open()) {
      this.#with(socket, (one) => {
        if (!this.#closeIfExpired(one)) next = Math.min(next, one.kept.expiresAtMs);
      });
    }
    return Number.isFinite(next) ? next : null;
  }

  #closeIfExpired(socket: AccountSocket): boolean {
    if (socket.kept.expiresAtMs > this.#ports.now()) return false;
    socket.close(TOKEN_ENDED, "token expired");
    return true;
  }

  /** Closes the sockets whose clients have said nothing for a minute: most of them have gone without a word. */
  #closeSilent(): void {
    for (const socket of this.#ports.open()) this.#with(socket, (one) => this.#closeIfSilent(socket, one));
  }

  /** When a socket's silence will have lasted for a minute, in ms; null when it has, and the socket is closed. */
  #closeIfSilent(socket: WebSocket, one: AccountSocket): number | null {
    const until = Math.max(one.kept.heardAtMs, this.#ports.pingedAt(socket) ?? 0) + SOCKET_SILENCE_MAX_MS;
    if (until > this.#ports.now()) return until;
    one.close(4000, "silent");
    return null;
  }

  /** Looks at the socket of this name that is in charge of the orders: see {@link Absence}. */
  watch(guard: string): number | null {
    for (const socket of this.#ports.open()) {
      const seen = this.#with(socket, (one) => {
        if (one.kept.guard !== guard) return undefined;
        return this.#closeIfExpired(one) ? null : this.#closeIfSilent(socket, one);
      });
      if (seen !== undefined) return seen;
    }
    return null;
  }

  /** Answers a client's close with its code. */
  answerClose(socket: WebSocket, code: number): void {
    // Other codes say that none came, or are the protocol's own: an endpoint may not send them.
    socket.close(code >= 3_000 && code < 5_000 ? code : 1_000);
    this.closed(socket);
  }

  /** A socket has closed, whoever has closed it. */
  closed(socket: WebSocket): void {
    const { guard } = socket.deserializeAttachment() as KeptSocket;
    if (guard !== undefined) this.#account.absence.left(guard);
  }

  /** What `use` answers of a socket; undefined when it is closed, or cannot be written to. */
  #with<T>(socket: WebSocket, use: (one: AccountSocket) => T): T | undefined {
    // What a client sent before it heard of the close still comes in.
    if (socket.readyState !== WebSocket.OPEN) return undefined;
    const kept = socket.deserializeAttachment() as KeptSocket;
    const one: AccountSocket = {
      kept,
      send: (text) => socket.send(text),
      close: (code, reason) => {
        socket.close(code, reason);
        if (one.kept.guard !== undefined) this.#account.absence.left(one.kept.guard);
      },
    };
    try {
      return use(one);
    } catch (error) {
      // A socket that cannot be written to must not fail the act that it was to be told of; its client resumes by seq.
      log("warn", "socket_dropped", { message: String(error) });
      return undefined;
    } finally {
      if (one.kept !== kept) socket.serializeAttachment(one.kept);
    }
  }
}
