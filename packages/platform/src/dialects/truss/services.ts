// What the Truss dialect needs of the platform.

import type { FitMachine } from "@corral/weights";
import type { FastifyRequest } from "fastify";
import type { OwnNames } from "../../gateway/hosts.ts";
import { principalOf } from "../../gateway/answer-error.ts";
import type { Principal } from "../../gateway/authenticate.ts";
import type { Patches } from "../../build/patch-deployment.ts";
import type { ReceiveServices } from "../../build/receive-version.ts";
import type { LogStore } from "../../logs/log-store.ts";
import type { LogBook } from "../../replica/log-book.ts";
import { baseUrlOf } from "./base-url.ts";
import type { S3Services } from "./s3/s3-routes.ts";

export interface TrussServices extends S3Services, ReceiveServices {
  /** What models may take of memory now; null: not known. */
  readonly memory: () => FitMachine | null;
  /** Asks the reconciler to look. */
  readonly deploymentsChanged: () => void;
  readonly logBook: LogBook;
  readonly logs: LogStore;
  readonly patches: Patches;
  readonly names: () => OwnNames;
}

/** One caller's view of it. */
export interface TrussContext extends TrussServices {
  readonly principal: Principal;
  /** By which the caller reaches this server; without a trailing slash. */
  readonly baseUrl: string;
}

export function contextOf(services: TrussServices, request: FastifyRequest): TrussContext {
  const principal = principalOf(request);
  return { ...services, principal, baseUrl: baseUrlOf(services.names(), request) };
}
