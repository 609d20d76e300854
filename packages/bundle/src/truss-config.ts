// Checked fields of a Truss config ↔ `TrussSettings`. Pure.

import { parseAccelerator } from "./truss-amounts.ts";
import { cleanPath } from "./find-code.ts";
import { accelerators, trussSchema, type TrussFields } from "./truss-schema.ts";
import { camelCase, snakeCase, withNulls } from "./spelling.ts";
import type { TrussRuntime, TrussSettings, TrussTransport } from "./truss-settings.ts";

/** `fields` were checked, together too. */
export function trussSettings(fields: TrussFields): TrussSettings {
  const { modelName, modelMetadata, description, ...camel } = camelCase(trussSchema, fields);
  const { useGpu, accelerator: written, ...resources } = camel.resources;
  const { noCache, ...build } = camel.build;
  const { accelerator } = parseAccelerator(written ?? "", accelerators);
  return {
    ...camel,
    modelModuleDir: cleanPath(camel.modelModuleDir),
    modelClassFilename: cleanPath(camel.modelClassFilename),
    dataDir: cleanPath(camel.dataDir),
    bundledPackagesDir: cleanPath(camel.bundledPackagesDir),
    resources: { ...resources, ...(accelerator === null ? {} : { accelerator }) },
    runtime: runtimeOf(camel.runtime),
    build,
  };
}

type WrittenRuntime = ReturnType<typeof camelCase<typeof trussSchema>>["runtime"];

function runtimeOf(written: WrittenRuntime): TrussRuntime {
  const { numWorkers, isWebsocketEndpoint, transport, ...runtime } = written;
  return { ...runtime, transport: transportOf(transport, isWebsocketEndpoint === true) };
}

/** Truss lets the old truth value win over a transport of another kind. */
function transportOf({ kind, ...pings }: WrittenRuntime["transport"], isWebsocket: boolean): TrussTransport {
  if (kind === "websocket") return { kind, ...pings };
  return { kind: isWebsocket ? "websocket" : kind };
}

/** What is of our own or has no field in Truss. */
interface Named {
  readonly modelName: string | null;
  readonly description: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * The whole config as Truss gives it to a model class (`config`): its spelling, with every default, null where there
 * is no value. `model_metadata.corral` is not in it.
 */
export function expandedTrussConfig(
  { modelName, description, metadata }: Named,
  settings: TrussSettings,
): Record<string, unknown> {
  const fields = snakeCase(trussSchema, {
    ...settings,
    modelMetadata: metadata,
    ...(modelName === null ? {} : { modelName }),
    ...(description === null ? {} : { description }),
    resources: { ...settings.resources, accelerator: undefined },
  });
  const { resources, runtime, build, ...top } = withNulls(trussSchema, fields) as Record<
    string,
    Record<string, unknown>
  >;
  const { accelerator } = settings.resources;
  const { node_count: nodes, instance_type: instance, fabric, ...amounts } = resources ?? {};
  const { num_workers: workers, ...settled } = runtime ?? {};
  return {
    ...top,
    external_data: settings.externalData.length === 0 ? null : top["external_data"],
    resources: {
      ...amounts,
      accelerator:
        accelerator === undefined
          ? null
          : `${accelerator.name}${accelerator.count > 1 ? `:${accelerator.count}` : ""}`,
      use_gpu: accelerator !== undefined,
      ...(nodes === null ? {} : { node_count: nodes }),
      ...(instance === null ? {} : { instance_type: instance }),
      ...(fabric === null ? {} : { fabric }),
    },
    runtime: {
      ...settled,
      transport: transportFields(settings.runtime.transport),
      is_websocket_endpoint: settings.runtime.transport.kind === "websocket",
    },
    build: { ...build, no_cache: false },
  };
}

function transportFields(transport: TrussTransport): Record<string, unknown> {
  if (transport.kind !== "websocket") return { kind: transport.kind };
  const { pingIntervalSeconds = null, pingTimeoutSeconds = null } = transport;
  return {
    kind: "websocket",
    ping_interval_seconds: pingIntervalSeconds,
    ping_timeout_seconds: pingTimeoutSeconds,
  };
}
