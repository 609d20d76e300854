// What becomes of every top-level key of a Truss config.yaml here: used, accepted without effect (and said so), or
// refused with what to do instead. Source: truss 0.18.35, TrussConfig.

import { z } from "zod";

export type TrussField =
  | { readonly effect: "used"; readonly schema: z.ZodType }
  /** Accepted; `reason` is the warning after "NAME has no effect: ". */
  | { readonly effect: "none"; readonly schema: z.ZodType; readonly reason: string }
  /** Refused unless empty; `remedy` is a sentence. */
  | { readonly effect: "refused"; readonly remedy: string };

const text = z.string();
/** Truss configs of 2024 wrote versions and sizes as bare numbers. */
const loose = z.union([z.string(), z.number()]);
const record = z.record(z.string(), z.unknown());
const scalars = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

const noCode = "a model of weights runs no code of its own.";
const local = "the replica runs on the machine that Corral runs on.";

const none = (schema: z.ZodType, reason: string): TrussField => ({ effect: "none", schema, reason });
const refused = (remedy: string): TrussField => ({ effect: "refused", remedy });

const ownWeights =
  "Name the weights under model_metadata.corral.weights: a GGUF file in this directory, an absolute path, or a catalogue name.";
const codeLater = "Models with their own code come later; remove it.";

const resources = z.strictObject({
  cpu: loose.nullish(),
  memory: loose.nullish(),
  accelerator: z.string().nullish(),
  use_gpu: z.boolean().nullish(),
  instance_type: z.string().nullish(),
  node_count: z.int().positive().nullish(),
  fabric: record.nullish(),
});

const runtime = z.strictObject({
  predict_concurrency: z.int().positive().nullish(),
  streaming_read_timeout: z.int().positive().nullish(),
  enable_tracing_data: z.boolean().nullish(),
  enable_debug_logs: z.boolean().nullish(),
  transport: record.nullish(),
  is_websocket_endpoint: z.boolean().nullish(),
  num_workers: z.int().positive().nullish(),
  health_checks: record.nullish(),
  oidc: record.nullish(),
  remote_ssh: record.nullish(),
  egress_restrictions: record.nullish(),
  truss_server_version_override: z.string().nullish(),
});

export const trussFields: Readonly<Record<string, TrussField>> = {
  model_name: { effect: "used", schema: text },
  description: { effect: "used", schema: text },
  model_metadata: { effect: "used", schema: record },

  python_version: none(z.string().regex(/^(py)?3\.?\d{1,2}$/, "must look like py311"), noCode),
  requirements: none(z.array(text), noCode),
  requirements_file: none(text, noCode),
  system_packages: none(z.array(text), noCode),
  environment_variables: none(scalars, noCode),
  secrets: none(z.record(z.string(), z.string().nullable()), noCode),
  base_image: none(record, noCode),
  build: none(record, noCode),
  examples_filename: none(text, "examples are not read."),
  data_dir: none(text, noCode),
  bundled_packages_dir: none(text, noCode),
  model_module_dir: none(text, noCode),
  model_class_filename: none(text, noCode),
  model_class_name: none(text, noCode),
  resources: none(resources, local),
  runtime: none(
    runtime,
    "the engine batches calls by itself; model_metadata.corral.slots limits how many run at once.",
  ),
  live_reload: none(z.boolean(), noCode),
  apply_library_patches: none(z.boolean(), noCode),
  use_local_src: none(z.boolean(), noCode),
  cache_internal: none(z.array(z.unknown()), noCode),
  bdn: none(record, "it belongs to Baseten's own network."),
  input_type: none(text, "it is a leftover of older Truss versions."),
  model_framework: none(text, "it is a leftover of older Truss versions."),
  model_type: none(text, "it is a leftover of older Truss versions."),
  spec_version: none(loose, "it is a leftover of older Truss versions."),

  external_package_dirs: refused(codeLater),
  build_commands: refused(codeLater),
  docker_server: refused("Servers of your own come later; remove it."),
  external_data: refused(`Downloads are not made. ${ownWeights}`),
  model_cache: refused(`Downloads are not made. ${ownWeights}`),
  hf_cache: refused(`Downloads are not made. ${ownWeights}`),
  weights: refused(`Downloads are not made. ${ownWeights}`),
  trt_llm: refused(`TensorRT-LLM is not an engine of Corral. ${ownWeights}`),
  bis_llm: refused(`That engine is Baseten's own. ${ownWeights}`),
  training_checkpoints: refused(ownWeights),
};
