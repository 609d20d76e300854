// `truss_validation`: the config as the Truss command sends it, expanded and as JSON, through the parser that will
// read the archive's.

import { cleanPath, configFileName, parseConfig } from "@corral/bundle";
import { ServingError, asServingError } from "@corral/contract";

export interface Validation {
  readonly success: boolean;
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

const largestConfigBytes = 1 << 20;

/** @param encoded base64 of the config's JSON */
export function validateConfig(encoded: string): Validation {
  const text = Buffer.from(encoded, "base64").toString("utf8");
  if (Buffer.byteLength(text) > largestConfigBytes) {
    return { success: false, errors: ["config must have at most 1 MiB."], warnings: [] };
  }
  const problems: (readonly string[])[] = [];
  // The archive is not here yet, so what the config names is taken to lie there; without code an engine answers.
  const config = parsed(text);
  for (const paths of [[codePathOf(config), ...requirementsFileOf(config)], []]) {
    try {
      const { withoutEffect } = parseConfig(text, paths);
      const warnings = withoutEffect.map(({ field, reason }) => `${field} has no effect here. ${reason}`);
      return { success: true, errors: [], warnings };
    } catch (error) {
      const { code, errors, message } = asServingError(error);
      if (code !== "invalid_bundle") throw error;
      problems.push(errors.length === 0 ? [message] : errors.map((one) => withoutLine(one.message)));
    }
  }
  return { success: false, errors: problems[0] ?? [], warnings: [] };
}

/** The text came as one line, which says nothing to its author. */
function withoutLine(message: string): string {
  return message.replace(new RegExp(`^${configFileName.replace(".", "\\.")} line \\d+: `), "");
}

function codePathOf(config: Readonly<Record<string, unknown>>): string {
  const word = (name: string, fallback: string) => {
    const value = config[name];
    return typeof value === "string" ? value : fallback;
  };
  return `${word("model_module_dir", "model")}/${word("model_class_filename", "model.py")}`;
}

/** Whether it is there is seen once the archive is. */
function requirementsFileOf(config: Readonly<Record<string, unknown>>): string[] {
  const { requirements_file: file } = config;
  return typeof file === "string" ? [cleanPath(file)] : [];
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Said below.
  }
  throw new ServingError("invalid_parameter", "config must be the base64 of a JSON object.");
}
