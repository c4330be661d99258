// Addresses and blocks of them, IPv4 and IPv6, as numbers. What is not exactly one is none.

/** An address, or with fewer bits than it has a block of them. An IPv4 address inside IPv6 is the IPv4 address. */
export interface IpBlock {
  version: 4 | 6;
  /** The bits as a number, those after `bits` zero. */
  value: bigint;
  bits: number;
}

const WIDTH = { 4: 32, 6: 128 } as const;
const MAPPED_PREFIX = 0xffffn;
/** Longest text of an address: an IPv6 one that ends as an IPv4 one. */
const TEXT_CHARS_MAX = 45;

/** Reads one address in its usual forms; undefined for anything else, zones and ports included. */
export function parseIp(text: string): IpBlock | undefined {
  if (text.length > TEXT_CHARS_MAX) return undefined;
  const four = parseFour(text);
  if (four !== undefined) return { version: 4, value: four, bits: 32 };
  const six = parseSix(text);
  if (six === undefined) return undefined;
  if (six >> 32n === MAPPED_PREFIX) return { version: 4, value: six & 0xffffffffn, bits: 32 };
  return { version: 6, value: six, bits: 128 };
}

/** Reads a block, `10.0.0.0/8` or `2001:db8::/32`, or one address. Undefined when bits after the prefix are not zero. */
export function parseBlock(text: string): IpBlock | undefined {
  const slash = text.indexOf("/");
  const ip = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (ip === undefined || slash < 0) return ip;
  const prefix = text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(prefix)) return undefined;
  // ::ffff:10.0.0.0/104 is 10.0.0.0/8: the prefix counts the bits of the form that was written.
  const bits = Number(prefix) - (ip.version === 4 && text.includes(":") ? 96 : 0);
  if (bits < 0 || bits > WIDTH[ip.version]) return undefined;
  const block = cut(ip, bits);
  return block.value === ip.value ? block : undefined;
}

/** The first `bits` bits of an address, as the block that it is in. */
export function cut(ip: IpBlock, bits: number): IpBlock {
  const rest = BigInt(WIDTH[ip.version] - bits);
  return { version: ip.version, value: (ip.value >> rest) << rest, bits };
}

/** Whether an address lies in a block. */
export function contains(block: IpBlock, ip: IpBlock): boolean {
  return block.version === ip.version && cut(ip, block.bits).value === block.value;
}

/** The one text of an address or block: IPv6 as RFC 5952 has it, a whole address without its prefix. */
export function formatBlock({ version, value, bits }: IpBlock): string {
  const size = version === 4 ? 8 : 16;
  const groups = Array.from({ length: WIDTH[version] / size }, (_, at) => {
    const group = (value >> BigInt(WIDTH[version] - size * (at + 1))) & ((1n << BigInt(size)) - 1n);
    return group.toString(version === 4 ? 10 : 16);
  });
  return (version === 4 ? groups.join(".") : shortened(groups)) + (bits === WIDTH[version] ? "" : `/${bits}`);
}

/** Eight groups with the longest run of zeros left out, the first of equal ones; a single zero stays. */
function shortened(groups: readonly string[]): string {
  let [from, length] = [0, 1];
  for (let at = 0; at < groups.length; at += 1) {
    const after = groups.findIndex((group, later) => later >= at && group !== "0");
    const run = (after < 0 ? groups.length : after) - at;
    if (run > length) [from, length] = [at, run];
  }
  if (length === 1) return groups.join(":");
  return `${groups.slice(0, from).join(":")}::${groups.slice(from + length).join(":")}`;
}

function parseFour(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    // No leading zeros: some readers take them for octal.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function parseSix(text: string): bigint | undefined {
  const gap = text.indexOf("::");
  const head = gap < 0 ? text : text.slice(0, gap);
  const tail = gap < 0 ? undefined : text.slice(gap + 2);
  const front = groupsOf(head);
  const back = tail === undefined ? [] : groupsOf(tail);
  if (front === undefined || back === undefined) return undefined;
  // Only the very end of an address may be written as IPv4.
  if (tail !== undefined && head.includes(".")) return undefined;
  const missing = 8 - front.length - back.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const zeros = Array.from({ length: missing }, () => 0n);
  return [...front, ...zeros, ...back].reduce((value, group) => (value << 16n) | group, 0n);
}

function groupsOf(text: string): bigint[] | undefined {
  if (text === "") return [];
  const groups: bigint[] = [];
  const parts = text.split(":");
  for (const [at, part] of parts.entries()) {
    const four = at === parts.length - 1 && part.includes(".") ? parseFour(part) : undefined;
    if (four !== undefined) groups.push(four >> 16n, four & 0xffffn);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return groups;
}

/** Many blocks, and whether an address lies in any of them: one look a length of prefix, not one a block. */
export class IpBlocks {
  readonly #byLength = new Map<string, { of: IpBlock; values: Set<bigint> }>();

  constructor(blocks: readonly IpBlock[]) {
    for (const of of blocks) {
      const length = `${of.version}/${of.bits}`;
      const known = this.#byLength.get(length) ?? { of, values: new Set() };
      known.values.add(of.value);
      this.#byLength.set(length, known);
    }
  }

  /** Whether one of the blocks has this address. */
  has(ip: IpBlock): boolean {
    for (const { of, values } of this.#byLength.values()) {
      if (of.version === ip.version && values.has(cut(ip, of.bits).value)) return true;
    }
    return false;
  }
}
