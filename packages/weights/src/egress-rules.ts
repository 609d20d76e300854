// Which addresses a URL that a caller or an author chose may lead to: those of the public internet, and those that
// the operator allows. Pure; who connects asks it about the very address that it connects to.

import { BlockList, isIP } from "node:net";

/** Source: the IANA registries of special-purpose IPv4 and IPv6 addresses. */
const notPublic: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.31.196.0", 24],
  ["192.52.193.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["192.175.48.0", 24],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  // All but the addresses of the internet: the machine's own, private, link-local, multicast and reserved ones, and
  // those of IPv4 in other clothes. Mapped ones (::ffff:0:0/96) are looked at as what they mean.
  ["::", 3],
  ["4000::", 2],
  ["8000::", 1],
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["2620:4f:8000::", 48],
  ["3fff::", 20],
];

const refused = createNetworks();
for (const [network, bits] of notPublic) refused.add(network, bits);

/** `host` is the name in the URL that was looked up, or the address itself. */
export type MayReach = (address: string, host: string) => boolean;

export interface EgressRules {
  readonly mayReach: MayReach;
  /** Whether the operator lists the host by name, and so whatever address it has. */
  readonly allowsHost: (host: string) => boolean;
}

/**
 * `allowed` as `CORRAL_EGRESS_ALLOW` has it: addresses, networks (`10.1.0.0/16`) and host names (`hooks.local`,
 * `*.hooks.local`), separated by commas. What is none of them allows nothing; `egressEntryProblem` names it.
 */
export function readEgressRules(allowed: string): EgressRules {
  const networks = createNetworks();
  const names = new Set<string>();
  for (const entry of splitEntries(allowed)) {
    if (egressEntryProblem(entry) !== null) continue;
    const [network = "", bits] = entry.split("/");
    const version = isIP(network);
    if (version === 0) names.add(plainHost(entry));
    else networks.add(network, Number(bits ?? (version === 6 ? 128 : 32)));
  }
  const allowsHost = (host: string) => {
    const name = plainHost(host);
    if (names.has(name)) return true;
    const labels = name.split(".");
    return labels.some((_, at) => at > 0 && names.has(`*.${labels.slice(at).join(".")}`));
  };
  const mayReach: MayReach = (given, host) => {
    const address = unmapped(given);
    // One with a zone is of the machine's own links.
    if (isIP(address) === 0 || address.includes("%")) return false;
    return networks.has(address) || !refused.has(address) || allowsHost(host);
  };
  return { mayReach, allowsHost };
}

/** A list for each version: in one, a network of IPv6 that holds the mapped addresses would hold all of IPv4. */
function createNetworks() {
  const [four, six] = [new BlockList(), new BlockList()];
  return {
    add(network: string, bits: number): void {
      if (isIP(network) === 6) six.addSubnet(network, bits, "ipv6");
      else four.addSubnet(network, bits, "ipv4");
    },
    has: (address: string) =>
      isIP(address) === 6 ? six.check(address, "ipv6") : four.check(address, "ipv4"),
  };
}

const hostName = /^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/;

/** Why one entry of the list is no address, network or host name; null: it is one. */
export function egressEntryProblem(entry: string): string | null {
  const [network = "", bits, ...more] = entry.split("/");
  const version = isIP(network);
  if (version !== 0 && more.length === 0 && !network.includes("%")) {
    const most = version === 6 ? 128 : 32;
    if (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most)) return null;
    return `${entry} has no prefix length from 0 to ${most}`;
  }
  const name = plainHost(entry);
  // All digits and dots would be an address that is written wrongly.
  if (entry.length <= 253 && hostName.test(name) && !/^[\d.]*$/.test(name)) return null;
  return `${JSON.stringify(entry)} is no address, network (10.1.0.0/16) or host name`;
}

export function splitEntries(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** In lower case, without the dot of a full name and the brackets of an address. */
function plainHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/\.$/, "")
    .replace(/^\[(.*)\]$/, "$1");
}

/** `::ffff:10.0.0.1` and `::ffff:a00:1`, however long they are written, → `10.0.0.1`. */
function unmapped(address: string): string {
  if (isIP(address) !== 6 || address.includes("%")) return address;
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short) ?? [];
  if (high === undefined || low === undefined) return short;
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [a >> 8, a & 255, b >> 8, b & 255].join(".");
}
