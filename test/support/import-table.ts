// Who may import whom: the table of the design, one row per kind of file. The first row that fits a file is its row.

/** The parts of the product; a new one is a folder and a word here. */
const DOMAINS = [
  "identity",
  "account",
  "orders",
  "markets",
  "portfolio",
  "edge",
  "audit",
  "tasks",
  "writes",
  "contact",
  "content",
  "assistant",
  "media",
  "notifications",
  "ops",
  "books",
  "backups",
];

const HONO = ["hono", "hono/**"];
const DRIZZLE = ["drizzle-orm", "drizzle-orm/**"];
const SCHEMA = ["zod", "@hono/zod-openapi"];
/** What all objects share: messages, the ports' types, and the pieces that work over them. */
const OBJECT_PIECES = [
  "objects/protocol.ts",
  "objects/rpc.ts",
  "objects/calls.ts",
  "objects/governing.ts",
  "objects/ports.ts",
  "objects/schema.ts",
  "objects/timers.ts",
  "objects/outbox.ts",
  "objects/own-values.ts",
  "objects/parking.ts",
  "objects/handshakes.ts",
  "objects/balances.ts",
  "objects/memory.ts",
  "objects/stored.ts",
  "objects/snapshot-parts.ts",
  "objects/cutting.ts",
  "objects/exam.ts",
];
const PLATFORM = ["cloudflare:workers", "node:crypto"];

/** A pattern of paths under src/, and patterns of what such a file may import. `own/` is the folder that it is in. */
type Row = readonly [file: string, may: readonly string[]];

const TABLE: readonly Row[] = [
  ["core/**", ["core/**", "zod"]],

  ["objects/calls.ts", ["core/**"]],
  ["objects/governing.ts", ["core/**"]],
  ["objects/protocol.ts", ["core/**", "zod", "objects/calls.ts", "objects/governing.ts"]],
  ["objects/rpc.ts", ["core/**", "zod", "objects/calls.ts", "objects/governing.ts", "objects/protocol.ts"]],
  [
    "objects/stubs.ts",
    ["core/**", "zod", "objects/governing.ts", "objects/protocol.ts", "objects/rpc.ts", "cloudflare:workers"],
  ],
  ["objects/platform.ts", ["core/**", ...OBJECT_PIECES, ...PLATFORM]],
  ["objects/shell.ts", ["core/**", ...OBJECT_PIECES, "cloudflare:workers"]],
  ["objects/*.ts", ["core/**", "zod", ...OBJECT_PIECES]],
  [
    "objects/*/shell.ts",
    [
      "own/**",
      "core/**",
      "zod",
      ...OBJECT_PIECES,
      "objects/shell.ts",
      "objects/stubs.ts",
      "objects/platform.ts",
      ...PLATFORM,
    ],
  ],
  ["objects/*/*-shell.ts", ["own/**", "core/**", "zod", ...OBJECT_PIECES, "objects/shell.ts"]],
  ["objects/*/market-calls.ts", ["own/**", "core/**", ...OBJECT_PIECES, "objects/stubs.ts", "objects/platform.ts"]],
  // Stubs and platform come to an object's logic as ports, or the simulator could not stand in for them.
  ["objects/*/**", ["own/**", "core/**", "zod", ...OBJECT_PIECES]],

  ["db/**", ["db/**", "core/**", ...DRIZZLE]],
  ["bindings/**", ["bindings/**", "core/**", "config.ts"]],
  [
    "projections/**",
    ["projections/**", "core/**", "objects/protocol.ts", "objects/stubs.ts", "db/**", "zod", ...DRIZZLE],
  ],
  ["adapters/outside.ts", ["core/**", "cockatiel"]],
  // The one place that speaks OAuth, and judges what comes from there.
  ["adapters/oauth/**", ["adapters/**", "core/**", "config.ts", "bindings/**", "zod", "oauth4webapi"]],
  ["adapters/**", ["adapters/**", "core/**", "config.ts", "bindings/**"]],
  ["http/**", ["http/**", "core/**", "config.ts", "bindings/**", ...HONO, "jose", ...SCHEMA]],

  ...DOMAINS.flatMap(domainRows),

  ["log.ts", []],
  ["config.ts", ["core/**", "zod"]],
  ["app.ts", ["config.ts", "http/**", "domains/*/routes.ts", "domains/*/gate.ts"]],
  [
    "worker.ts",
    [
      "app.ts",
      "config.ts",
      // Objects know nothing of tokens: how one is verified is handed to them here (docs/adr/0014-token-port.md).
      "http/tokens.ts",
      "objects/*/shell.ts",
      "projections/**",
      "domains/*/scheduled.ts",
      "domains/*/consumer.ts",
      // How a buffered write is done (docs/adr/0030-write-buffer.md).
      "domains/*/writes.ts",
      "adapters/**",
    ],
  ],
];

function domainRows(name: string): Row[] {
  const below = [
    "own/**",
    "core/**",
    "http/**",
    "bindings/**",
    "adapters/**",
    "objects/protocol.ts",
    "objects/rpc.ts",
    "objects/stubs.ts",
  ];
  // Passwords need scrypt, and the platform's own crypto has none; codes of apps are a library's work.
  const hashing = name === "identity" ? ["node:crypto", "otpauth"] : [];
  return [
    // A route that saw the database would soon query it.
    ...["routes.ts", "*-routes.ts"].map((file): Row => [`domains/${name}/${file}`, [...below, ...HONO, ...SCHEMA]]),
    ...["schema.ts", "*-schema.ts"].map((file): Row => [`domains/${name}/${file}`, [...below, ...SCHEMA]]),
    [`domains/${name}/**`, [...below, "db/**", ...DRIZZLE, ...hashing]],
  ];
}

/** What the file at a path under src/ may import, as patterns for {@link matches}; undefined when no row fits it. */
export function allowedImports(path: string): string[] | undefined {
  const row = TABLE.find(([file]) => matches(file, path));
  const own = path.slice(0, path.lastIndexOf("/") + 1);
  // Whoever may speak to the world at all speaks through the one logger.
  const logger = path.startsWith("core/") ? [] : ["log.ts"];
  if (row === undefined) return undefined;
  return [...row[1], ...logger].map((pattern) => pattern.replace(/^own\//, own));
}

/** Whether a path or package fits a pattern: `*` stands for one name, `**` for any depth. */
export function matches(pattern: string, name: string): boolean {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  const expression = escaped.replace(/\*\*|\*/g, (stars) => (stars === "**" ? ".+" : "[^/]+"));
  return new RegExp(`^${expression}$`).test(name);
}
