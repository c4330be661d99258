// What the routes of sign-in with a provider take and give.

import { z } from "@hono/zod-openapi";
import { isTypeId } from "../../core/ids.ts";
import { PROVIDERS } from "../../core/providers.ts";
import { pageOf, timestampOut } from "../../http/openapi.ts";

/** Whom people may sign in with. */
const provider = z.enum(PROVIDERS);

export const providerPath = z.object({ provider });

/** Where a sign-in comes back to. */
export const returnToQuery = z.object({
  return_to: z.string().optional().openapi({
    description: "A path, or a URL of this or a listed origin, without a fragment; `PUBLIC_URL` when left out",
    example: "/markets",
  }),
});

/** What a provider sends a browser back with. Others may stand beside it; the provider's adapter judges all of it. */
export const callbackQuery = z.looseObject({
  code: z.string().optional(),
  state: z.string().optional(),
  iss: z.string().optional(),
  error: z.string().optional(),
});

export const authorizationAnswer = z
  .object({ authorization_url: z.string().openapi({ description: "Where to send this browser" }) })
  .openapi("Authorization");

export const identityPath = z.object({ id: z.string().refine((text) => isTypeId("idn", text)) });

/** One of each provider at most, so that there is one page. */
export const identitiesAnswer = pageOf(
  z
    .object({
      id: z.string(),
      provider,
      email: z.string().nullable().openapi({ description: "As the provider had it when this was linked" }),
      created_at: timestampOut,
      last_used_at: timestampOut,
    })
    .openapi("Identity"),
);
