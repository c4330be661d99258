// What every object with a journal answers to operators and to those who look after the read model.
import { DurableObject } from "cloudflare:workers";
import type { Fingerprint } from "../core/backups.ts";
import type { Amount, Exam, Question } from "../core/exam.ts";
import type { Result } from "../core/result.ts";
import type { Outbox } from "./outbox.ts";
import type {
  Cuttable,
  JournalHead,
  JournalSlice,
  OperatorAct,
  Page,
  PageRequest,
  ParkedView,
  RestoreView,
  SnapshotPart,
} from "./protocol.ts";
import type { SnapshotParts } from "./snapshot-parts.ts";

/** What its logic does of it. */
export interface Operated {
  readonly journal: Outbox;
  readonly exam: {
    inspect(question: Question): Exam;
    fingerprint(): Fingerprint | null;
    owedAt?(atMs: number): Amount[] | null;
  };
  readonly restoring: { readonly parts: SnapshotParts };
  readonly cutting: { cuttable(beforeMs: number): Cuttable | null; cut(wanted: Cuttable): Result<null> };
  parked(query: PageRequest): ParkedView;
  unpark(peer: string, act: OperatorAct): Result<null>;
  restoration(): RestoreView;
  reopen(act: OperatorAct): Result<null>;
}

/** The calls that accounts and markets have in common; each class adds its own. */
export abstract class ObjectShell extends DurableObject<Env> {
  protected abstract readonly operated: Operated;

  async parked(query: PageRequest): Promise<ParkedView> {
    return this.operated.parked(query);
  }

  async unpark(peer: string, act: OperatorAct): Promise<Result<null>> {
    return this.operated.unpark(peer, act);
  }

  async keepPart(part: SnapshotPart): Promise<Result<number>> {
    return this.operated.restoring.parts.keep(part);
  }

  async restoration(): Promise<RestoreView> {
    return this.operated.restoration();
  }

  async reopen(act: OperatorAct): Promise<Result<null>> {
    return this.operated.reopen(act);
  }

  async inspect(question: Question): Promise<Exam> {
    return this.operated.exam.inspect(question);
  }

  async fingerprint(): Promise<Fingerprint | null> {
    return this.operated.exam.fingerprint();
  }

  /** What an account owed its customer at a time in ms; a market owes nobody, and has nothing to say. */
  async owedAt(atMs: number): Promise<Amount[] | null> {
    return this.operated.exam.owedAt?.(atMs) ?? null;
  }

  async head(): Promise<JournalHead> {
    return this.operated.journal.head();
  }

  async cuttable(beforeMs: number): Promise<Cuttable | null> {
    return this.operated.cutting.cuttable(beforeMs);
  }

  async cut(wanted: Cuttable): Promise<Result<null>> {
    return this.operated.cutting.cut(wanted);
  }

  async journal(query: PageRequest): Promise<Page<string>> {
    return this.operated.journal.page(query);
  }

  async journalFrom(fromSeq: number, bytesMax: number): Promise<JournalSlice | null> {
    return this.operated.journal.sliceFrom(fromSeq, bytesMax);
  }
}
