// Which fields of a Truss config.yaml change nothing here, and why, by what answers the calls; and the few that are
// refused, because a model that needs them could not answer at all. The one place to change when a field gets its effect.

/** What answers a version's calls: weights alone, code, or an HTTP server of the author's. */
export type Answerer = "weights" | "python" | "typescript" | "server";

export interface FieldWithoutEffect {
  /** With its parents: `resources.instance_type`. */
  readonly field: string;
  /** Of config.yaml, from 1; null: not known. */
  readonly line: number | null;
  /** A sentence. */
  readonly reason: string;
}

export interface Effect {
  readonly field: string;
  /** Default: all. */
  readonly of?: readonly Answerer[];
  readonly verdict: "none" | "refused";
  /** A sentence: why it has no effect, or what to write instead. */
  readonly text: string;
}

const noCode = "A model of weights runs no code of its own.";
const noClass = "A server of its own has no model class.";
const noPython = "The code is not Python.";
const noImage = "No image is built here.";
const theirs = "It belongs to Baseten's own cloud.";
const leftover = "It is a leftover of older Truss versions.";
const ownWeights =
  "Name the weights under model_metadata.corral.weights: a GGUF file in this directory, an absolute path, or a catalogue name.";

const none = (text: string, fields: readonly string[], of?: readonly Answerer[]): Effect[] =>
  fields.map((field) => ({ field, verdict: "none", text, ...(of === undefined ? {} : { of }) }));
const refused = (text: string, fields: readonly string[], of?: readonly Answerer[]): Effect[] =>
  fields.map((field) => ({ field, verdict: "refused", text, ...(of === undefined ? {} : { of }) }));

const effects: readonly Effect[] = [
  ...refused(
    `Downloads are not made for weights alone. ${ownWeights}`,
    ["external_data", "model_cache", "weights"],
    ["weights"],
  ),
  ...refused(
    "Files are fetched for Python code alone; put them into the data directory, or fetch them in load.",
    ["external_data", "model_cache", "weights"],
    ["typescript", "server"],
  ),
  ...refused(
    "Code is given no TensorRT-LLM engine here; remove it, and the argument of the class.",
    ["trt_llm"],
    ["python", "typescript", "server"],
  ),
  ...none(
    "The weights are served by Corral's own engine; how TensorRT-LLM would is not asked.",
    ["trt_llm"],
    ["weights"],
  ),
  ...refused(`That engine is Baseten's own. ${ownWeights}`, ["bis_llm"], ["weights"]),
  ...refused(ownWeights, ["training_checkpoints"], ["weights"]),

  ...none(theirs, [
    "bdn",
    "bis_llm",
    "training_checkpoints",
    "cache_internal",
    "resources.instance_type",
    "resources.node_count",
    "resources.fabric",
    "runtime.oidc",
    "runtime.remote_ssh",
    "runtime.egress_restrictions",
  ]),
  ...none(leftover, ["input_type", "model_framework", "model_type", "spec_version", "runtime.num_workers"]),
  ...none("Truss computes it from the accelerator, and so does Corral.", ["resources.use_gpu"]),
  ...none("The routes of Corral's own release are served.", ["runtime.truss_server_version_override"]),
  ...none("Traces are not exported yet.", ["runtime.enable_tracing_data"]),
  ...none("Examples are not read.", ["examples_filename"]),
  ...none(
    "Processes share the machine's processors; nothing is set aside for one.",
    ["resources.cpu"],
    ["python", "typescript", "server"],
  ),
  ...none(
    "Websockets are asked every 20 s whether they live.",
    ["runtime.transport.ping_interval_seconds", "runtime.transport.ping_timeout_seconds"],
    ["python", "typescript", "server"],
  ),
  ...none(
    "console.debug is always written; LOG_LEVEL of the platform decides what is kept.",
    ["runtime.enable_debug_logs"],
    ["typescript", "server"],
  ),
  ...none("It is about how the truss command builds images.", [
    "use_local_src",
    "apply_library_patches",
    "build.model_server",
    "build.arguments",
    "build.secret_to_path_mapping",
  ]),
  ...none(
    "Corral sets it itself.",
    ["PORT", "HOSTNAME", "HOME", "TMPDIR"].map((name) => `environment_variables.${name}`),
  ),
  ...none("corral watch reloads code whatever it says.", ["live_reload"], ["python", "typescript", "server"]),

  ...none(
    noCode,
    [
      "python_version",
      "requirements",
      "requirements_file",
      "system_packages",
      "environment_variables",
      "secrets",
      "base_image",
      "build_commands",
      "external_package_dirs",
      "data_dir",
      "bundled_packages_dir",
      "model_module_dir",
      "model_class_filename",
      "model_class_name",
      "live_reload",
    ],
    ["weights"],
  ),
  ...none("The replica runs on the machine that Corral runs on.", ["resources"], ["weights"]),
  ...none(
    "The engine batches calls by itself; model_metadata.corral.slots limits how many run at once.",
    ["runtime"],
    ["weights"],
  ),
  ...none(
    noPython,
    ["python_version", "requirements", "requirements_file", "bundled_packages_dir"],
    ["typescript"],
  ),
  ...none(noPython, ["external_package_dirs"], ["typescript"]),
  ...none(noClass, ["model_module_dir", "model_class_filename", "model_class_name"], ["server"]),
  ...none(
    `${noImage} Install what the model needs on the machine, with apt for example.`,
    ["system_packages"],
    ["python", "typescript", "server"],
  ),
  ...none(
    `${noImage} Do on the machine what the commands do, and list packages under requirements.`,
    ["build_commands"],
    ["python", "typescript", "server"],
  ),
  ...none(`${noImage} List what the code needs under requirements.`, ["base_image"], ["python"]),
  ...none(noImage, ["base_image"], ["typescript", "server"]),
];

export interface Given {
  /** With its parents. */
  readonly field: string;
  readonly path: readonly string[];
}

/**
 * The verdict on each field that is given. A verdict on a field is one on all below it: those are not looked up again.
 * @param written as in config.yaml, new spellings; what is empty or equals the default does not count as given
 */
export function verdictsOn(
  written: Readonly<Record<string, unknown>>,
  defaults: Readonly<Record<string, unknown>>,
  answerer: Answerer,
): {
  readonly without: readonly (Given & { reason: string })[];
  readonly refused: readonly (Given & { remedy: string })[];
} {
  const without: (Given & { reason: string })[] = [];
  const refusals: (Given & { remedy: string })[] = [];
  const walk = (value: unknown, path: readonly string[]): void => {
    const field = path.join(".");
    const effect = effectOf(field, answerer);
    if (effect !== undefined && !isDefault(value, valueAt(defaults, path))) {
      if (effect.verdict === "refused") refusals.push({ field, path, remedy: effect.text });
      else without.push({ field, path, reason: effect.text });
      return;
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) return;
    for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key]);
  };
  for (const [key, value] of Object.entries(written)) walk(value, [key]);
  return { without, refused: refusals };
}

/** What is said of a field itself; what is said of one above it holds for it, too. */
export function effectOf(field: string, answerer: Answerer): Effect | undefined {
  return effects.find((one) => one.field === field && (one.of?.includes(answerer) ?? true));
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, step) => (typeof value === "object" && value !== null ? Reflect.get(value, step) : undefined),
    root,
  );
}

function isDefault(value: unknown, byDefault: unknown): boolean {
  if (value === undefined || value === "" || value === byDefault) return true;
  if (Array.isArray(value)) return value.length === 0;
  if (typeof value !== "object" || value === null) return false;
  const known: object = typeof byDefault === "object" && byDefault !== null ? byDefault : {};
  return Object.entries(value).every(
    ([key, member]) => Object.hasOwn(known, key) && isDefault(member, valueAt(known, [key])),
  );
}
