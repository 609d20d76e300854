// `corral quantize`: weights in another type, made on this machine, and what each type costs and keeps. No platform is
// asked; the work is done by programs of the runtime.

import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import {
  quantizations,
  ServingError,
  tensorTypeNames,
  type PreparationSource,
  type Quantization,
  type QuantizationRecipe,
  type TensorTypeName,
} from "@corral/contract";
import { anyRealPath, partOf, resolveSource } from "@corral/weights";
import { compareWeights, comparisonText } from "../compare-weights.ts";
import {
  listOption,
  required,
  textOption,
  type CommandDefinition,
  type Context,
  type Options,
} from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { prepareWeights, type PreparedWeights } from "../prepare-weights.ts";
import { byteText, table } from "../table.ts";

export const quantize: CommandDefinition = {
  name: "quantize",
  summary: "Write weights in another type, and compare what types cost and keep.",
  details:
    "The source is a GGUF file, a Hugging Face directory, ollama:NAME, or a repository of the hub (owner/name, owner/name@revision).\nThe target is a .gguf file, or a directory in which files are named after their types.\nWith --compare the files are measured in turns: bytes, tokens a second, and the perplexity of a text.\nFor that a source that is no GGUF file, or several, is written beside the target as NAME-source.gguf.",
  arguments: [
    { name: "<source>", summary: "what is quantised" },
    { name: "<target>", summary: "a .gguf file, or a directory" },
  ],
  options: [
    {
      flags: "--type <type>",
      summary: "llama.cpp's name of a type, in lower case",
      choices: quantizations,
      repeatable: true,
    },
    {
      flags: "--output-type <type>",
      summary: "of the output matrix (default: the type's own)",
      choices: tensorTypeNames,
    },
    {
      flags: "--token-embedding-type <type>",
      summary: "of the token embedding (default: the type's own)",
      choices: tensorTypeNames,
    },
    { flags: "--importance-matrix <file>", summary: "made by llama-imatrix; types of few bits need one" },
    {
      flags: "--compare <text>",
      summary: "a text file that the source and what is made of it are measured on",
    },
    { flags: "--compare-tokens <count>", summary: "most tokens of the text (default 4096)" },
    { flags: "--file <name>", summary: "which GGUF file of a repository with several" },
    { flags: "--threads <count>", summary: "default: as many as there are processors" },
  ],
  examples: [
    ["corral quantize model-f16.gguf model-q4.gguf --type q4_k_m", "one file"],
    [
      "corral quantize ./my-finetune ./types --type q4_0 --type q4_k_m --type q8_0 --compare book.txt",
      "convert, write three types, and choose by measurement",
    ],
    [
      "corral quantize model-f16.gguf fast.gguf --type q4_0 --output-type q4_0",
      "with an output matrix that has a fast kernel",
    ],
  ],
  async run(context, args, options) {
    const request = await readRequest(context, args, options);
    const { source, recipes, text } = request;
    // One conversion for all types; what is compared with is one file, too.
    const isOneFile = source.kind === "gguf" && partOf(source.path) === null;
    const isMadeOnce = text === null ? source.kind !== "gguf" && recipes.length > 1 : !isOneFile;
    if (isMadeOnce) await refuseTakenSource(request);
    const base = isMadeOnce ? await prepare(context, request, source, null) : null;
    const from: PreparationSource = base === null ? source : { kind: "gguf", path: base.path };
    const made: Made[] = [];
    for (const recipe of recipes) {
      const prepared = await prepare(context, request, from, recipe);
      for (const warning of prepared.warnings) context.note(`Warning: ${warning}`);
      made.push({ name: nameOf(recipe), ...prepared });
    }
    const comparison =
      text === null || from.kind !== "gguf"
        ? null
        : await compareWeights(context, {
            files: [{ name: "source", path: from.path }, ...made.map(({ name, path }) => ({ name, path }))],
            text,
            token_count: request.tokenCount,
            thread_count: request.threadCount,
          });
    // The cache of the hub, or a source that was one file all the same, has its own without us.
    const isSourceMade = base !== null && base.path === sourcePathOf(request);
    const all = isSourceMade ? [{ name: "source", ...base }, ...made] : made;
    context.print({ files: all.map(({ kind: _, ...file }) => file), comparison }, () =>
      comparison === null ? filesText(context, all) : comparisonText(context, comparison),
    );
  },
};

interface Request {
  readonly source: PreparationSource;
  /** What files in a directory are named after. */
  readonly baseName: string;
  readonly target: { readonly kind: "file" | "directory"; readonly path: string };
  readonly recipes: readonly QuantizationRecipe[];
  readonly text: string | null;
  readonly tokenCount: number;
  readonly threadCount: number;
}

interface Made extends PreparedWeights {
  readonly name: string;
}

async function readRequest(
  context: Context,
  args: readonly (string | undefined)[],
  options: Options,
): Promise<Request> {
  const types = (listOption(options, "type") ?? []) as readonly Quantization[];
  if (types.length === 0) throw new UsageError(`Give --type with one of ${quantizations.join(", ")}.`);
  const target = resolve(context.directory, required(args, 1));
  const kind = target.endsWith(".gguf") ? "file" : "directory";
  if (kind === "file" && types.length > 1)
    throw new UsageError(`${types.length} types need a directory as target, not ${target}.`);
  const { source, baseName } = await readSource(context, required(args, 0), textOption(options, "file"));
  const text = textOption(options, "compare");
  const matrix = textOption(options, "importanceMatrix");
  const chosen = {
    output_type: textOption(options, "outputType") as TensorTypeName | undefined,
    token_embedding_type: textOption(options, "tokenEmbeddingType") as TensorTypeName | undefined,
    importance_matrix: matrix === undefined ? undefined : resolve(context.directory, matrix),
  };
  return {
    source,
    baseName,
    target: { kind, path: target },
    recipes: [...new Set(types)].map((quantization) => ({ quantization, ...withoutUndefined(chosen) })),
    text: text === undefined ? null : resolve(context.directory, text),
    tokenCount: countOption(options, "compareTokens", "--compare-tokens") ?? 4096,
    threadCount: countOption(options, "threads", "--threads") ?? availableParallelism(),
  };
}

async function readSource(
  context: Context,
  given: string,
  file: string | undefined,
): Promise<{ source: PreparationSource; baseName: string }> {
  const path = resolve(context.directory, given);
  const isPath = await stat(path).then(
    () => true,
    () => false,
  );
  const local = await resolveSource(isPath ? path : given, { ...context, realPath: anyRealPath });
  if (local !== null) {
    if (file !== undefined) throw new UsageError("--file is for a repository of the hub.");
    for (const warning of local.warnings) context.note(`Warning: ${warning}`);
    return { source: local.source, baseName: local.name.replace(/[-.](f16|bf16|f32)$/i, "") };
  }
  const [, repository = "", revision = "main"] = /^([\w.-]+\/[\w.-]+?)(?:@(.+))?$/.exec(given) ?? [];
  if (repository === "")
    throw new ServingError(
      "weights_missing",
      `There is no file or directory ${path}, and ${given} names no repository (owner/name).`,
    );
  return {
    source: { kind: "hub", repository, revision, file: file ?? null },
    baseName: basename(repository),
  };
}

async function prepare(
  context: Context,
  request: Request,
  source: PreparationSource,
  recipe: QuantizationRecipe | null,
): Promise<PreparedWeights> {
  const { target, baseName, threadCount } = request;
  const title = recipe === null ? `Preparing ${baseName}` : `Writing ${nameOf(recipe)}`;
  const path = () => {
    if (recipe === null) return sourcePathOf(request);
    return target.kind === "file" ? target.path : join(target.path, `${baseName}-${nameOf(recipe)}.gguf`);
  };
  return await prepareWeights(context, title, {
    source,
    recipe,
    target: path(),
    thread_count: threadCount,
  });
}

/** Of the file that a source becomes before it is quantised and measured, where it has to be one. */
function sourcePathOf({ target, baseName }: Pick<Request, "target" | "baseName">): string {
  return join(target.kind === "file" ? dirname(target.path) : target.path, `${baseName}-source.gguf`);
}

async function refuseTakenSource(request: Request): Promise<void> {
  const path = sourcePathOf(request);
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (!isThere && path !== request.target.path) return;
  const reason = isThere ? "is there already" : "is the target";
  throw new ServingError(
    "conflict",
    `The source has to be written as one file first, and its place ${path} ${reason}; remove or rename that, or give a target elsewhere.`,
  );
}

/** A recipe in a file's name. */
function nameOf({ quantization, output_type, token_embedding_type }: QuantizationRecipe): string {
  const output = output_type === undefined ? "" : `-output-${output_type}`;
  return `${quantization}${output}${token_embedding_type === undefined ? "" : `-embedding-${token_embedding_type}`}`;
}

function filesText(context: Context, made: readonly Made[]): string {
  const rows = made.map(({ name, path, bytes }) => [name, byteText(bytes), path]);
  return table(["type", "size", "file"], rows, context.terminal);
}

function countOption(options: Options, name: string, flag: string): number | null {
  const text = textOption(options, name);
  if (text === undefined) return null;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1e9) return value;
  throw new UsageError(`${flag} is a whole number of at least 1, given ${text}.`);
}

function withoutUndefined<Value extends object>(value: Value) {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as {
    [Key in keyof Value]?: Exclude<Value[Key], undefined>;
  };
}
