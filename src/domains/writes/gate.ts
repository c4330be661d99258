// The way to users' write buffers, as the port that app.ts hands to every request.
import { ok } from "../../core/result.ts";
import type { WriteBuffers } from "../../http/write-buffer.ts";
import { callObject, type ObjectBindings, writeBufferStub } from "../../objects/stubs.ts";

/** Asks and tells buffer objects; one that cannot be reached is the refusal `unavailable`. */
export function writeBuffers(env: Pick<ObjectBindings, "WRITE_BUFFER">): WriteBuffers {
  return {
    look: (userId) => callObject(async () => ok(await writeBufferStub(env, userId).look())),
    append: (userId, writes) => callObject(async () => ok(await writeBufferStub(env, userId).append(writes))),
    forget: (userId) => callObject(() => writeBufferStub(env, userId).forget()),
  };
}
