// Backups over HTTP. For operators alone.
import { send } from "../../http/answer.ts";
import {
  answer,
  BODY_CODES,
  body,
  createRouter,
  operation,
  pageOf,
  pageQuery,
  problems,
  TOKEN_CODES,
} from "../../http/openapi.ts";
import { actOf, reasonBody } from "../../http/operator-act.ts";
import { backupOut } from "./schema.ts";
import { askForBackup, listBackups } from "./service.ts";

const tags = ["Operations"];
const path = "/v1/admin/backups";

const list = operation({
  method: "get",
  path,
  access: "ops:read",
  tags,
  summary: "Backups, newest first",
  description: "`forgotten`: what it consisted of has been taken away, as later ones are kept.",
  request: { query: pageQuery },
  responses: { 200: answer(pageOf(backupOut), "Backups"), ...problems(...TOKEN_CODES) },
});
const take = operation({
  method: "post",
  path,
  access: "ops:act",
  audit: "backup.take",
  tags,
  summary: "Have a backup made now",
  description: "The cron makes it, in slices. One that is under way is answered instead of another.",
  request: { body: body(reasonBody) },
  responses: { 202: answer(backupOut, "The backup"), ...problems(...TOKEN_CODES, ...BODY_CODES) },
});

const asItIs = <T>(value: T): T => value;

export const backupsRouter = createRouter()
  .openapi(list, async (c) => send(c, await listBackups(c.env, c.req.valid("query")), asItIs, 200))
  .openapi(take, async (c) => {
    const act = actOf(c, c.req.valid("json").reason);
    return send(c, await askForBackup(c.env, act, Date.now()), asItIs, 202);
  });
