"""A caller's JSON parameters as a call of transformers' `generate`, its steps kept, noise and swaps added at will."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import GenerationConfig, SynthIDTextWatermarkingConfig

# Transformers wants a float where JSON may have an integer.
FLOATS = {
    "temperature", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff", "repetition_penalty",
    "encoder_repetition_penalty", "guidance_scale", "length_penalty", "max_time",
}  # fmt: skip
TENSORS = {"attention_mask", "negative_prompt_ids", "negative_prompt_attention_mask"}


@dataclass
class Outcome:
    """Rows of new ids; scores and logits as [step][row] tensors; of beams also what each row is worth and comes from."""

    rows: list[list[int]]
    scores: list[torch.Tensor]
    logits: list[torch.Tensor]
    sequences_scores: list[float] = field(default_factory=list)
    beam_indices: list[list[int]] = field(default_factory=list)

    def margins(self, ends: list[int]) -> list[float]:
        """Of each step: by how much the best score leads, in the row not yet ended where that is least."""
        found = []
        for index, step in enumerate(self.scores):
            best = step.topk(2, dim=-1).values
            lead = best[:, 0] - best[:, 1]
            lead = torch.where(torch.isnan(lead), torch.inf, lead).tolist()
            going_on = [row for row, ids in enumerate(self.rows) if not set(ids[:index]) & set(ends)]
            found.append(min((lead[row] for row in going_on), default=float("inf")))
        return found


def translate(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in FLOATS:
        return float(value)
    if name == "sequence_bias":
        return [[ids, float(bias)] for ids, bias in value]
    if name == "exponential_decay_length_penalty":
        return (value[0], float(value[1]))
    if name == "watermarking_config" and "ngram_len" in value:
        return SynthIDTextWatermarkingConfig(**value)
    if name == "generation_config":
        return GenerationConfig(**{key: translate(key, inner) for key, inner in value.items()})
    if name in TENSORS:
        return torch.tensor(value if isinstance(value[0], list) else [value])
    return value


def call(net, tokenizer, input_ids: list, parameters: dict) -> Outcome:
    """`input_ids` is one prompt or several of one length."""
    rows = input_ids if isinstance(input_ids[0], list) else [input_ids]
    arguments = {name: translate(name, value) for name, value in parameters.items()}
    stops = parameters.get("stop_strings") or parameters.get("generation_config", {}).get("stop_strings")
    if stops is not None:
        arguments["tokenizer"] = tokenizer
    arguments |= {"return_dict_in_generate": True, "output_scores": True, "output_logits": True}
    with torch.no_grad():
        given = net.generate(torch.tensor(rows), **arguments)
    outcome = Outcome([row[len(rows[0]) :].tolist() for row in given.sequences], list(given.scores), list(given.logits))
    if "beam_indices" in given:
        outcome.sequences_scores = given.sequences_scores.tolist()
        outcome.beam_indices = given.beam_indices.tolist()
    return outcome


@contextmanager
def noisy(net, size: float, seed: int):
    """Every logit of every context is off by up to `size`."""
    generator = torch.Generator().manual_seed(seed)
    hook = net.lm_head.register_forward_hook(
        lambda _module, _inputs, output: output + (torch.rand(output.shape, generator=generator) * 2 - 1) * size
    )
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def swapped(net, first: str, second: str):
    """The two processors, named by class, act in the other order; fails where one of them does not act."""
    original = net._get_logits_processor

    def build(*arguments, **named):
        processors = original(*arguments, **named)
        names = [type(processor).__name__ for processor in processors]
        left, right = names.index(first), names.index(second)
        processors[left], processors[right] = processors[right], processors[left]
        return processors

    net._get_logits_processor = build
    try:
        yield
    finally:
        del net._get_logits_processor
