// What author code can do wrong, as errors of the table.

import { ServingError } from "@corral/contract";
import type { FailedMessage } from "./protocol.ts";

const stages: Readonly<Record<FailedMessage["stage"], string>> = {
  import: "It could not be read",
  definition: "It has not what a model must have",
  construct: "Its model could not be made",
  setup_environment: "Its setup_environment failed",
  load: "Its load failed",
};

export function codeNotLoaded({
  stage,
  message,
  traceback,
  file,
  line,
}: Omit<FailedMessage, "kind">): ServingError {
  const place = file === undefined ? "" : ` (${file}${line === undefined ? "" : ` line ${line}`})`;
  const trace = traceback === undefined ? "" : `\n${traceback}`;
  // Its load may depend on what is there another time; the rest of it is as it was pushed.
  const code = stage === "load" || stage === "setup_environment" ? "code_load_failed" : "code_not_loaded";
  return new ServingError(
    code,
    `The model's code cannot be loaded. ${stages[stage]}${place}: ${message}${trace}`,
  );
}
