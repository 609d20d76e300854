// `corral predict`: one call of a deployment.

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { isServingError, parseJson, type BasetenEnvelope } from "@corral/contract";
import type { Body } from "@corral/client";
import { required, textOption, type CommandDefinition, type Context, type Options } from "../command.ts";
import { UsageError } from "../exit-codes.ts";
import { findCallee } from "../find.ts";

export const predict: CommandDefinition = {
  name: "predict",
  summary: "Call a deployment and print its answer.",
  details:
    "Parameters are those of the documented call: max_tokens, temperature, top_p, top_k, … in -d or -f.",
  arguments: [
    { name: "<deployment>", summary: "a deployment's id or name, a model's name, or a catalogue identifier" },
  ],
  options: [
    { flags: "-d, --data <json>", summary: "the call's body; - reads it from stdin" },
    { flags: "-f, --file <path>", summary: "a file with the body; - reads it from stdin" },
    { flags: "-m, --message <text>", summary: "a chat with this one message" },
    { flags: "-p, --prompt <text>", summary: "this prompt, as it is" },
    { flags: "--stream", summary: "print the text while it is generated" },
  ],
  examples: [
    [`corral predict corral-tiny-3 --message "What even is AGI?"`, "chat"],
    [
      `corral predict corral-tiny-2 --prompt "Hey! How are you doing?" -d '{"max_new_tokens": 20}' --stream`,
      "with parameters, streamed",
    ],
    ["corral predict my-model -f body.json --output json", "the whole answer, for a script"],
  ],
  async run(context, args, options) {
    const body = await bodyOf(context, options);
    const fields = isObject(body) ? body : null;
    const client = context.client();
    const { signal } = context;
    const callee = await findCallee(client, required(args, 0));
    if (options["stream"] === true) {
      if (fields === null) throw new UsageError("--stream goes with a body that is a JSON object.");
      await printStream(context, client.predictStream(callee, fields, { signal }));
      return;
    }
    if (fields?.["stream"] === true)
      throw new UsageError(`"stream" stands in the body; use --stream instead.`);
    const answer = await client.predict(callee, body, { signal });
    context.print(answer, () => textOf(answer));
    for (const warning of warningsOf(answer)) context.note(`Warning: ${warning}`);
  },
};

async function printStream(context: Context, parts: AsyncIterable<string>): Promise<void> {
  let last = "\n";
  for await (const part of parts) {
    context.write(context.format === "json" ? `${JSON.stringify({ text: part })}\n` : part);
    last = part;
  }
  if (context.format === "text" && context.terminal && !last.endsWith("\n")) context.write("\n");
}

/** -d or -f, with --message or --prompt put in. */
async function bodyOf(context: Context, options: Options): Promise<unknown> {
  const data = textOption(options, "data");
  const file = textOption(options, "file");
  const message = textOption(options, "message");
  const prompt = textOption(options, "prompt");
  if (data !== undefined && file !== undefined)
    throw new UsageError("-d and -f both give a body; use one of them.");
  if (message !== undefined && prompt !== undefined)
    throw new UsageError("--message and --prompt exclude each other.");
  const given = await readBody(context, data, file);
  if (message === undefined && prompt === undefined) {
    if (given === undefined)
      throw new UsageError("Nothing to send: give --message, --prompt, -d JSON or -f FILE.");
    return given;
  }
  if (given !== undefined && !isObject(given))
    throw new UsageError("--message and --prompt go with a body that is a JSON object.");
  return {
    ...given,
    ...(message === undefined ? {} : { messages: [{ role: "user", content: message }] }),
    ...(prompt === undefined ? {} : { prompt }),
  };
}

/** Any JSON: a model of code takes what it likes. Undefined: none is given. */
async function readBody(
  context: Context,
  data: string | undefined,
  file: string | undefined,
): Promise<unknown> {
  if (data === undefined && file === undefined) return undefined;
  const source = data ?? file ?? "";
  const text =
    source === "-"
      ? await context.readStdin()
      : (data ?? (await readFile(resolve(context.directory, source), "utf8")));
  try {
    return parseJson(text);
  } catch (error) {
    throw isServingError(error) ? new UsageError(error.message) : error;
  }
}

function isObject(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Members of an answer that is text. */
const textMembers = ["output", "outputs", "usage", "finish_reason", "run_id", "warnings"];

/** The text alone where the answer is text; models of other kinds answer what they like. */
function textOf(answer: BasetenEnvelope): string {
  // Code may answer null, a list or a number.
  const given: unknown = answer.model_output;
  if (isObject(given) && Object.keys(given).every((key) => textMembers.includes(key))) {
    const { output, outputs } = given;
    if (typeof output === "string") return output;
    if (Array.isArray(outputs) && outputs.every((text) => typeof text === "string"))
      return outputs.map((text, index) => `[${index + 1}] ${text}`).join("\n");
  }
  return JSON.stringify(given === undefined ? answer : given, null, 2);
}

function warningsOf(answer: BasetenEnvelope): readonly string[] {
  const given: unknown = answer.model_output;
  const warnings = isObject(given) ? given["warnings"] : undefined;
  return Array.isArray(warnings) ? warnings.map(String) : [];
}
