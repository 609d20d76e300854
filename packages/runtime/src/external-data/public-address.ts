// Which addresses an author's URL may lead to: those of the public internet, and those that the operator allows. Pure.

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
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  ["::", 128],
  ["::1", 128],
  // Addresses of IPv4 in other clothes; the mapped ones are looked at as what they mean.
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["100::", 64],
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
  ["5f00::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
];

const refused = new BlockList();
for (const [network, bits] of notPublic)
  refused.addSubnet(network, bits, isIP(network) === 6 ? "ipv6" : "ipv4");

export type MayReach = (address: string) => boolean;

/** `allowed` as `CORRAL_EGRESS_ALLOW` has it: addresses and networks, separated by commas. */
export function mayReach(allowed: string): MayReach {
  const list = new BlockList();
  for (const entry of allowed.split(",").map((part) => part.trim())) {
    const [network = "", bits] = entry.split("/");
    const version = isIP(network);
    if (version === 0) continue;
    const family = version === 6 ? "ipv6" : "ipv4";
    list.addSubnet(network, bits === undefined ? (version === 6 ? 128 : 32) : Number(bits), family);
  }
  return (given) => {
    const address = unmapped(given);
    const version = isIP(address);
    if (version === 0) return false;
    const family = version === 6 ? "ipv6" : "ipv4";
    return list.check(address, family) || !refused.check(address, family);
  };
}

/** `::ffff:10.0.0.1` and `::ffff:a00:1` → `10.0.0.1`. */
function unmapped(address: string): string {
  const dotted = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (dotted !== undefined) return dotted;
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(address) ?? [];
  if (high === undefined || low === undefined) return address;
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [a >> 8, a & 255, b >> 8, b & 255].join(".");
}
