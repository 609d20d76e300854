// The fields of a Truss config.yaml as they are written: types, ranges and defaults. What they mean together is in
// `truss-rules.ts`, which of them change anything here in `truss-effects.ts`.
// Source: truss 0.18.35, truss_config.py; looser where configs of 2024 were (see `coerce.ts`).

import { z } from "zod";
import { cpuProblem, memoryProblem, parseAccelerator } from "./truss-amounts.ts";

const text = z.string();
const name = z.string().min(1);
const texts = z.array(text);
const anything = z.record(z.string(), z.unknown());
/** As many milliseconds fit into a timer. */
const longestSeconds = 2_147_483;
const seconds = z.int().min(0).max(longestSeconds);
const switchedOff = z.boolean().default(false);

/** A problem as a sentence without its subject, or null. */
const checked = (problem: (value: string) => string | null) =>
  z.string().superRefine((value, context) => {
    const message = problem(value);
    if (message !== null) context.addIssue({ code: "custom", message });
  });

/** Of the bundle: what leaves it could be anything of the machine. */
const inside = checked((path) => {
  const parts = path.replace(/\/+$/, "").split("/");
  const leaves = path.startsWith("/") || parts.includes("..") || /[\p{Cc}\\]/u.test(path);
  return leaves ? "must be a path inside the directory, relative and without .." : null;
});
const outside = checked((path) =>
  /[\p{Cc}\\]/u.test(path) || path === "" ? "must be the path of a directory" : null,
);
const absolute = checked((path) =>
  path.startsWith("/") && !path.split("/").includes("..") ? null : "must be an absolute path without ..",
);
const secretName = z
  .string()
  .max(253)
  .regex(/^(?!\.{1,2}$)[-._a-zA-Z0-9]+$/, "must be made of letters, digits, dots, - and _");
const variableName = z.string().regex(/^[^=\p{Cc}]+$/u, "must be the name of a variable");

const authFields = {
  aws_oidc_role_arn: text.optional(),
  aws_oidc_region: text.optional(),
  gcp_oidc_service_account: text.optional(),
  gcp_oidc_workload_id_provider: text.optional(),
  aws_assume_role_arn: text.optional(),
  aws_assume_role_region: text.optional(),
};
const dockerAuth = z.strictObject({
  auth_method: z.enum([
    "GCP_SERVICE_ACCOUNT_JSON",
    "AWS_IAM",
    "AWS_OIDC",
    "GCP_OIDC",
    "REGISTRY_SECRET",
    "AWS_ASSUME_ROLE",
  ]),
  registry: text.default(""),
  secret_name: text.optional(),
  aws_access_key_id_secret_name: text.default("aws_access_key_id"),
  aws_secret_access_key_secret_name: text.default("aws_secret_access_key"),
  ...authFields,
});

export const accelerators = [
  "T4",
  "L4",
  "A10G",
  "V100",
  "A100",
  "A100_40GB",
  "H100",
  "H200",
  "H100_40GB",
  "B200",
  "B300",
  "GB300",
  "L40S",
  "RTX_PRO_6000",
] as const;

const resources = z.strictObject({
  cpu: checked(cpuProblem).default("1"),
  memory: checked(memoryProblem).default("2Gi"),
  accelerator: checked((value) => parseAccelerator(value, accelerators).problem).optional(),
  /** Computed by Truss from the accelerator, whatever is written. */
  use_gpu: z.boolean().optional(),
  instance_type: text.optional(),
  node_count: z.int().min(1).optional(),
  fabric: anything.optional(),
});

const transport = z.strictObject({
  kind: z.enum(["http", "websocket", "grpc"]).default("http"),
  ping_interval_seconds: z.number().min(0).max(longestSeconds).optional(),
  ping_timeout_seconds: z.number().min(0).max(longestSeconds).optional(),
});

const runtime = z.strictObject({
  predict_concurrency: z.int().min(1).default(1),
  streaming_read_timeout: z.int().min(1).max(longestSeconds).default(60),
  enable_tracing_data: switchedOff,
  enable_debug_logs: switchedOff,
  transport: transport.prefault({}),
  is_websocket_endpoint: z.boolean().optional(),
  /** Of spring 2024; only 1 was ever good for anything. */
  num_workers: z.literal(1).optional(),
  health_checks: z
    .strictObject({
      restart_check_delay_seconds: seconds.optional(),
      restart_threshold_seconds: seconds.optional(),
      stop_traffic_threshold_seconds: seconds.optional(),
      startup_threshold_seconds: seconds.min(1).optional(),
    })
    .prefault({}),
  oidc: z.strictObject({ enabled: z.boolean().optional() }).prefault({}),
  remote_ssh: z.strictObject({ enabled: switchedOff }).prefault({}),
  egress_restrictions: anything.optional(),
  truss_server_version_override: text.optional(),
});

const build = z.strictObject({
  model_server: z.enum(["TrussServer", "TRT_LLM"]).default("TrussServer"),
  arguments: anything.default({}),
  secret_to_path_mapping: z.record(secretName, text).default({}),
  no_cache: z.literal(false).optional(),
});

const dockerServer = z.strictObject({
  start_command: name.optional(),
  /** Truss reserves 8080 for a proxy of Baseten's, which is not here. */
  server_port: z.int().min(1).max(65_535),
  predict_endpoint: text,
  readiness_endpoint: text,
  liveness_endpoint: text,
  run_as_user_id: z
    .int()
    .min(1)
    .refine((id) => id !== 60_000, "must not be 60000, which is reserved")
    .optional(),
  no_build: z.boolean().optional(),
});

const repository = z.strictObject({
  repo_id: name,
  revision: z
    .string()
    .refine((revision) => revision.length !== 1, "must be empty or at least 2 characters long")
    .default(""),
  allow_patterns: texts.optional(),
  ignore_patterns: texts.optional(),
  volume_folder: inside.min(1).optional(),
  /** Required by Truss now, unknown to it in 2024. */
  use_volume: switchedOff,
  kind: z.enum(["hf", "gcs", "s3", "azure"]).default("hf"),
  runtime_secret_name: secretName.default("hf_access_token"),
});

const sourceSchemes = ["hf", "s3", "gs", "azure", "r2", "cw", "https"];
const mountedWeights = z.strictObject({
  source: checked((source) => {
    const scheme = /^([a-z0-9]+):\/\/[^/]/.exec(source)?.[1];
    if (scheme === undefined || !sourceSchemes.includes(scheme))
      return `must begin with ${sourceSchemes.map((word) => `${word}://`).join(", ")} and a name`;
    const mayHaveRevision = scheme === "hf" || scheme === "https";
    return mayHaveRevision || !source.includes("@") ? null : "may have an @revision only with hf://";
  }),
  mount_location: absolute,
  auth: z
    .strictObject({
      auth_method: z.enum(["CUSTOM_SECRET", "AWS_OIDC", "GCP_OIDC", "AWS_ASSUME_ROLE"]),
      auth_secret_name: text.optional(),
      ...authFields,
    })
    .optional(),
  auth_secret_name: text.optional(),
  allow_patterns: texts.optional(),
  ignore_patterns: texts.optional(),
});

const externalData = z.strictObject({
  url: name,
  local_data_path: inside.min(1),
  backend: text.default("http_public"),
  name: text.optional(),
});

/** Of the top level, in the order in which Truss writes them. `null` is the same as a field that is not there. */
export const trussSchema = z.strictObject({
  model_name: text.optional(),
  model_metadata: anything.default({}),
  description: text.optional(),
  examples_filename: text.default("examples.yaml"),
  data_dir: inside.min(1).default("data"),
  external_data: z.array(externalData).default([]),
  external_package_dirs: z.array(outside).default([]),
  python_version: z
    .string()
    .regex(/^py3\d{1,2}$/, "must look like py311")
    .default("py313"),
  base_image: z
    .strictObject({
      image: text.default(""),
      python_executable_path: checked((path) =>
        path === "" || path.startsWith("/") ? null : "must be an absolute path",
      ).default(""),
      docker_auth: dockerAuth.optional(),
    })
    .optional(),
  requirements_file: inside.min(1).optional(),
  requirements: texts.default([]),
  system_packages: texts.default([]),
  environment_variables: z.record(variableName, text).default({}),
  secrets: z.record(secretName, text.nullable()).default({}),
  resources: resources.prefault({}),
  runtime: runtime.prefault({}),
  build: build.prefault({}),
  build_commands: texts.default([]),
  docker_server: dockerServer.optional(),
  model_cache: z.array(repository).default([]),
  weights: z.array(mountedWeights).default([]),
  bdn: z
    .strictObject({
      mounts: z.array(anything).default([]),
      access: z.array(anything).default([]),
      hotload: anything.default({ enabled: false }),
    })
    .prefault({}),
  trt_llm: anything.optional(),
  bis_llm: anything.optional(),
  training_checkpoints: anything.optional(),
  input_type: text.default("Any"),
  model_framework: text.default("custom"),
  model_type: text.default("Model"),
  model_module_dir: inside.min(1).default("model"),
  model_class_filename: inside.min(1).default("model.py"),
  model_class_name: z
    .string()
    .regex(/^[\p{L}_$][\p{L}\p{N}_$]*$/u, "must be the name of a class")
    .default("Model"),
  bundled_packages_dir: inside.min(1).default("packages"),
  use_local_src: switchedOff,
  cache_internal: z.array(repository).default([]),
  live_reload: switchedOff,
  apply_library_patches: z.boolean().default(true),
  spec_version: text.default("2.0"),
});

/** As they are written, with every default. */
export type TrussFields = z.output<typeof trussSchema>;
