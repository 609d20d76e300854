// The server's routes without a server: built on services that are never called.

import { pino } from "pino";
import { scopesOf } from "./gateway/guard.ts";
import { buildServer, type ServerServices } from "./server.ts";

export interface RouteRow {
  readonly method: string;
  /** With parameters in braces: `/models/{model}/predict`. */
  readonly path: string;
  /** Or two, with ` or ` between them; `signature`; null: no key is needed. */
  readonly scope: string | null;
  readonly summary: string;
}

export async function describeServer(): Promise<{ routes: RouteRow[]; openApi: object }> {
  const unused = new Proxy(
    {},
    { get: () => () => Promise.reject(new Error("This server only describes itself.")) },
  );
  const { app, guards } = await buildServer({
    ...(unused as ServerServices),
    log: pino({ level: "silent" }),
    names: () => ({ authorities: new Set(), forwarded: new Set(), url: null }),
    predict: unused as ServerServices["predict"],
    management: unused as ServerServices["management"],
  });
  const openApi = app.swagger();
  await app.close();
  const routes = guards
    .filter(({ method, summary }) => method !== "HEAD" && summary !== "")
    .map(({ method, path, guard, summary }) => ({
      method,
      path: path.replaceAll(/:([a-z]+)/g, "{$1}").replace(/\*$/, "{*}"),
      scope: guard === "public" ? null : guard === "signature" ? guard : scopesOf(guard).join(" or "),
      summary,
    }));
  return { routes, openApi };
}
