"""Records what transformers' processors and warpers leave of real rows of logits, and of two warpers swapped.

A row is what a tiny model says after a prompt. Each configuration goes through `generate` itself, whose model is made
to answer the recorded row, so that the order of processors is transformers' own. Numbers are float32 in base64.
"""

import base64
import json
from contextlib import contextmanager

import torch
import transformers

from generate_prompts import build_prompts
from hugging_face_call import call, swapped
from record_generate import alive
from tiny_models import ENGINE_RECORDS, load_model, load_tokenizer, origin

ROWS = [("tiny-2", "code"), ("tiny-3", "cities"), ("tiny-2", "list"), ("tiny-3", "greeting")]
OFF = {"do_sample": True, "max_new_tokens": 1, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
GREEN = {"bias": 2.0}
KEYS = [654, 400, 836, 123]

ALONE = {
    "temperature": [0.1, 0.6, 0.99, 1.7, 5.0], "top_h": [0.05, 0.3, 0.7, 0.95, 1.0], "top_k": [1, 2, 7, 50, 2048],
    "top_p": [0.0, 0.2, 0.5, 0.9, 0.999], "min_p": [0.0, 0.01, 0.2, 0.9, 1.0], "typical_p": [0.001, 0.2, 0.6, 0.9, 0.999],
    "epsilon_cutoff": [1e-6, 0.001, 0.01, 0.3, 0.99], "eta_cutoff": [1e-6, 0.001, 0.01, 0.3, 0.99],
    "repetition_penalty": [0.5, 1.5], "encoder_repetition_penalty": [0.5, 2.0], "no_repeat_ngram_size": [1, 2],
    "watermarking_config": [GREEN, {"bias": 2.0, "seeding_scheme": "selfhash"}, {"ngram_len": 3, "keys": KEYS},
                            {"ngram_len": 2, "keys": KEYS, "debug_mode": True}],
    "remove_invalid_values": [True], "renormalize_logits": [True], "suppress_tokens": [[1, 2, 3, 300, 310]],
}  # fmt: skip
CHAINS = [
    {"temperature": 0.7, "top_k": 40, "top_p": 0.9}, {"temperature": 0.6, "top_p": 0.9, "top_k": 50, "repetition_penalty": 1.2},
    {"temperature": 1.5, "min_p": 0.1}, {"temperature": 2.0, "top_k": 100, "typical_p": 0.7}, {"top_p": 0.9, "epsilon_cutoff": 0.01},
    {"temperature": 1.3, "top_h": 0.8, "top_k": 20, "top_p": 0.95, "min_p": 0.02, "typical_p": 0.95, "epsilon_cutoff": 0.01, "eta_cutoff": 0.02},
    {"temperature": 0.8, "top_k": 30, "watermarking_config": GREEN, "renormalize_logits": True},
    {"suppress_tokens": [300, 301, 302], "remove_invalid_values": True, "temperature": 1.1},
    {"encoder_repetition_penalty": 1.3, "repetition_penalty": 1.4, "no_repeat_ngram_size": 2, "top_p": 0.8},
    {"sequence_bias": [[[300], 3.0], [[310], -3.0]], "repetition_penalty": 1.3, "temperature": 0.9},
    {"top_k": 25, "watermarking_config": {"ngram_len": 3, "keys": KEYS}},
]  # fmt: skip
# Two neighbours that do not commute: values to try until the swap is plain to see on few tokens.
SWAPS = [
    ("TemperatureLogitsWarper", "TopHLogitsWarper", "temperature", [2.0, 3.0, 0.5], "top_h", [0.3, 0.5, 0.7]),
    ("TopHLogitsWarper", "TopKLogitsWarper", "top_h", [0.5, 0.7, 0.85], "top_k", [3, 5, 8]),
    ("TopKLogitsWarper", "TopPLogitsWarper", "top_k", [3, 5, 9], "top_p", [0.6, 0.75, 0.85]),
    ("TopPLogitsWarper", "MinPLogitsWarper", "top_p", [0.7, 0.8, 0.9], "min_p", [0.1, 0.2, 0.4]),
    ("MinPLogitsWarper", "TypicalLogitsWarper", "min_p", [0.02, 0.1, 0.2], "typical_p", [0.3, 0.5, 0.7]),
    ("TypicalLogitsWarper", "EpsilonLogitsWarper", "typical_p", [0.3, 0.5, 0.7], "epsilon_cutoff", [0.05, 0.1, 0.2]),
    ("EpsilonLogitsWarper", "EtaLogitsWarper", "epsilon_cutoff", [0.01, 0.03, 0.1], "eta_cutoff", [0.1, 0.3, 0.5]),
    ("EtaLogitsWarper", "WatermarkLogitsProcessor", "eta_cutoff", [0.02, 0.05, 0.1, 0.3], "watermarking_config", [{"bias": 3.0}, {"bias": 5.0}]),
    # Not neighbours, and a usual mistake: truncating before the temperature.
    ("TemperatureLogitsWarper", "TopPLogitsWarper", "temperature", [2.0, 0.5], "top_p", [0.7, 0.9]),
]  # fmt: skip
MOST_TOKENS = 40
LEAST_DISTANCE = 0.12


def encode(row: torch.Tensor) -> str:
    return base64.b64encode(row.to(torch.float32).numpy().tobytes()).decode()


@contextmanager
def answering(net, row: torch.Tensor):
    """The model's last logits are these, whatever it is given."""
    hook = net.lm_head.register_forward_hook(lambda _module, _inputs, output: row.expand_as(output).clone())
    try:
        yield
    finally:
        hook.remove()


class Row:
    def __init__(self, short: str, prompt: str) -> None:
        self.tokenizer, self.net = load_tokenizer(short), load_model(short)
        self.ids = build_prompts(self.tokenizer)[prompt]
        with torch.no_grad():
            self.logits = self.net(torch.tensor([self.ids])).logits[0, -1].clone()

    def probabilities(self, parameters: dict, swap: tuple[str, str] | None = None) -> torch.Tensor:
        """In float64, of the float32 scores that transformers makes."""
        with answering(self.net, self.logits):
            if swap is None:
                outcome = call(self.net, self.tokenizer, self.ids, parameters)
            else:
                with swapped(self.net, *swap):
                    outcome = call(self.net, self.tokenizer, self.ids, parameters)
        return outcome.scores[0][0].double().softmax(-1)


def described(probabilities: torch.Tensor) -> dict:
    kept = torch.nonzero(probabilities > 0).flatten()
    return {"ids": kept.tolist(), "probabilities": encode(probabilities[kept])}


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().sum()) / 2


def record_swap(rows: list[Row], swap: tuple) -> dict:
    """The first values and row whose two orders are far apart on few tokens."""
    first, second, first_name, first_values, second_name, second_values = swap
    for index, row in enumerate(rows):
        for first_value in first_values:
            for second_value in second_values:
                parameters = OFF | {first_name: first_value, second_name: second_value}
                right = row.probabilities(parameters)
                wrong = row.probabilities(parameters, (first, second))
                count = len(torch.nonzero(right > 0))
                if 1 < count <= MOST_TOKENS and distance(right, wrong) >= LEAST_DISTANCE:
                    return {"row": index, "parameters": parameters, "processors": [first, second],
                            **described(right), "swapped": described(wrong)}  # fmt: skip
    raise ValueError(f"No value tells {first} and {second} apart.")


def main() -> None:
    transformers.logging.set_verbosity_error()
    rows = [Row(short, prompt) for short, prompt in ROWS]
    cases, turn = [], 0
    for name, values in ALONE.items():
        for value in values:
            row = turn % len(rows)
            turn += 1
            parameters = OFF | {name: value}
            cases.append({"row": row, "parameters": parameters, **described(rows[row].probabilities(parameters))})
    for chain in CHAINS:
        for row in range(2):
            parameters = OFF | chain
            cases.append({"row": row, "parameters": parameters, **described(rows[row].probabilities(parameters))})
    swaps = [record_swap(rows, swap) for swap in SWAPS]
    header = {"origin": origin(__file__), "vocabulary_size": len(rows[0].logits)}
    described_rows = [{"ids": row.ids, "logits": encode(row.logits)} for row in rows]
    parts = [f'"{name}": [\n' + ",\n".join(json.dumps(item, separators=(",", ":")) for item in items) + "\n]"
             for name, items in (("rows", described_rows), ("cases", cases), ("swaps", swaps))]  # fmt: skip
    path = ENGINE_RECORDS / "distributions.json"
    path.write_text(json.dumps(header)[:-1] + ", " + ", ".join(parts) + "}\n")
    print(path.name, path.stat().st_size, "bytes,", len(cases), "cases,", len(swaps), "swaps")


if __name__ == "__main__":
    main()
