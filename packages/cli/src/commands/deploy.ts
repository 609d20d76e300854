// `corral deploy`: a deployment of a model by name. What of its weights is missing on the platform's machine is
// fetched, converted and quantised first.

import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import {
  cacheTypes,
  isServingError,
  precisions,
  quantizationProblem,
  quantizations,
  type CreateDeployment,
  type CreateWeights,
  type ErrorCode,
  type Quantization,
  type Weights,
} from "@corral/contract";
import { checkGgufParts } from "@corral/weights";
import { required, textOption, type CommandDefinition, type Context, type Options } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { followWeights } from "../follow-weights.ts";
import { finishDeployment, timeoutSeconds, waitOptions } from "../wait-active.ts";

export const deploy: CommandDefinition = {
  name: "deploy",
  summary: "Deploy a model by name, from the hub, or from files of the platform's machine.",
  details:
    "Weights that are not there yet are fetched, converted and quantised by the platform; Ctrl-C leaves it at work.\nWith --no-wait the command comes back while they are prepared, and the same command deploys them later; --timeout counts from the deployment's start.\nA file or directory must lie under a directory that the platform may read: CORRAL_HOME/models, or one of CORRAL_MODEL_ROOTS.\nWith --name of a catalogue model (llamav2-7b-chat) it answers that model's documented calls.",
  arguments: [
    {
      name: "<source>",
      summary:
        "a catalogue identifier, a hub repository (owner/name), a GGUF file, or a Hugging Face directory",
    },
  ],
  options: [
    { flags: "--name <name>", summary: "what to call it (default: the model's name)" },
    {
      flags: "--precision <precision>",
      summary: "`reference` reproduces Hugging Face token for token",
      choices: precisions,
    },
    { flags: "--context-length <tokens>", summary: "most tokens of one sequence (default: the model's own)" },
    {
      flags: "--cache-type <type>",
      summary: "of the KV cache: q8_0 takes half of f16",
      choices: cacheTypes,
    },
    { flags: "--quantize <type>", summary: "how its matrices are rewritten: q4_k_m, q8_0, f16, …" },
    { flags: "--revision <revision>", summary: "a branch, tag or commit of the repository (default: main)" },
    { flags: "--file <file>", summary: "which GGUF file of a repository with several" },
    {
      flags: "--accept-license [id]",
      summary: "accept the model's licence, as `corral ls catalogue` names it",
    },
    { flags: "--idle-seconds <seconds>", summary: "unused for so long it gives its memory back" },
    ...waitOptions,
  ],
  examples: [
    ["corral deploy corral-tiny-3", "a tiny model that Corral brings along"],
    ["corral deploy llama-3-8b-instruct --accept-license llama3", "fetched from the hub, quantised, started"],
    ["corral deploy meta-llama/Llama-2-13b-chat-hf --quantize q4_k_m", "a repository of the hub"],
    ["corral deploy ./my-finetune --quantize q8_0", "a Hugging Face directory of your own"],
    ["corral deploy ./llama-2-7b-chat.Q4_K_M.gguf --name llamav2-7b-chat", "weights of your own"],
  ],
  async run(context, args, options) {
    const source = await sourceOf(required(args, 0), context.directory);
    const name = textOption(options, "name");
    const precision = precisions.find((known) => known === options["precision"]);
    const settings = {
      ...(name === undefined ? {} : { name }),
      ...(precision === undefined ? {} : { precision }),
      ...idleSecondsOf(textOption(options, "idleSeconds")),
      ...contextOptions(options),
    };
    const { deployments } = context.client();
    const create = (body: CreateDeployment) => deployments.create(body, { signal: context.signal });
    const asked = weightsOptions(source, options);
    // Before anything long begins.
    timeoutSeconds(options);
    const deployment = asked.isNeeded
      ? null
      : await create({ source, ...settings }).catch((error: unknown) => {
          if (isServingError(error) && preparationHelps(error.code, asked)) return null;
          throw error;
        });
    if (deployment !== null) return await finishDeployment(context, deployment, options);
    const weights = await askFor(context, asked);
    if (options["wait"] === false && weights.status !== "ready") {
      context.print(weights, () => `the weights of ${weights.source} (${weights.id}) are ${weights.status}`);
      context.note(
        `\`corral weights show ${weights.id}\` shows how far they are; the same command deploys them once they are ready.`,
      );
      return;
    }
    const { id } = await followWeights(context, weights);
    await finishDeployment(context, await create({ weights_id: id, ...settings }), options);
  },
};

function contextOptions(options: Options): Pick<CreateDeployment, "context_length" | "cache_type"> {
  const length = textOption(options, "contextLength");
  const cacheType = cacheTypes.find((known) => known === options["cacheType"]);
  if (length !== undefined && !(Number.isSafeInteger(Number(length)) && Number(length) > 0)) {
    throw new UsageError(`--context-length is ${JSON.stringify(length)}; it is a number of tokens above 0.`);
  }
  return {
    ...(length === undefined ? {} : { context_length: Number(length) }),
    ...(cacheType === undefined ? {} : { cache_type: cacheType }),
  };
}

interface AskedWeights {
  readonly body: CreateWeights;
  /** Whether more is asked for than the usual weights of that name. */
  readonly isNeeded: boolean;
  readonly acceptsLicense: string | boolean;
}

/** Fails with a `UsageError` for a quantisation that is none. */
function weightsOptions(source: string, options: Options): AskedWeights {
  const [revision, file] = [textOption(options, "revision"), textOption(options, "file")];
  const quantization = quantizationOf(textOption(options, "quantize"));
  const accepted = options["acceptLicense"];
  if (revision !== undefined && source.includes("@")) {
    throw new UsageError(`${source} names a revision already; leave out --revision ${revision}.`);
  }
  const body = {
    source: revision === undefined ? source : `${source}@${revision}`,
    ...(quantization === undefined ? {} : { quantization }),
    ...(file === undefined ? {} : { file }),
  };
  return {
    body,
    isNeeded: Object.keys(body).length > 1 || revision !== undefined,
    acceptsLicense: typeof accepted === "string" || accepted === true ? accepted : false,
  };
}

function quantizationOf(given: string | undefined): Quantization | undefined {
  if (given === undefined) return undefined;
  const found = quantizations.find((known) => known === given.toLowerCase());
  if (found !== undefined) return found;
  throw new UsageError(`--quantize is ${JSON.stringify(given)}; ${quantizationProblem(given) ?? ""}`);
}

/** A licence is accepted with the question for weights, which are there already perhaps. */
function preparationHelps(code: ErrorCode, { acceptsLicense }: AskedWeights): boolean {
  return code === "weights_missing" || (code === "license_not_accepted" && acceptsLicense !== false);
}

async function askFor(context: Context, { body, acceptsLicense }: AskedWeights): Promise<Weights> {
  const license = await acceptedLicense(context, body.source, acceptsLicense);
  return await context
    .client()
    .weights.create(
      { ...body, ...(license === null ? {} : { accept_license: license }) },
      { signal: context.signal },
    );
}

/** `--accept-license` alone means the licence that the model has, which is shown; null: there is none to accept. */
async function acceptedLicense(
  context: Context,
  source: string,
  accepts: string | boolean,
): Promise<string | null> {
  if (accepts === false) return null;
  const [name = ""] = source.split("@");
  const row = await context
    .client()
    .catalogue.get(name, { signal: context.signal })
    .catch((error: unknown) => {
      if (isServingError(error) && error.code === "model_not_found") return null;
      throw error;
    });
  const license = row?.license ?? null;
  if (license !== null) context.note(license.notice);
  if (typeof accepts === "string") return accepts;
  if (license === null) context.note(`Corral knows of no licence of ${name} to accept.`);
  return license?.id ?? null;
}

function idleSecondsOf(given: string | undefined): { idle_seconds?: number } {
  if (given === undefined) return {};
  const seconds = Number(given);
  if (Number.isSafeInteger(seconds) && seconds > 0) return { idle_seconds: seconds };
  throw new UsageError(`--idle-seconds is ${given}; it must be a whole number above 0.`);
}

/** A path becomes absolute; where this machine has the file, its mistakes are found before anything is sent. */
async function sourceOf(source: string, directory: string): Promise<string> {
  const isPath =
    source.startsWith("/") || source.startsWith("./") || source.startsWith("../") || /\.gguf$/i.test(source);
  const path = resolve(directory, source);
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory() === true && (isPath || source.includes("/"))) {
    if (await isModelDirectory(path)) {
      throw new UsageError(
        `${source} has a config.yaml; \`corral push ${source}\` deploys a model directory.`,
      );
    }
    // As Hugging Face has it: a directory that is there is meant before a repository of that name.
    return path;
  }
  if (!isPath) return source;
  if (found !== null) await checkGgufParts(path);
  return path;
}

/** One of Corral's, for `corral push`; what else a directory holds, the platform judges. */
async function isModelDirectory(path: string): Promise<boolean> {
  const has = async (name: string) => (await stat(resolve(path, name)).catch(() => null)) !== null;
  return (await has("config.yaml")) && !(await has("config.json"));
}
