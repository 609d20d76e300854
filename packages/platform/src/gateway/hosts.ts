// Which names this server answers to. Any other `Host` is refused, so that a page in a browser cannot reach a
// server on loopback through a name of its own, and no request is ever connected outward.

export interface OwnNames {
  /** Lower-case `host:port` or, for the default port of a scheme, `host`. */
  readonly authorities: ReadonlySet<string>;
  /** Names that count in an absolute address alone: whoever sends one took this server for a proxy. */
  readonly forwarded: ReadonlySet<string>;
  /** The address that others use, where one is configured; without a trailing slash. */
  readonly url: string | null;
}

/** The Truss command looks for its REST routes at `api.` before the host, and older ones for a model at `model-ID.`. */
const loopbackNames = ["localhost", "api.localhost", "127.0.0.1", "[::1]"];

/** The one address of a server of one's own that the Truss command knows all routes of. */
const trussNames = ["localhost:8000", "api.localhost:8000"];

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
  return { authorities, forwarded: new Set(trussNames), url: url?.replace(/\/+$/, "") ?? null };
}

function withPort(host: string, port: number): string[] {
  return port === 80 || port === 443 ? [host, `${host}:${port}`] : [`${host}:${port}`];
}

function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

export function isOwnHost(names: OwnNames, host: string | undefined): boolean {
  return host !== undefined && names.authorities.has(modelHost(host).rest);
}

export type RequestTarget =
  | { readonly kind: "path"; readonly path: string; readonly absolute: boolean }
  /** An absolute address of another server, `*`, or an authority: nothing that this server answers. */
  | { readonly kind: "foreign" };

/**
 * The path of a request line's target; an absolute one only where it names this server. A model in the host's name
 * (`model-ID.api.localhost`) becomes the beginning of the path.
 */
export function readTarget(names: OwnNames, target: string, host = ""): RequestTarget {
  if (target.startsWith("/")) {
    return { kind: "path", path: modelHost(host).prefix + target, absolute: false };
  }
  const { authority, path } = splitTarget(target);
  if (authority === null) return { kind: "foreign" };
  const { prefix, rest } = modelHost(authority);
  if (!names.authorities.has(rest) && !names.forwarded.has(rest)) return { kind: "foreign" };
  return { kind: "path", path: prefix + (path.startsWith("/") ? path : `/${path}`), absolute: true };
}

/** Of an absolute target; null: the target is a path. */
export function ownAuthorityOf(target: string): string | null {
  return splitTarget(target).authority;
}

function splitTarget(target: string): { readonly authority: string | null; readonly path: string } {
  const [, authority = null, path = ""] = /^https?:\/\/([^/?#]*)([^#]*)$/i.exec(target) ?? [];
  return { authority: authority?.toLowerCase() ?? null, path };
}

function modelHost(host: string): { readonly prefix: string; readonly rest: string } {
  const lower = host.toLowerCase();
  const [, id, rest] = /^model-([a-z0-9]+)\.(api\..+)$/.exec(lower) ?? [];
  return id === undefined || rest === undefined
    ? { prefix: "", rest: lower }
    : { prefix: `/model/${id}`, rest };
}

/** Whether a request is for this server: by its target where that is absolute, and then the `Host` must agree. */
export function isForUs(names: OwnNames, target: string, host: string | undefined): boolean {
  const read = readTarget(names, target, host);
  if (read.kind === "foreign") return false;
  if (!read.absolute) return isOwnHost(names, host);
  return isOwnHost(names, host) || host?.toLowerCase() === ownAuthorityOf(target);
}
