// The operators' lists of addresses as this isolate knows them: read again at most each half minute, kept while D1 is away.
import { type IpBlock, IpBlocks, parseBlock } from "../../core/ip.ts";
import { IP_LISTS_AGE_MS, IP_LISTS_FIRST_WAIT_MS, IP_LISTS_RETRY_MS } from "../../core/limits.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { ipRules } from "../../db/edge-tables.ts";
import type { AddressGate } from "../../http/addresses.ts";
import { log } from "../../log.ts";

/** An entry of a list, as far as judging an address goes. */
export interface Listed {
  list: "allow" | "deny";
  block: string;
}

interface Lists {
  allow: IpBlocks;
  deny: IpBlocks;
}

/** Whether these entries shut an address out. Who is let in by one is not shut out by another. */
export function shutsOut(rules: readonly Listed[], ip: IpBlock): boolean {
  return refuses(listsOf(rules), ip);
}

function refuses({ allow, deny }: Lists, ip: IpBlock): boolean {
  return deny.has(ip) && !allow.has(ip);
}

function listsOf(rules: readonly Listed[]): Lists {
  const blocks = (list: Listed["list"]) =>
    rules
      .filter((rule) => rule.list === list)
      .map(({ block }) => parseBlock(block))
      .filter((block) => block !== undefined);
  return { allow: new IpBlocks(blocks("allow")), deny: new IpBlocks(blocks("deny")) };
}

let known: Lists | null = null;
let nextReadAt = 0;

/**
 * Judges addresses by the lists. Only the first requests of an isolate wait for D1, and not for long: while the lists have
 * never been read nobody is shut out, since trading does not wait for D1.
 */
export function addressGate(env: DatabaseBinding): AddressGate {
  return (ip, later) => {
    if (Date.now() >= nextReadAt) {
      if (known === null) return firstRead(env).then(() => known !== null && refuses(known, ip));
      nextReadAt = Date.now() + IP_LISTS_AGE_MS;
      later(readLists(env));
    }
    return known !== null && refuses(known, ip);
  };
}

/** Reads the lists for this isolate; what was known stays while D1 is away. Never rejects. */
export async function readLists(env: DatabaseBinding): Promise<void> {
  const found = await guardD1(database(env).select({ list: ipRules.list, block: ipRules.block }).from(ipRules));
  if (found.ok) known = listsOf(found.value);
  else log("warn", "ip_lists_not_read", { known: known !== null });
  nextReadAt = Date.now() + (found.ok ? IP_LISTS_AGE_MS : IP_LISTS_RETRY_MS);
}

/** Each request reads for itself: one that waited for another's read would hang when that one is canceled. */
async function firstRead(env: DatabaseBinding): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      nextReadAt = Date.now() + IP_LISTS_RETRY_MS;
      resolve();
    }, IP_LISTS_FIRST_WAIT_MS);
  });
  await Promise.race([readLists(env), patience]);
  clearTimeout(timer);
}
