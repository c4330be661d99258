// Who may do what: the one table of permissions. A route declares the permission that it needs, and nothing else decides.

/** What a person can be. Everybody who signs up is a customer; an admin gives the others. */
export const ROLES = ["customer", "support", "operator", "admin"] as const;
/** One of {@link ROLES}. */
export type Role = (typeof ROLES)[number];

/** What an API key can be made for. */
export const SCOPES = ["read", "trade", "transfer", "manage"] as const;
/** One of {@link SCOPES}. */
export type Scope = (typeof SCOPES)[number];

/** Who has a permission: by role, and by a key's scope; null: no key has it, whatever its scopes. */
interface Grant {
  roles: readonly Role[];
  scope: Scope | null;
  /** What it lets somebody do, as docs/permissions.md says it. */
  says: string;
}

const EVERYBODY: readonly Role[] = ROLES;
const CUSTOMERS: readonly Role[] = ["customer"];
const STAFF: readonly Role[] = ["support", "operator", "admin"];
const OPERATORS: readonly Role[] = ["operator", "admin"];
const ADMINS: readonly Role[] = ["admin"];

const table = {
  "account:read": { roles: CUSTOMERS, scope: "read", says: "see one's balances, ledger, transfers and positions" },
  "orders:read": { roles: CUSTOMERS, scope: "read", says: "see one's orders and executions" },
  "orders:trade": { roles: CUSTOMERS, scope: "trade", says: "place and cancel orders" },
  "funds:transfer": { roles: CUSTOMERS, scope: "transfer", says: "deposit and withdraw" },
  "stream:open": { roles: CUSTOMERS, scope: "read", says: "follow one's account as it changes" },
  "profile:read": { roles: EVERYBODY, scope: "read", says: "see one's profile" },
  "profile:manage": { roles: EVERYBODY, scope: "manage", says: "change one's profile" },
  "tasks:read": { roles: EVERYBODY, scope: "read", says: "see one's tasks" },
  "tasks:manage": { roles: EVERYBODY, scope: "manage", says: "make, change, complete and delete one's tasks" },
  "sessions:manage": { roles: EVERYBODY, scope: null, says: "see and end one's sessions" },
  "credentials:manage": {
    roles: EVERYBODY,
    scope: null,
    says: "change how one signs in: password, e-mail address, second factor, linked identities; delete oneself",
  },
  "keys:manage": { roles: CUSTOMERS, scope: null, says: "make, see and revoke one's API keys" },
  "ops:read": { roles: STAFF, scope: null, says: "see orders, sessions, journals and the read model of all users" },
  "audit:read": { roles: STAFF, scope: null, says: "read the audit trail" },
  "addresses:read": { roles: STAFF, scope: null, says: "see which addresses are let in or shut out" },
  "ops:act": { roles: OPERATORS, scope: null, says: "resume, replay, rebuild and restore" },
  "transfers:decide": { roles: OPERATORS, scope: null, says: "approve and reject withdrawals, undo transfers" },
  "markets:manage": { roles: OPERATORS, scope: null, says: "change a market's status, rules and fees" },
  "trading:stop": { roles: OPERATORS, scope: null, says: "freeze and thaw accounts, pull and release the kill switch" },
  "sessions:revoke": { roles: OPERATORS, scope: null, says: "end anybody's session" },
  "addresses:manage": { roles: ADMINS, scope: null, says: "let addresses in or shut them out" },
  "roles:manage": { roles: ADMINS, scope: null, says: "give and take roles" },
} as const satisfies Record<string, Grant>;

/** What a route can need: `thing:verb`. */
export type Permission = keyof typeof table;

/** Every permission with who has it. */
export const PERMISSIONS: Readonly<Record<Permission, Grant>> = table;

/** Whether any of these roles has a permission. A role that there is not, such as one of another version, has none. */
export function mayByRole(permission: Permission, roles: readonly string[]): boolean {
  return PERMISSIONS[permission].roles.some((role) => roles.includes(role));
}

/** Whether only staff have it: what they change with it has a name in the audit trail. */
export function isStaffs(permission: Permission): boolean {
  return !PERMISSIONS[permission].roles.includes("customer");
}

/** Whether a text names a permission: a declaration is data, and may have come by without its type. */
export function isPermission(text: unknown): text is Permission {
  return typeof text === "string" && Object.hasOwn(PERMISSIONS, text);
}
