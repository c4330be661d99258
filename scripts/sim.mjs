// `npm run sim`: see test/sim/main.ts.

import { usePinnedNode } from "./pinned-node.mjs";

await usePinnedNode();
await import("../test/sim/main.ts");
