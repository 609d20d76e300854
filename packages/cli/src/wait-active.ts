// Waiting until a deployment answers, and what to show then. Used by `deploy` and `push`.

import { setTimeout as wait } from "node:timers/promises";
import { isServingError, ServingError, type Deployment } from "@corral/contract";
import { allOf } from "@corral/client";
import { exampleBody } from "./client-file/example-value.ts";
import type { Context, Options } from "./command.ts";
import { exampleCall, type ExampleCall } from "./example-call.ts";
import { UsageError } from "./exit-codes.ts";

export const waitOptions = [
  { flags: "--wait", summary: "wait until it answers (default)" },
  { flags: "--no-wait", summary: "come back at once" },
  { flags: "--timeout <seconds>", summary: "how long to wait (default 600)" },
] as const;

/** Fails with a `UsageError`. */
export function timeoutSeconds(options: Options): number {
  const seconds = Number(options["timeout"] ?? 600);
  if (seconds > 0) return seconds;
  throw new UsageError(`--timeout is ${String(options["timeout"])}; it must be a number of seconds above 0.`);
}

/** Waits unless told not to, prints the deployment and how it is called. */
export async function finishDeployment(
  context: Context,
  started: Deployment,
  options: Options,
): Promise<void> {
  const seconds = timeoutSeconds(options);
  const waits = options["wait"] !== false;
  const deployment = waits ? await waitUntilActive(context, started, seconds * 1000) : started;
  const call = exampleCall(
    context.url,
    deployment,
    context.keyInShell(),
    await ownBodyOf(context, deployment),
  );
  const others = await otherDeployments(context, deployment);
  const value = { ...deployment, predict_url: call.url, other_deployments: others };
  context.print(value, () => textOf(deployment, others, call));
  if (!waits && !hasAnswered(deployment)) {
    context.note(`It is ${deployment.status}; \`corral ls\` shows when it is active.`);
  }
}

/** What its code takes; undefined: it has none, or the key may not know. */
async function ownBodyOf(context: Context, { id }: Deployment): Promise<unknown> {
  try {
    const document = await context.client().deployments.openapi(id, { signal: context.signal });
    const isCode = Object.keys(document["paths"] ?? {}).some((path) => path.endsWith("/predict"));
    return isCode ? exampleBody(document) : undefined;
  } catch (error) {
    if (isServingError(error) && ["forbidden", "route_not_found"].includes(error.code)) return undefined;
    throw error;
  }
}

/** One that is idle was loaded before, and the next call loads it again. */
function hasAnswered({ status }: Deployment): boolean {
  return status === "active" || status === "idle";
}

/** Fails with `deployment_failed` (the platform's reason) or `timeout`. */
export async function waitUntilActive(
  context: Context,
  started: Deployment,
  timeoutMs: number,
): Promise<Deployment> {
  const { signal } = context;
  const work = async (update: (text: string) => void) => {
    const endsAt = performance.now() + timeoutMs;
    let current = started;
    for (let delayMs = 100; !hasAnswered(current); delayMs = Math.min(1000, delayMs * 1.5)) {
      if (current.status === "failed" || current.status === "stopped") {
        const why = current.status_detail ?? `it is ${current.status}`;
        throw new ServingError("deployment_failed", `${current.name} (${current.id}) cannot start: ${why}`);
      }
      if (performance.now() > endsAt) {
        throw new ServingError(
          "timeout",
          `${current.name} (${current.id}) is still ${current.status} after ${timeoutMs / 1000} s; \`corral logs ${current.id}\` may say why.`,
        );
      }
      await wait(delayMs, undefined, { signal });
      current = await context.client().deployments.get(current.id, { signal });
      update(
        `${current.name} is ${current.status}${current.status_detail === null ? "" : ` (${current.status_detail})`}`,
      );
    }
    return current;
  };
  return await context.progress.step(
    `Starting ${started.name}`,
    work,
    ({ name, status }) => `${name} is ${status}`,
  );
}

interface OtherDeployment extends Pick<Deployment, "id" | "name" | "version_id" | "status" | "production"> {
  /** The line that removes it. */
  readonly remove: string;
}

/** Deployments of the same model that run as well; null where the key may not list them. */
async function otherDeployments(
  context: Context,
  deployment: Deployment,
): Promise<readonly OtherDeployment[] | null> {
  const others: OtherDeployment[] = [];
  try {
    for await (const other of allOf(context.client().deployments.list, { signal: context.signal })) {
      if (other.model_id !== deployment.model_id || other.id === deployment.id) continue;
      const { id, name, version_id, status, production } = other;
      others.push({ id, name, version_id, status, production, remove: `corral rm ${name}` });
    }
  } catch (error) {
    if (isServingError(error) && error.code === "forbidden") return null;
    throw error;
  }
  return others;
}

function textOf(
  deployment: Deployment,
  others: readonly OtherDeployment[] | null,
  call: ExampleCall,
): string {
  const holder = others?.find(({ production }) => production);
  const answering = deployment.production
    ? "this deployment answers it"
    : `this deployment answers it once it is active${holder === undefined ? "" : `, until then ${holder.name}`}`;
  return [
    `deployment  ${deployment.id}`,
    `name        ${deployment.name}`,
    `model       ${deployment.model_name}: ${answering}`,
    ...(others ?? []).map(
      ({ name, status, remove }) => `also there  ${name}, ${status}; \`${remove}\` removes it`,
    ),
    `status      ${deployment.status}`,
    `predict     ${call.url}`,
    "",
    call.curl,
  ].join("\n");
}
