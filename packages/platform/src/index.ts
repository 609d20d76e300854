// What scripts read of the platform: its routes and its OpenAPI document. The platform itself is a process, `main.ts`.

import { describeServer, type RouteRow } from "./describe-server.ts";

export type { RouteRow };

const described = await describeServer();

export const routeTable: readonly RouteRow[] = described.routes;
export const openApiDocument: object = described.openApi;
