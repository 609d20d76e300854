"""Records how often transformers' beam sampling gives which sequence, with a random Llama of a few tokens.

Its logits after every history that may come up are recorded too, so that others need no weights. Rows of one batch are
searched for themselves: one that is done is frozen while others go on.
"""

import itertools
import json
from collections import Counter

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

from tiny_models import ENGINE_RECORDS, origin

VOCABULARY = 12
PROMPT = [1]
ENDS, PAD = [4, 11], 0
LENGTH = 3
RUNS, BATCH = 20_000, 500
SEARCHES = [
    {"num_beams": 2, "length_penalty": 1.0},
    {"num_beams": 3, "length_penalty": 1.0},
    {"num_beams": 2, "length_penalty": 0.0, "early_stopping": True},
]


def random_llama() -> LlamaForCausalLM:
    torch.manual_seed(11)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=16, bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    net = LlamaForCausalLM(config).eval()
    # Otherwise all tokens are about equally likely.
    net.lm_head.weight.data *= 14
    return net


def table(net: LlamaForCausalLM) -> dict[str, list[float]]:
    """By the new ids so far, joined by commas."""
    rows = {}
    for length in range(LENGTH):
        for history in itertools.product(range(VOCABULARY), repeat=length):
            logits = net(torch.tensor([[*PROMPT, *history]])).logits[0, -1]
            rows[",".join(map(str, history))] = [float(f"{logit:.6g}") for logit in logits.tolist()]
    return rows


def count(net: LlamaForCausalLM, parameters: dict) -> dict[str, int]:
    torch.manual_seed(3)
    counts: Counter[str] = Counter()
    batch = torch.tensor([PROMPT] * BATCH)
    for _ in range(RUNS // BATCH):
        found = net.generate(
            batch, attention_mask=torch.ones_like(batch), do_sample=True, top_k=0, max_new_tokens=LENGTH, eos_token_id=ENDS,
            pad_token_id=PAD, return_dict_in_generate=True, output_scores=True, output_logits=True, **parameters,
        )  # fmt: skip
        for ids, beams in zip(found.sequences[:, len(PROMPT) :].tolist(), found.beam_indices.tolist()):
            length = sum(1 for beam in beams if beam >= 0)
            counts[",".join(map(str, ids[:length]))] += 1
    return dict(counts.most_common())


def main() -> None:
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    net = random_llama()
    with torch.no_grad():
        record = {
            "origin": origin(__file__), "prompt": PROMPT, "vocabulary_size": VOCABULARY, "ends": ENDS, "length": LENGTH,
            "runs": RUNS, "logits": table(net),
            "searches": [{"parameters": each, "counts": count(net, each)} for each in SEARCHES],
        }  # fmt: skip
    path = ENGINE_RECORDS / "beam-sampling.json"
    lines = [f"{json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}" for name, value in record.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(path.name, path.stat().st_size, "bytes,", [len(each["counts"]) for each in record["searches"]], "outcomes")


if __name__ == "__main__":
    main()
