// Which key each route needs. A route that declares no guard stops the server from starting, and the table of
// all guards is what the tests walk through and docs/http-api.md is made from.

import type { Manifest } from "@corral/bundle";
import { ServingError, type Dialect, type ErrorAnswer, type Scope } from "@corral/contract";
import type { FastifyInstance, RouteOptions } from "fastify";
import type { Principal } from "./authenticate.ts";

/**
 * `push`: either scope opens the route, which then asks for the one that what is pushed needs (`requirePush`).
 * `signature`: the route itself checks keys that are good for one upload and nothing else.
 */
export type Guard = "public" | "signature" | KeyGuard;

/** Asks for a key of the project. */
export type KeyGuard = "push" | Scope;

declare module "fastify" {
  interface FastifyContextConfig {
    guard?: Guard;
    /** The family whose envelope the route's errors have; default: problem details. */
    dialect?: Dialect;
    /** Errors of the route in a form of its own. */
    errorAnswer?: (cause: unknown, error: ServingError) => ErrorAnswer;
    /** Set on routes that only answer 405. */
    methodNotAllowed?: readonly string[];
  }
}

export interface GuardedRoute {
  readonly method: string;
  /** The route's pattern: `/models/:model/predict`. */
  readonly path: string;
  readonly guard: Guard;
  readonly dialect: Dialect;
  readonly summary: string;
}

/** Collects every route registered on `app` from now on, and throws for one without a guard. */
export function collectGuards(app: FastifyInstance): readonly GuardedRoute[] {
  const table: GuardedRoute[] = [];
  app.addHook("onRoute", (route: RouteOptions) => {
    const guard = route.config?.guard;
    if (guard === undefined) {
      throw new TypeError(`${String(route.method)} ${route.url} declares no guard; add config.guard.`);
    }
    const summary = route.schema?.summary ?? "";
    for (const method of [route.method].flat()) {
      table.push({ method, path: route.url, guard, dialect: route.config?.dialect ?? "corral", summary });
    }
  });
  return table;
}

/** Scopes of which one is enough. */
export function scopesOf(guard: KeyGuard): readonly Scope[] {
  return guard === "push" ? ["push_config", "push_code"] : [guard];
}

/** Refuses a key without the scope that a route asks for, with `forbidden`. `admin` includes all scopes. */
export function requireScope(principal: Principal, guard: KeyGuard): void {
  const wanted = scopesOf(guard);
  if (wanted.some((scope) => hasScope(principal, scope))) return;
  throw new ServingError(
    "forbidden",
    `This key has the scopes ${principal.scopes.join(", ")}; the call needs ${wanted.join(" or ")}. Make one with POST /api/v1/keys.`,
  );
}

/**
 * Refuses with `forbidden` a key that may not push or deploy such a version: what runs an author's code needs
 * `push_code`, all else `push_config`.
 * @param manifest null: weights alone
 */
export function requirePush(principal: Principal, manifest: Pick<Manifest, "code" | "truss"> | null): void {
  const runsCode = manifest?.code !== undefined || manifest?.truss?.dockerServer !== undefined;
  requireScope(principal, runsCode ? "push_code" : "push_config");
}

export function hasScope(principal: Principal, scope: Scope): boolean {
  return principal.scopes.includes("admin") || principal.scopes.includes(scope);
}

/** Refuses a key that is limited to other models, with `forbidden`. */
export function requireModel(principal: Principal, modelName: string): void {
  if (mayUseModel(principal, modelName)) return;
  throw new ServingError(
    "forbidden",
    `This key is limited to the models ${principal.models?.join(", ") ?? ""}; the call is for another one.`,
  );
}

/** Refuses a key that is limited to some models where the whole project would feel the call, with `forbidden`. */
export function requireWholeProject({ models }: Principal): void {
  if (models === null) return;
  throw new ServingError(
    "forbidden",
    `This key is limited to the models ${models.join(", ")}; the call is about all of the project.`,
  );
}

export function mayUseModel(principal: Principal, modelName: string): boolean {
  return principal.models === null || principal.models.includes(modelName);
}
