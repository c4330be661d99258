// How far the read model has been told: one head for each object and epoch.
import { type SQL, sql } from "drizzle-orm";
import { type Database, type Guarded, guardD1 } from "./client.ts";
import { type ObjectKind, projectionHeads } from "./read-model.ts";

/** Whose journal it is: identity of anything that an object said is (object, name, epoch, seq). */
export interface Source {
  object: ObjectKind;
  name: string;
  epoch: number;
}

/** One text for one object and epoch. */
export function sourceKey({ object, name, epoch }: Source): string {
  return `${object} ${name} ${epoch}`;
}

/** The condition that a head is one of these sources'. */
export function amongSources(sources: readonly Source[]): SQL {
  const wanted = JSON.stringify(sources.map(({ object, name, epoch }) => [object, name, epoch]));
  return sql`(${projectionHeads.object}, ${projectionHeads.name}, ${projectionHeads.epoch}) IN
    (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(${wanted}))`;
}

/** The last stream number applied of each source, in the order given; 0 where nothing has been applied. */
export async function readHeads(db: Database, sources: readonly Source[]): Promise<Guarded<number[]>> {
  const found = await guardD1(db.select().from(projectionHeads).where(amongSources(sources)));
  if (!found.ok) return found;
  const heads = new Map(found.value.map((row) => [sourceKey(row), row.appliedSeq]));
  return { ok: true, value: sources.map((source) => heads.get(sourceKey(source)) ?? 0) };
}
