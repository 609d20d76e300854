// generation_config.json as Hugging Face writes it: text → a checked object. Reads no file.

import { checkModelValues, generationCaps, parseJson } from "@corral/contract";
import { bundleConfig, generationConfigFileName, type BundleConfig } from "./bundle-config.ts";
import { isRecord } from "./config-issues.ts";
import { mostSlots } from "./corral-settings.ts";
import { fieldError, invalidBundle } from "./invalid-bundle.ts";
import { readYaml } from "./yaml-source.ts";

/**
 * generation_config.json as an object; fails with `invalid_bundle`. A field that is not known here is passed over, as
 * Hugging Face does; a value that calls would be refused for is a mistake.
 * @param file named in the messages
 * @param config whose `defaults` lie over it
 */
export function parseGenerationConfig(
  text: string,
  file = generationConfigFileName,
  config: Pick<BundleConfig, "defaults" | "limits"> = bundleConfig({}),
): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    const detail = error instanceof Error ? error.message : "not valid JSON";
    throw invalidBundle([
      fieldError("", "invalid_parameter", `${file}: ${detail.replace("The body is", "it is")}`),
    ]);
  }
  if (!isRecord(value)) {
    throw invalidBundle([fieldError("", "invalid_parameter", `${file}: must be a JSON object.`)]);
  }
  const errors = checkModelValues(value, {
    doSample: value["do_sample"] === true || config.defaults["do_sample"] === true,
    maxSequenceCount: config.limits.slotCount ?? mostSlots,
    vocabSize: null,
    caps: generationCaps(config.limits.callCaps ?? {}),
  });
  if (errors.length === 0) return value;
  // JSON is YAML, too, which tells the lines.
  const yaml = readYaml(text);
  const lineOf = (name: string) => (yaml.kind === "parsed" ? yaml.source.lineOf([name]) : null);
  throw invalidBundle(
    errors.map(({ pointer: at, code, message }) => {
      const line = lineOf(at.slice(1));
      return fieldError("", code, `${line === null ? file : `${file} line ${line}`}: ${message}`);
    }),
  );
}
