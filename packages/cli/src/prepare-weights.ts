// One run of the program that prepares weights, with its progress shown as it goes.

import {
  preparationMessageSchema,
  ServingError,
  type PreparationConfig,
  type PreparationMessage,
  type WeightsStage,
} from "@corral/contract";
import { preparationMain, runChildProgram, type ChildEnd } from "./child-program.ts";
import type { Context } from "./command.ts";
import { Interrupted } from "./exit-codes.ts";
import { byteText } from "./table.ts";

export type PreparedWeights = Extract<PreparationMessage, { kind: "ready" }> & {
  readonly warnings: readonly string[];
};

const verbs: Readonly<Record<WeightsStage, string>> = {
  fetching: "Fetching",
  converting: "Converting",
  quantizing: "Quantising",
  checking: "Checking",
};

/** Fails with what the program failed with. */
export async function prepareWeights(
  context: Context,
  title: string,
  config: PreparationConfig,
): Promise<PreparedWeights> {
  const warnings: string[] = [];
  let last: PreparationMessage | null = null;
  const end = await context.progress.step(title, (update) =>
    runChildProgram({
      main: preparationMain,
      config,
      parse: (value) => preparationMessageSchema.parse(value),
      environment: context.environment,
      directory: context.directory,
      signal: context.signal,
      onMessage(message) {
        if (message.kind === "warning") warnings.push(message.detail);
        else if (message.kind === "progress") update(`${title}: ${progressText(message)}`);
        else last = message;
      },
    }),
  );
  const message = last as PreparationMessage | null;
  if (message?.kind === "ready") return { ...message, warnings };
  if (message?.kind === "failed") throw new ServingError(message.code, message.detail);
  throw endedEarly(context, end);
}

/** A program that ended without a last word: interrupted by us, or by what it ran into. */
export function endedEarly(context: Context, { code, signal, lastLog }: ChildEnd): Error {
  if (context.signal.aborted) return new Interrupted("Interrupted.");
  const how = signal === null ? `with ${code}` : `by ${signal}`;
  const why = lastLog === "" ? "; memory may be short, or llama.cpp refuses the file" : `:\n${lastLog}`;
  return new ServingError("internal", `The program that works on the weights was ended ${how}${why}`);
}

function progressText({ stage, progress }: Extract<PreparationMessage, { kind: "progress" }>): string {
  const { done_bytes: done, total_bytes: total, bytes_per_second: rate, eta_seconds: eta } = progress;
  const parts = [`${verbs[stage]} ${byteText(done)}`];
  if (total !== null) parts.push(`of ${byteText(total)}`);
  if (rate !== null && rate > 0) parts.push(`at ${byteText(rate)}/s`);
  if (eta !== null) parts.push(`${Math.ceil(eta)} s left`);
  return parts.join(" ");
}
