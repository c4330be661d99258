// Many timers behind an object's one alarm (protocol rule 4): a table of what is due when, kept in step with the alarm.
import type { ObjectPorts } from "./ports.ts";

/** What rings when: a kind and whom it is for, once at a time. `due` in ms. */
export interface Timer {
  kind: string;
  ref: string;
  due: number;
}

/** The timers of one object. `arm` and `clear` belong inside the transaction that makes them true. */
export class Timers {
  readonly #ports: Pick<ObjectPorts, "sql" | "alarm">;
  readonly #timers = new Map<string, Timer>();
  #alarmAt = Number.POSITIVE_INFINITY;

  constructor(ports: Pick<ObjectPorts, "sql" | "alarm">) {
    this.#ports = ports;
    ports.sql(
      "CREATE TABLE IF NOT EXISTS timers (kind TEXT NOT NULL, ref TEXT NOT NULL, due INTEGER NOT NULL, PRIMARY KEY (kind, ref)) STRICT, WITHOUT ROWID",
    );
    for (const row of ports.sql<{ kind: string; ref: string; due: number }>("SELECT kind, ref, due FROM timers")) {
      this.#timers.set(keyOf(row.kind, row.ref), row);
    }
    this.rearm();
  }

  /** When this timer is due, in ms; undefined when it is not armed. */
  dueAt(kind: string, ref: string): number | undefined {
    return this.#timers.get(keyOf(kind, ref))?.due;
  }

  /** Makes a timer due at a moment, in place of any it had. */
  arm(kind: string, ref: string, due: number): void {
    if (this.dueAt(kind, ref) === due) return;
    this.#ports.sql(
      "INSERT INTO timers (kind, ref, due) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET due = excluded.due",
      kind,
      ref,
      due,
    );
    this.#timers.set(keyOf(kind, ref), { kind, ref, due });
    if (due < this.#alarmAt) this.#setAlarm(due);
  }

  /** Forgets a timer. The alarm may still ring for it, and finds nothing due. */
  clear(kind: string, ref: string): void {
    if (!this.#timers.delete(keyOf(kind, ref))) return;
    this.#ports.sql("DELETE FROM timers WHERE kind = ? AND ref = ?", kind, ref);
  }

  /** The timers that are due at `now`, earliest first. They stay until they are cleared or armed anew. */
  due(now: number): Timer[] {
    return [...this.#timers.values()].filter((timer) => timer.due <= now).sort((a, b) => a.due - b.due);
  }

  /**
   * Sets the alarm for the earliest timer, whatever became of the alarm before: after a start and after each ring. Not
   * before `notBefore`: a timer that a ring could not settle must not ring again at once, without end.
   */
  rearm(notBefore = 0): void {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    let earliest = Number.POSITIVE_INFINITY;
    for (const { due } of this.#timers.values()) earliest = Math.min(earliest, due);
    if (Number.isFinite(earliest)) this.#setAlarm(Math.max(earliest, notBefore));
  }

  #setAlarm(at: number): void {
    this.#alarmAt = at;
    this.#ports.alarm.set(at);
  }
}

function keyOf(kind: string, ref: string): string {
  return `${kind}|${ref}`;
}
