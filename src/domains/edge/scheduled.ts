// What the edge does each minute.
export { forgetKeys } from "./once.ts";
