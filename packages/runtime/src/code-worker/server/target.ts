// Where a request below `/sync` goes on the author's server. Pure.
// Source: truss 0.18.35, templates/docker_server/proxy.conf.jinja.

import type { ServerSettings } from "./author-server.ts";

type Endpoints = Pick<ServerSettings, "predict_endpoint" | "readiness_endpoint" | "liveness_endpoint">;

export interface Target {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
}

/** @param url path and query, without `/sync` */
export function targetOf(method: string, url: string, endpoints: Endpoints): Target {
  const at = url.indexOf("?");
  const [path, query] = at === -1 ? [url, ""] : [url.slice(0, at), url.slice(at)];
  switch (path) {
    case "/":
      return { method, path: endpoints.liveness_endpoint + query };
    case "/v1/models/model":
    case "/v1/models/model/loaded":
      return { method, path: endpoints.readiness_endpoint + query };
    case "/v1/models/model:predict":
      return { method, path: endpoints.predict_endpoint + query };
    default:
      return { method, path: url.startsWith("/") ? url : `/${url}` };
  }
}
