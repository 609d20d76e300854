// One run of the program that compares weights, and its result as a table.

import {
  comparisonMessageSchema,
  ServingError,
  type ComparedWeights,
  type ComparisonConfig,
  type ComparisonMessage,
} from "@corral/contract";
import { comparisonMain, runChildProgram } from "./child-program.ts";
import type { Context } from "./command.ts";
import { endedEarly } from "./prepare-weights.ts";
import { byteText, plural, table } from "./table.ts";

export type Comparison = Omit<Extract<ComparisonMessage, { kind: "compared" }>, "kind">;

const windowLength = 512;
const roundCount = 5;

/** Fails with what the program failed with. */
export async function compareWeights(
  context: Context,
  asked: Omit<ComparisonConfig, "window_length" | "round_count">,
): Promise<Comparison> {
  const config: ComparisonConfig = { ...asked, window_length: windowLength, round_count: roundCount };
  let last: ComparisonMessage | null = null;
  const title = `Comparing ${plural(config.files.length, "file")}`;
  const end = await context.progress.step(title, (update) =>
    runChildProgram({
      main: comparisonMain,
      config,
      parse: (value) => comparisonMessageSchema.parse(value),
      environment: context.environment,
      directory: context.directory,
      signal: context.signal,
      onMessage(message) {
        if (message.kind !== "progress") last = message;
        else update(`${title}: ${message.done_tokens} of ${message.total_tokens} tokens scored`);
      },
    }),
  );
  const message = last as ComparisonMessage | null;
  if (message?.kind === "failed") throw new ServingError(message.code, message.detail);
  if (message?.kind !== "compared") throw endedEarly(context, end);
  const { kind: _, ...compared } = message;
  return compared;
}

const heading = "type,size,prompt t/s,decode t/s,perplexity,change,same best token,file".split(",");

export function comparisonText(context: Context, { files, scored_tokens, text_tokens }: Comparison): string {
  context.note(`Scored ${scored_tokens} of the text's ${text_tokens} tokens.`);
  return table(heading, files.map(comparisonRow), context.terminal);
}

function comparisonRow(file: ComparedWeights, index: number): string[] {
  const percent = (part: number) => `${(part * 100).toFixed(2)} %`;
  const sign = file.perplexity_change >= 0 ? "+" : "";
  const change = `${sign}${percent(file.perplexity_change)} ± ${percent(file.perplexity_change_error)}`;
  return [
    file.name,
    byteText(file.bytes),
    file.prompt_tokens_per_second.toFixed(1),
    file.decode_tokens_per_second.toFixed(1),
    file.perplexity.toFixed(4),
    index === 0 ? "-" : change,
    index === 0 ? "-" : percent(file.same_best_token),
    file.path,
  ];
}
