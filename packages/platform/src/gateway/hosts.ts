// Which names this server answers to. Any other `Host` is refused, so that a page in a browser cannot reach a
// server on loopback through a name of its own, and no request is ever connected outward.

export interface OwnNames {
  /** Lower-case `host:port` or, for the default port of a scheme, `host`. */
  readonly authorities: ReadonlySet<string>;
}

const loopbackNames = ["localhost", "127.0.0.1", "[::1]"];

/**
 * The names of a server that listens on `host` and `port`.
 * @param localAddresses addresses of this machine's interfaces: they count where the server listens on all of them
 */
export function ownNames(
  host: string,
  port: number,
  url: string | null,
  localAddresses: readonly string[],
): OwnNames {
  const everywhere = host === "0.0.0.0" || host === "::";
  const hosts = [...loopbackNames, ...(everywhere ? localAddresses : [host])].map(bracketed);
  const authorities = new Set(hosts.flatMap((name) => withPort(name.toLowerCase(), port)));
  if (url !== null) {
    const { hostname, port: urlPort, protocol } = new URL(url);
    const number = urlPort !== "" ? Number(urlPort) : protocol === "https:" ? 443 : 80;
    for (const authority of withPort(hostname.toLowerCase(), number)) authorities.add(authority);
  }
  return { authorities };
}

function withPort(host: string, port: number): string[] {
  return port === 80 || port === 443 ? [host, `${host}:${port}`] : [`${host}:${port}`];
}

function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

export function isOwnHost(names: OwnNames, host: string | undefined): boolean {
  return host !== undefined && names.authorities.has(host.toLowerCase());
}

export type RequestTarget =
  | { readonly kind: "path"; readonly path: string }
  /** An absolute address of another server, `*`, or an authority: nothing that this server answers. */
  | { readonly kind: "foreign" };

/** The path of a request line's target; an absolute one only where it names this server. */
export function readTarget(names: OwnNames, target: string): RequestTarget {
  if (target.startsWith("/")) return { kind: "path", path: target };
  const [, authority, path] = /^https?:\/\/([^/?#]*)([^#]*)$/i.exec(target) ?? [];
  if (authority === undefined || path === undefined || !isOwnHost(names, authority))
    return { kind: "foreign" };
  return { kind: "path", path: path.startsWith("/") ? path : `/${path}` };
}
