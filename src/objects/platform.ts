// The ports as the platform fills them, for every object's shell.
import { createHash } from "node:crypto";
import { typeId } from "../core/ids.ts";
import { CALL_TIMEOUT_MS, FULL_LOOK_MS, OBJECT_BYTES_MAX, SLICE_DELAY_MS } from "../core/limits.ts";
import { log } from "../log.ts";
import type { ObjectPorts, Sql, SqlValue } from "./ports.ts";

/** SHA-256 in lower-case hex, synchronously. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** A new TypeID of a kind. */
export function makeId(prefix: string, atMs: number): string {
  return typeId(prefix, atMs, crypto.getRandomValues(new Uint8Array(10)));
}

/** 160 random bits in hex: nobody guesses them. */
export function newSecret(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(20))).toString("hex");
}

/** Statements over an object's own storage. */
export function storageSql({ sql }: DurableObjectStorage): Sql {
  return <Row extends Record<string, SqlValue>>(query: string, ...bindings: SqlValue[]) =>
    sql.exec<Row>(query, ...bindings).toArray();
}

/**
 * The ports that every object has, over its own storage, of which it may fill `bytesMax`. `flush` sends its journal; a failure is
 * left to the next try.
 */
export function platformPorts(
  ctx: DurableObjectState,
  { name, bytesMax }: { name: string; bytesMax: number },
  queue: Queue,
  flush: () => Promise<void>,
): ObjectPorts {
  let waking = false;
  let isFull = false;
  let lookedAtMs = 0;
  const alert = (message: string) => log("error", "object_alert", { object: name, message });
  return {
    name,
    sql: storageSql(ctx.storage),
    tx: (work) => ctx.storage.transactionSync(work),
    now: () => Date.now(),
    makeId,
    sha256,
    alarm: { set: (atMs) => void ctx.storage.setAlarm(atMs) },
    queue: {
      send: async (slice) => {
        await queue.send(slice);
      },
      wake: () => {
        if (waking) return;
        waking = true;
        setTimeout(() => {
          waking = false;
          flush().catch((error) => alert(`journal not sent: ${String(error)}`));
        }, SLICE_DELAY_MS);
      },
    },
    alert,
    isFull: () => {
      const nowMs = Date.now();
      if (Math.abs(nowMs - lookedAtMs) < FULL_LOOK_MS) return isFull;
      lookedAtMs = nowMs;
      const wasFull = isFull;
      isFull = ctx.storage.sql.databaseSize > bytesMax;
      if (isFull && !wasFull) alert(`more than ${bytesMax} bytes are stored: only cancels are taken`);
      return isFull;
    },
  };
}

/** The bytes that an object may fill, as configured; {@link OBJECT_BYTES_MAX} where nothing is. */
export function bytesMaxOf({ OBJECT_BYTES_MAX: configured }: { OBJECT_BYTES_MAX?: string }): number {
  return configured === undefined ? OBJECT_BYTES_MAX : Number(configured);
}

/** An object's sockets: those that neither side has closed, one more, and when one was last pinged without waking it, in ms. */
export function platformSockets(ctx: DurableObjectState) {
  return {
    open: () => ctx.getWebSockets().filter((socket) => socket.readyState === WebSocket.OPEN),
    accept: (socket: WebSocket) => ctx.acceptWebSocket(socket),
    pingedAt: (socket: WebSocket) => ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? null,
  };
}

/** The call's answer, or a rejection when it takes longer than any call may. */
export async function withTimeout<T>(call: Promise<T>, ms: number = CALL_TIMEOUT_MS): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("object call timed out")), ms);
  });
  try {
    return await Promise.race([call, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A call of one object to another, as {@link withTimeout}. While a deployment is being restored (`OBJECTS_APART`) none is made:
 * an object that is not there yet would answer for the one that it is to become.
 */
export async function toPeer<T>(
  { OBJECTS_APART }: { OBJECTS_APART?: string },
  call: () => Promise<T>,
  ms: number = CALL_TIMEOUT_MS,
): Promise<T> {
  if (OBJECTS_APART === "1") throw new Error("objects are kept apart");
  return withTimeout(call(), ms);
}

/** Waits for a promise, but no longer than `ms`. */
export async function waitAtMost(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const pause = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, pause]);
  clearTimeout(timer);
}
