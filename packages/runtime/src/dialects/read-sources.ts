// The prompts of a body: one of its fields, a single prompt or, where a dialect takes them, a list. Knows no dialect.
// Source: transformers 5.23.0, pipelines/text_generation.py, __call__.

import { mostPrompts } from "@corral/contract";
import type { PromptSource } from "../prompt.ts";
import { listNames, pointerTo, show, type BodyReader } from "./body-reader.ts";
import { readMessages } from "./read-messages.ts";

export type PromptField = "prompt" | "messages" | "input_ids";

export interface PromptSources {
  readonly field: PromptField;
  /** At least one. */
  readonly sources: readonly PromptSource[];
  /** They came as a list of prompts, be it of one. */
  readonly areListed: boolean;
}

interface Given {
  readonly field: PromptField;
  readonly value: unknown;
}

/** The only prompt from exactly one of the named fields; null where an error was noted. */
export function takeSource(reader: BodyReader, names: readonly PromptField[]): PromptSource | null {
  const given = takeGiven(reader, names);
  if (given === null) return null;
  const { field, value } = given;
  // As tensors have it, ids may come as a row among rows.
  const row: unknown = field === "input_ids" && isListOfLists(value) && value.length === 1 ? value[0] : value;
  return readOne(reader, field, row, row === value ? pointerTo(field) : `${pointerTo(field)}/0`);
}

/** The prompts from exactly one of the named fields; null where an error was noted. */
export function takeSources(reader: BodyReader, names: readonly PromptField[]): PromptSources | null {
  const given = takeGiven(reader, names);
  if (given === null) return null;
  const { field, value } = given;
  const pointer = pointerTo(field);
  if (!isListed(field, value)) {
    const source = readOne(reader, field, value, pointer);
    return source === null ? null : { field, sources: [source], areListed: false };
  }
  if (value.length > mostPrompts) {
    const message = `${field} has ${value.length} prompts; at most ${mostPrompts} are taken in one call. Send several calls.`;
    reader.refuse(pointer, "invalid_parameter", message);
    return null;
  }
  const sources = value.flatMap((one, index) => readOne(reader, field, one, `${pointer}/${index}`) ?? []);
  return sources.length < value.length ? null : { field, sources, areListed: true };
}

function takeGiven(reader: BodyReader, names: readonly PromptField[]): Given | null {
  const given = names
    .map((field) => ({ field, value: reader.take(field) ?? null }))
    .filter(({ value }) => value !== null);
  const [first, second] = given;
  if (first === undefined) {
    reader.refuse("", "missing_parameter", `The body has no prompt; give ${listNames(names, "or")}.`);
    return null;
  }
  if (second === undefined) return first;
  const all = listNames(
    given.map(({ field }) => field),
    "and",
  );
  reader.refuse(pointerTo(second.field), "invalid_parameter", `${all} exclude each other; give one of them.`);
  return null;
}

/** A text is one prompt, a list of messages one chat, a list of ids one row: a list of those is several. */
function isListed(field: PromptField, value: unknown): value is unknown[] {
  return field === "prompt" ? Array.isArray(value) && value.length > 0 : isListOfLists(value);
}

function isListOfLists(value: unknown): value is unknown[][] {
  return Array.isArray(value) && value.length > 0 && value.every((one) => Array.isArray(one));
}

function readOne(
  reader: BodyReader,
  field: PromptField,
  value: unknown,
  pointer: string,
): PromptSource | null {
  switch (field) {
    case "prompt":
      return readText(reader, value, pointer);
    case "messages":
      return readMessages(reader, value, { name: nameOf(pointer), pointer });
    case "input_ids":
      return readIds(reader, value, pointer);
    default:
      return field satisfies never;
  }
}

function readText(reader: BodyReader, value: unknown, pointer: string): PromptSource | null {
  if (typeof value === "string") return { kind: "text", text: value, pointer };
  reader.refuse(pointer, "invalid_parameter", `${nameOf(pointer)} is ${show(value)}; it must be a string.`);
  return null;
}

function readIds(reader: BodyReader, value: unknown, pointer: string): PromptSource | null {
  const name = nameOf(pointer);
  if (!Array.isArray(value) || value.length === 0) {
    const message = `${name} is ${show(value)}; it must be a list of at least one token id.`;
    reader.refuse(pointer, "invalid_parameter", message);
    return null;
  }
  const ids = value as unknown[];
  const wrong = ids.findIndex((id) => !Number.isSafeInteger(id) || (id as number) < 0);
  if (wrong < 0) return { kind: "ids", ids: ids as number[], pointer };
  const message = `${name} holds ${show(ids[wrong])}; token ids are integers of at least 0.`;
  reader.refuse(`${pointer}/${wrong}`, "invalid_parameter", message);
  return null;
}

/** How a message names what stands there: `/messages/2/role` is `messages[2]/role`. */
function nameOf(pointer: string): string {
  return pointer.slice(1).replaceAll(/\/(\d+)/g, "[$1]");
}
