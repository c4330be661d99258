// Bytes as letters and digits, and a checksum of text: what a key is made of that people copy by hand and scanners look for.

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** Some bytes as one number in base 62, with zeros in front: `width` characters. Throws RangeError when they need more. */
export function base62(bytes: Uint8Array, width: number): string {
  let rest = bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  let text = "";
  while (text.length < width) {
    text = DIGITS.charAt(Number(rest % 62n)) + text;
    rest /= 62n;
  }
  if (rest > 0n) throw new RangeError(`${bytes.length} bytes do not fit into ${width} characters`);
  return text;
}

const POLYNOMIAL = 0xedb88320;

/** The CRC-32 of an ASCII text, as zip and GitHub's tokens have it: from 0 to 2^32 − 1. */
export function crc32(text: string): number {
  let rest = 0xffffffff;
  for (let at = 0; at < text.length; at += 1) {
    rest ^= text.charCodeAt(at);
    for (let bit = 0; bit < 8; bit += 1) rest = rest & 1 ? (rest >>> 1) ^ POLYNOMIAL : rest >>> 1;
  }
  return (rest ^ 0xffffffff) >>> 0;
}
