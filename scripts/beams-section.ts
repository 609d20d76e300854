// What docs/generate.md says of beams beyond the table of parameters.

const search = "../packages/engine/src/strategies/beams/beam-search.ts";
const stream = "../packages/engine/src/beams-stream.test.ts";
const batch = "../packages/engine/src/beams.property.test.ts";

export const beamsSection: readonly string[] = [
  "## Beams",
  "",
  "With `num_beams` above 1 so many continuations of a prompt are followed side by side, and the best of what they come to",
  `is returned: [beam search](${search}), or beam sampling where \`do_sample\` is true. Ranking, length penalty and the three`,
  "meanings of `early_stopping` are those of transformers 5.23.0, in float32.",
  "",
  "- **Cost.** The prompt is computed once for all beams, then every step computes one token of each. A call takes a slot",
  "  for each beam, and cells for the prompt and for beams × new tokens at most, as what beams have in common is kept once;",
  "  both count twice with guidance, and caps on tokens count every beam. A search ends at its own time, not with its best",
  "  text: `max_new_tokens` bounds it, and `early_stopping: true` shortens it.",
  `- **Batches.** Beams are computed in the same steps as everybody else's sequences and change none of them`,
  `  ([test](${batch})). A search is admitted whole and, where cells run out, gives way and comes back whole, with the same`,
  "  result. Each prompt of a list is searched by itself.",
  "- **Streams.** Sent is what can no longer change: what all running beams and every finished text that may still win",
  `  begin with ([test](${stream})). That is often little until the end. Several returned sequences are not streamed: which`,
  "  is the best is known at the end alone.",
  "- **Beam sampling** draws its candidates without replacement from all continuations of all beams, with the call's `seed`:",
  "  the same seed gives the same texts, whatever runs beside it. Which numbers are drawn is not PyTorch's.",
  "- **Guidance.** Each beam has a context without guidance of its own, which is copied and dropped with it.",
  "- **Drafts**, by prompt lookup or a draft model, are left out beside beams, with a warning.",
  "- **Groups of beams and forced words** are those of transformers 4.46, which transformers 5 no longer has: the",
  "  deviations below name what differs.",
  "- **Answers.** With `return_dict_in_generate` Corral's own call tells `beam_indices`, with `output_scores` the",
  "  `sequences_scores`, too. Its `scores` and `logits` have a row for each returned sequence, not for each beam.",
  "",
];
