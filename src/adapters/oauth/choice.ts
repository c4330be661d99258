// Which providers this deployment has.

import type { OAuthConfig } from "../../config.ts";
import type { ProviderName } from "../../core/providers.ts";
import { github } from "./github.ts";
import { google } from "./google.ts";
import type { OAuthProvider } from "./provider.ts";

/** The provider of this name; null where it has not been configured. */
export function providerOf(config: OAuthConfig, name: ProviderName): OAuthProvider | null {
  switch (name) {
    case "google":
      return config.google === null ? null : google(config.google);
    case "github":
      return config.github === null ? null : github(config.github);
  }
}
