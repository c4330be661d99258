// What somebody is called who comes from a provider and has not chosen a name.

const CHARS_MAX = 24;
const ALPHABET = "abcdefghjkmnpqrstvwxyz0123456789";
const TAIL_CHARS = 6;

/**
 * A username made of what somebody is called elsewhere. The first try is that name; later ones have a random tail of their
 * own, as has one of which too little is left in `a-z 0-9 _ -`.
 */
export function usernameFrom(name: string, attempt: number): string {
  const plain = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "-")
    .replaceAll(/^[-_]+|[-_]+$/g, "")
    .slice(0, CHARS_MAX);
  if (attempt === 0 && plain.length >= 3) return plain;
  const tail = [...crypto.getRandomValues(new Uint8Array(TAIL_CHARS))].map((byte) => ALPHABET[byte % ALPHABET.length]);
  return `${plain === "" ? "user" : plain}-${tail.join("")}`;
}
