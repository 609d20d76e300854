import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readEgressRules } from "./egress-rules.ts";

const { mayReach } = readEgressRules("");
const bytes = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
/** Half of them near the borders of what is refused. */
const ipv4 = fc.oneof(
  bytes,
  fc
    .tuple(
      fc.constantFrom(0, 10, 100, 127, 169, 172, 192, 198, 203, 224, 240),
      fc.nat(255),
      fc.nat(255),
      fc.nat(255),
    )
    .map((four) => four as [number, number, number, number]),
);

/** By arithmetic alone, so that it shares nothing with what it tests. */
function isPublic([a, b, c]: readonly number[]): boolean {
  if (a === undefined || b === undefined || c === undefined) return false;
  if (a === 0 || a === 10 || a === 127 || a >= 224) return false;
  if (a === 100 && b >= 64 && b < 128) return false;
  if (a === 169 && b === 254) return false;
  if (a === 172 && b >= 16 && b < 32) return false;
  if (a === 192 && b === 168) return false;
  if (a === 198 && (b === 18 || b === 19)) return false;
  const rare = [
    "192.0.0",
    "192.0.2",
    "192.31.196",
    "192.52.193",
    "192.88.99",
    "192.175.48",
    "198.51.100",
    "203.0.113",
  ];
  return !rare.includes([a, b, c].join("."));
}

test("an address of IPv4 is judged alike in every way of writing it as one of IPv6", () => {
  fc.assert(
    fc.property(ipv4, (four) => {
      const dotted = four.join(".");
      const expected = isPublic(four);
      assert.equal(mayReach(dotted, dotted), expected, dotted);
      const [a, b, c, d] = four;
      const high = ((a << 8) | b).toString(16);
      const low = ((c << 8) | d).toString(16);
      const padded = (word: string) => word.padStart(4, "0");
      const mapped = [
        `::ffff:${dotted}`,
        `::FFFF:${high}:${low}`,
        `0:0:0:0:0:ffff:${high}:${low}`,
        `0000:0000:0000:0000:0000:ffff:${padded(high)}:${padded(low)}`,
        `0::ffff:${dotted}`,
      ];
      for (const form of mapped) assert.equal(mayReach(form, form), expected, form);
      // In the other clothes of IPv4 nothing is reached, wherever it leads.
      for (const form of [`::${dotted}`, `64:ff9b::${dotted}`, `2002:${high}:${low}::1`])
        assert.equal(mayReach(form, form), false, form);
    }),
  );
});

test("the host of a URL, however its number is written, is judged as the address that it means", () => {
  fc.assert(
    fc.property(ipv4, fc.nat(5), (four, form) => {
      const [a, b, c, d] = four;
      const number = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
      const forms = [
        four.join("."),
        String(number),
        `0x${number.toString(16)}`,
        four.map((byte) => `0${byte.toString(8)}`).join("."),
        `${a}.${((b << 16) | (c << 8) | d) >>> 0}`,
        `${four.map((byte) => `0x${byte.toString(16)}`).join(".")}.`,
      ];
      const { hostname } = new URL(`http://${forms[form]}/`);
      assert.equal(mayReach(hostname, hostname), isPublic(four), forms[form]);
    }),
  );
});
