// The rules of group and constrained beam search, which transformers 5 has moved out of `generate`.
// Source: transformers 4.46.3, generation/configuration_utils.py, validate; utils.py, generate; beam_search.py and
// beam_constraints.py, the constructors.

import type { FieldError } from "./errors.ts";
import { wordsOf, type ValueOf } from "./generation-kinds.ts";
import { invalidValue, type PlaceOf } from "./generation-values.ts";

/** What is out of range counts as one beam: that is refused by itself. */
export function beamCountOf(valueOf: ValueOf): number {
  return countOf(valueOf, "num_beams");
}

function countOf(valueOf: ValueOf, name: string): number {
  const count = valueOf(name);
  return typeof count === "number" && count > 1 ? count : 1;
}

interface Sampling {
  readonly doSample: boolean;
}

/** Without several beams they are inert. */
export function groupBeams(valueOf: ValueOf, { doSample }: Sampling, placeOf: PlaceOf): FieldError[] {
  const name = "num_beam_groups";
  const [beamCount, groupCount] = [beamCountOf(valueOf), countOf(valueOf, name)];
  if (beamCount === 1 || groupCount === 1) return [];
  const errors: FieldError[] = [];
  const breaks = (must: string) => errors.push(invalidValue(name, must, groupCount, placeOf(name)));
  if (doSample) breaks("be 1 where `do_sample` is true, as groups of beams do not sample");
  if (beamCount % groupCount !== 0) breaks(`divide \`num_beams\`, ${beamCount}, into groups of one size`);
  const penalty = valueOf("diversity_penalty") ?? 0;
  if (penalty === 0) breaks("come with `diversity_penalty` above 0, as all groups would be the same");
  else if (typeof penalty === "number" && penalty < 0) {
    const must = `be above 0 beside \`num_beam_groups\` ${groupCount}`;
    errors.push(invalidValue("diversity_penalty", must, penalty, placeOf("diversity_penalty")));
  }
  return errors;
}

/** What is asked of every running beam at every step. */
const mostForcedWords = 256;
const mostForcedIds = 1_024;

export function forcedWords(valueOf: ValueOf, { doSample }: Sampling, placeOf: PlaceOf): FieldError[] {
  const name = "force_words_ids";
  const value = valueOf(name);
  if (value === null) return [];
  const lists = wordsOf(value);
  const words = lists.flat();
  const idCount = words.reduce((sum, { length }) => sum + length, 0);
  const endTokenIds = [valueOf("eos_token_id") ?? []].flat();
  const broken: string[] = [];
  if (beamCountOf(valueOf) === 1) broken.push("come with `num_beams` above 1: one beam has no room for them");
  if (doSample) broken.push("come with `do_sample` false, as a search for words does not sample");
  if (countOf(valueOf, "num_beam_groups") > 1)
    broken.push("come with `num_beam_groups` 1, as groups of beams search for no words");
  if (words.length > mostForcedWords || idCount > mostForcedIds)
    broken.push(`have at most ${mostForcedWords} words and ${mostForcedIds} token ids in all`);
  else if (lists.some(hasBeginning))
    broken.push("not name a word beside itself or one that it begins: the shorter one alone says the same");
  if (words.some((ids) => ids.some((id) => endTokenIds.includes(id))))
    broken.push("have no end token in a word, as it would end the sequence (see `eos_token_id`)");
  return broken.map((must) => invalidValue(name, must, value, placeOf(name)));
}

/** Whether one of the words is another or its beginning; in order of their ids such ones are neighbours. */
function hasBeginning(words: readonly (readonly number[])[]): boolean {
  const texts = words.map((ids) => ids.map((id) => `${id},`).join("")).sort();
  return texts.some((text, index) => texts[index + 1]?.startsWith(text) === true);
}
