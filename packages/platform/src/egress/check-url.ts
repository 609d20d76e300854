// What can be said of a URL from outside without asking anyone: its form, and a literal address in it. What a name
// leads to is looked at where the connection is made (`post.ts`). Pure.

import { isIP } from "node:net";
import type { EgressRules } from "@corral/weights";

export type CheckedUrl =
  | { readonly kind: "allowed"; readonly url: URL }
  /** `problem` reads on from the URL: "… has no host". */
  | { readonly kind: "refused"; readonly problem: string };

/** Of what is stored with each run. */
export const mostUrlCharacters = 2_048;

export function checkUrl(text: string, { mayReach, allowsHost }: EgressRules): CheckedUrl {
  const refused = (problem: string): CheckedUrl => ({ kind: "refused", problem });
  if (text.length > mostUrlCharacters)
    return refused(`has ${text.length} characters; it may have ${mostUrlCharacters}`);
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !["http:", "https:"].includes(url.protocol))
    return refused("is no http:// or https:// address");
  if (url.username !== "" || url.password !== "")
    return refused("holds a user name or password; leave them out, the signature tells who sends");
  const host = hostOf(url);
  const isOwn = host === "localhost" || host.endsWith(".localhost");
  if (isOwn ? allowsHost(host) || mayReach("127.0.0.1", host) : isIP(host) === 0 || mayReach(host, host))
    return { kind: "allowed", url };
  return refused(notAllowed(host, isOwn ? "127.0.0.1" : host));
}

/** Without brackets and the dot of a full name. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
}

export function notAllowed(host: string, address: string): string {
  const where = host === address ? host : `${host} at ${address}`;
  return `leads to ${where}, which is no public address; give a public one, or list it in CORRAL_EGRESS_ALLOW`;
}

/** For people and logs: what follows the question mark may be a secret. */
export function shownUrl(text: string): string {
  const [shown = ""] = text.split(/[?#]/, 1);
  return JSON.stringify(shown.replace(/\/\/[^/@]*@/, "//").slice(0, 200));
}
