// Stripe's signatures, https://docs.stripe.com/webhooks#verify-manually: `t=<seconds>,v1=<hex>`, more than one v1 while a secret
// is rolled; HMAC-SHA256 of `<seconds>.<body>` under the endpoint's secret.

/** How far a signed time may be from ours, in seconds: what Stripe's own libraries take. */
export const TOLERANCE_SECONDS = 300;
/** While a secret is rolled there are two; whoever sends more is not Stripe, and each costs a comparison. */
const SIGNATURES_MAX = 10;

/** Whether a body bears a signature under `secret` that is not older than {@link TOLERANCE_SECONDS}. */
export async function isSigned(
  body: Uint8Array,
  header: string | undefined,
  secret: string,
  nowMs: number,
): Promise<boolean> {
  const parts = (header ?? "").split(",").map((part) => part.trim().split("=", 2));
  const [time = ""] = parts.flatMap(([name, value = ""]) => (name === "t" ? [value] : []));
  const given = parts.flatMap(([name, value = ""]) => (name === "v1" ? [value] : [])).slice(0, SIGNATURES_MAX);
  if (!/^\d{1,12}$/.test(time) || Math.abs(nowMs / 1_000 - Number(time)) > TOLERANCE_SECONDS) return false;
  const said = new Uint8Array(time.length + 1 + body.length);
  said.set(new TextEncoder().encode(`${time}.`));
  said.set(body, time.length + 1);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), algorithm, false, ["verify"]);
  const judged = given.map((hex) => {
    // Compared by the platform, in a time that does not tell how much of it was right.
    return /^[0-9a-f]{64}$/.test(hex) ? crypto.subtle.verify("HMAC", key, Buffer.from(hex, "hex"), said) : false;
  });
  return (await Promise.all(judged)).includes(true);
}
