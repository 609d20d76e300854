// What `generate` says of its parameters, said of the fields that a caller of another family gave them in.

import type { FieldError } from "@corral/contract";

/** Parameter → field. */
export type CallersWords = Readonly<Record<string, string>>;

export function errorInCallersWords(error: FieldError, words: CallersWords): FieldError {
  const [, first = "", ...rest] = error.pointer.split("/");
  const word = Object.hasOwn(words, first) ? words[first] : undefined;
  const pointer = word === undefined ? error.pointer : ["", word, ...rest].join("/");
  return { ...error, pointer, message: inCallersWords(error.message, words) };
}

/** Messages write the names of parameters between backticks. */
export function inCallersWords(message: string, words: CallersWords): string {
  return message.replaceAll(/`(\w+)`/g, (whole, name: string) => {
    const word = Object.hasOwn(words, name) ? words[name] : undefined;
    return word === undefined ? whole : `\`${word}\``;
  });
}
