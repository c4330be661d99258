// With whom people may sign in.

/** By the names that stand in the paths of the API and in stored rows. */
export const PROVIDERS = ["google", "github"] as const;

/** One of {@link PROVIDERS}. */
export type ProviderName = (typeof PROVIDERS)[number];
