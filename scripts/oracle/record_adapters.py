"""Records greedy token ids of the tiny models with LoRA adapters, merged into their weights in float32.

The adapters' matrices come of a formula that packages/weights/src/testing/sample-adapter.ts has as
well. Merging is W + alpha / rank * B A, on the matrices as the GGUF holds them; Q and K are then
reordered as gguf_to_hf.py does. Cases with a margin near a tie are left out.
"""

import re

import gguf
import numpy as np
import torch

from record_greedy import PROMPTS, greedy, prompt_ids
from tiny_models import MODELS, RUNTIME_RECORDS, gguf_path, load_model, load_tokenizer, origin, write_record

# `tiny_models` has put its folder on the path.
from gguf_to_hf import halves_from_pairs, hugging_face_name

MATRICES = r"\.(attn|ffn)_[a-z]+\.weight$"
# Name → settings of `writeSampleAdapter`.
ADAPTERS = {
    "tiny-2": {
        "attention": {"seed": 1, "targets": r"attn_[qkv]\.weight$", "rank": 8, "amplitude": 0.125, "alpha": 16},
        "everything": {
            "seed": 2,
            "targets": r"^(token_embd|output)\.weight$|" + MATRICES,
            "rank": 2,
            "amplitude": 0.125,
            "alpha": 4,
        },
    },
    "tiny-3": {
        "all": {"seed": 3, "targets": MATRICES, "rank": 4, "amplitude": 0.125, "alpha": 8},
        "one": {"seed": 4, "targets": r"blk\.1\.ffn_down\.weight$", "rank": 1, "amplitude": 0.5, "alpha": 2},
    },
}
LEAST_MARGIN = 2e-3
WORD = 0xFFFFFFFF


def values(seed: int, count: int, amplitude: float) -> np.ndarray:
    """Exact in float32; see `valueAt` there."""
    index = np.arange(1, count + 1, dtype=np.uint64)
    mixed = (index * 0x9E3779B1 & WORD) ^ (np.uint64((seed + 1) * 0x85EBCA6B & WORD))
    mixed = (mixed ^ (mixed >> np.uint64(15))) * np.uint64(0x2C1B3C6D) & np.uint64(WORD)
    mixed = mixed ^ (mixed >> np.uint64(13))
    return ((((mixed >> np.uint64(8)) % np.uint64(2049)).astype(np.float64) / 1024 - 1) * amplitude).astype(np.float32)


def deltas(short: str, settings: dict) -> dict[str, np.ndarray]:
    """By Hugging Face's names, what is added to the weights."""
    found, place = {}, 0
    rank, amplitude = settings["rank"], settings["amplitude"]
    for tensor in gguf.GGUFReader(gguf_path(short)).tensors:
        if "_norm" in tensor.name or re.search(settings["targets"], tensor.name) is None:
            continue
        width, height = (int(length) for length in tensor.shape)
        length_a, length_b = (height, width) if tensor.name == "token_embd.weight" else (width, height)
        seeds = [settings["seed"] * 1000 + place + half for half in (0, 1)]
        place += 2
        a = values(seeds[0], length_a * rank, amplitude).astype(np.float64)
        b = values(seeds[1], length_b * rank, amplitude).astype(np.float64).reshape(length_b, rank)
        if tensor.name == "token_embd.weight":
            delta = a.reshape(length_a, rank) @ b.T
        else:
            delta = b @ a.reshape(rank, length_a)
        found[tensor.name] = delta * (settings["alpha"] / rank)
    return found


def merged(short: str, settings: dict | None):
    net = load_model(short)
    weights = net.state_dict()
    for name, delta in ({} if settings is None else deltas(short, settings)).items():
        for part, heads in (("attn_q", net.config.num_attention_heads), ("attn_k", net.config.num_key_value_heads)):
            if f".{part}." in name:
                delta = halves_from_pairs(delta, heads)
        weight = weights[hugging_face_name(name)]
        weight.copy_(torch.from_numpy((weight.numpy().astype(np.float64) + delta).astype(np.float32)))
    return net


def main() -> None:
    for short in MODELS:
        tokenizer = load_tokenizer(short)
        cases = []
        for name, settings in {None: None, **ADAPTERS[short]}.items():
            net = merged(short, settings)
            for case in PROMPTS:
                ids = prompt_ids(tokenizer, case)
                generated, margins = greedy(net, ids, [-1])
                if min(margins) < LEAST_MARGIN:
                    continue
                cases.append({"adapter": name, "prompt_ids": ids, "generated_ids": generated, "margin": min(margins)})
        record = {"origin": origin(__file__, short), "adapters": ADAPTERS[short], "cases": cases}
        counts = {name: sum(case["adapter"] == name for case in cases) for name in (None, *ADAPTERS[short])}
        print(short, counts)
        assert min(counts.values()) >= 3
        write_record(RUNTIME_RECORDS / f"adapters-{short}.json", record)


if __name__ == "__main__":
    main()
