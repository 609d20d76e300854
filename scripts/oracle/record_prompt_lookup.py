"""Records which ids transformers drafts by prompt lookup, for random sequences of few different ids."""

import random

import torch
from transformers.generation.candidate_generator import PromptLookupCandidateGenerator

from tiny_models import ENGINE_RECORDS, origin, write_record

CASES = 150
END = 5


def main() -> None:
    rng = random.Random(11)
    cases = []
    for _ in range(CASES):
        ids = [rng.randrange(6) for _ in range(rng.randrange(1, 25))]
        count, size = rng.randrange(1, 9), rng.randrange(1, 5)
        generator = PromptLookupCandidateGenerator(
            eos_token_id=torch.tensor([END]), num_output_tokens=count, max_matching_ngram_size=size, max_length=1000
        )
        found, _ = generator.get_candidates(torch.tensor([ids]))
        draft = found[0, len(ids) :].tolist()
        cases.append({"ids": ids, "num_output_tokens": count, "max_matching_ngram_size": size, "draft": draft})
    record = {"origin": origin(__file__), "end_token_id": END, "cases": cases}
    write_record(ENGINE_RECORDS / "prompt-lookup.json", record)


if __name__ == "__main__":
    main()
