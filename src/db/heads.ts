// How far the read model has been told: one head for each object and epoch.
import { type Placeholder, type SQL, sql } from "drizzle-orm";
import { type Database, type Guarded, guardD1 } from "./client.ts";
import { type ObjectKind, projectionHeads } from "./read-model.ts";

/** Whose journal it is: identity of anything that an object said is (object, name, epoch, seq). */
export interface Source {
  object: ObjectKind;
  name: string;
  epoch: number;
}

/** The dead letters of journals that were fetched stand under this name, since no queue has carried them. */
export const PULLED = "pull";

/** One text for one object and epoch. */
export function sourceKey({ object, name, epoch }: Source): string {
  return `${object} ${name} ${epoch}`;
}

/** Sources as {@link amongSources} takes them. */
export function sourcesText(sources: readonly Source[]): string {
  return JSON.stringify(sources.map(({ object, name, epoch }) => [object, name, epoch]));
}

/** The condition that a head is one of the sources' in a {@link sourcesText}, which may be given later. */
export function amongSources(wanted: string | Placeholder): SQL {
  return sql`(${projectionHeads.object}, ${projectionHeads.name}, ${projectionHeads.epoch}) IN
    (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(${wanted}))`;
}

/** The last stream number applied of each source, in the order given; 0 where nothing has been applied. */
export async function readHeads(db: Database, sources: readonly Source[]): Promise<Guarded<number[]>> {
  const found = await guardD1(
    db
      .select()
      .from(projectionHeads)
      .where(amongSources(sourcesText(sources))),
  );
  if (!found.ok) return found;
  const heads = new Map(found.value.map((row) => [sourceKey(row), row.appliedSeq]));
  return { ok: true, value: sources.map((source) => heads.get(sourceKey(source)) ?? 0) };
}
