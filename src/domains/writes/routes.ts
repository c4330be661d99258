// Over HTTP: the writes of a user that were accepted while the database was away, and could not be done.
import { send, sendNothing } from "../../http/answer.ts";
import { callerOf } from "../../http/context.ts";
import { answer, createRouter, operation, pageOf, pageQuery, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { renderPage, withCursor } from "../../http/page.ts";
import { conflictOut, conflictPath } from "./schema.ts";
import { dismissConflict, listConflicts, wireConflict } from "./service.ts";

const tags = ["Tasks"];

const list = operation({
  method: "get",
  path: "/v1/writes/conflicts",
  access: "profile:read",
  tags,
  summary: "Your changes that were accepted while the database was away and could not be made, newest first",
  description: "Such as a change of a version that had moved on. They stay until they are dismissed.",
  request: { query: pageQuery },
  responses: { 200: answer(pageOf(conflictOut), "Conflicts"), ...problems(...TOKEN_CODES) },
});
const dismiss = operation({
  method: "delete",
  path: "/v1/writes/conflicts/{id}",
  access: "profile:manage",
  tags,
  summary: "Forget a conflict",
  request: { params: conflictPath },
  responses: { 204: { description: "It is forgotten" }, ...problems(...TOKEN_CODES, "not_found") },
});

export const writesRouter = createRouter()
  .openapi(list, async (c) => {
    const { limit, cursor: from } = c.req.valid("query");
    const { userId } = callerOf(c);
    const page = await withCursor(from, (cursor) => listConflicts(c.env, userId, { limit, cursor }));
    return send(c, page, (found) => renderPage(found, wireConflict), 200);
  })
  .openapi(dismiss, async (c) =>
    sendNothing(c, await dismissConflict(c.env, callerOf(c).userId, c.req.valid("param").id)),
  );
