"""Records scores before and after transformers' own logits processors (float32, ties and -inf included).

-Infinity is written as null. Each case is one processor on one row; `ids` are the tokens so far.
"""

import random

import torch
from transformers import RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from tiny_models import ENGINE_RECORDS, origin, write_record

VOCABULARY = 64
ROWS = 32
PROCESSORS = {
    "repetition_penalty": (RepetitionPenaltyLogitsProcessor, [0.5, 0.8, 1.2, 2.0]),
    "temperature": (TemperatureLogitsWarper, [0.1, 0.6, 0.7, 1.5]),
    "top_k": (TopKLogitsWarper, [1, 5, 10, 40, 64, 100]),
    "top_p": (TopPLogitsWarper, [0.0, 0.1, 0.5, 0.75, 0.9, 0.99, 1.0]),
}


def draw_row(index: int, generator: torch.Generator) -> torch.Tensor:
    """A row of scores; by its index plain, flat, peaked, with ties, with -inf or all of that."""
    kind = index % 6
    row = torch.randn(VOCABULARY, generator=generator) * [3.0, 0.1, 12.0, 2.0, 4.0, 3.0][kind]
    if kind in (3, 5):
        row = (row * 2).round() / 2
    if kind in (4, 5):
        row[torch.rand(VOCABULARY, generator=generator) < 0.3] = float("-inf")
    if index == 31:
        row[:] = 1.25
    return row


def as_list(row: torch.Tensor) -> list[float | None]:
    return [None if value == float("-inf") else value for value in row.tolist()]


def main() -> None:
    torch.set_num_threads(1)
    generator, rng = torch.Generator().manual_seed(7), random.Random(7)
    cases = []
    for index in range(ROWS):
        row = draw_row(index, generator)
        ids = [rng.randrange(VOCABULARY) for _ in range(rng.randint(1, 24))]
        outputs = []
        for name, (build, values) in PROCESSORS.items():
            value = values[index % len(values)]
            scores = build(value)(torch.tensor([ids]), row.clone()[None])[0]
            outputs.append({"processor": name, "value": value, "scores": as_list(scores)})
        cases.append({"ids": ids, "scores": as_list(row), "outputs": outputs})
    write_record(
        ENGINE_RECORDS / "processors.json", {"origin": origin(__file__), "vocabulary_size": VOCABULARY, "cases": cases}
    )


if __name__ == "__main__":
    main()
