// What the second factor's routes take and give.

import { z } from "@hono/zod-openapi";
import { timestampOut } from "../../http/openapi.ts";

/** Of the app, six digits; or a recovery code as it was shown. Apps show spaces, and people type them. */
const code = z
  .string()
  .min(6)
  .max(64)
  .regex(/^[A-Za-z0-9 -]+$/, "must be six digits, or a recovery code")
  .transform((text) => text.replaceAll(" ", ""))
  .openapi({ type: "string", example: "123456" });
/** One that is to be checked, not judged: those of another time may have had other bounds. */
const passwordIn = z.string().min(1).max(128);

export const enrolBody = z.strictObject({
  password: passwordIn.optional().openapi({ description: "Required of who has one" }),
});

export const enrolAnswer = z
  .object({ secret: z.string().openapi({ description: "Base32" }), otpauth_uri: z.string() })
  .openapi("TotpSecret");

export const codeBody = z.strictObject({ code });

export const recoveryAnswer = z.object({ recovery_codes: z.array(z.string()) }).openapi("RecoveryCodes");

export const verifyMfaBody = z.strictObject({ mfa_token: z.string().min(1).max(200), code });

export const stepUpBody = z
  .strictObject({ password: passwordIn.optional(), code: code.optional() })
  .refine(({ password, code }) => (password === undefined) !== (code === undefined), "give either password or code");

export const stepUpAnswer = z
  .object({
    access_token: z.string(),
    token_type: z.literal("Bearer"),
    expires_in: z.int().openapi({ description: "Seconds" }),
    session_id: z.string(),
  })
  .openapi("AccessToken");

export const mfaAnswer = z
  .object({
    totp: z.object({ enabled: z.boolean(), since: timestampOut.nullable() }),
    recovery_codes_left: z.int(),
  })
  .openapi("SecondFactor");
