"""Records scores before and after transformers' own logits processors: each alone, each pair of neighbours, whole chains.

A case has the parameters as `generate` takes them; transformers itself makes the list of processors from them. Scores are
float32 in base64, little-endian. `kept` instead of `scores` says that nothing changed but that all other ids became
-Infinity. `unordered` marks results that depend on how torch happens to sort equal scores.
"""

import base64
import itertools
import math
import random
from types import SimpleNamespace

import torch
from transformers import GenerationConfig, GenerationMixin
from transformers.generation.configuration_utils import SynthIDTextWatermarkingConfig, WatermarkingConfig

from tiny_models import ENGINE_RECORDS, origin, write_record

VOCABULARY = 64
MAX_LENGTH = 20
EOS = [3, 11]
INF = float("inf")

# ---------------------------------------------------------------------------------------------------------------------
# Rows


def normal(generator: torch.Generator, spread: float) -> torch.Tensor:
    return torch.randn(VOCABULARY, generator=generator) * spread


def halves(*exponents: int) -> torch.Tensor:
    """Probabilities in the ratio of powers of 1/2, which softmax computes without rounding; the rest -Infinity."""
    row = torch.full((VOCABULARY,), -INF)
    row[: len(exponents)] = torch.tensor([-math.log(2) * exponent for exponent in exponents])
    return row


def make_rows() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    rows = {
        "plain": normal(generator, 3.0),
        "plain-2": normal(generator, 2.0),
        "plain-3": normal(generator, 4.0),
        "flat": normal(generator, 0.1),
        "peaked": normal(generator, 12.0),
        "ties": (normal(generator, 2.0) * 2).round() / 2,
        "banned": normal(generator, 3.0),
        "banned-ties": (normal(generator, 3.0) * 2).round() / 2,
        "equal": torch.full((VOCABULARY,), 1.25),
        "one": torch.full((VOCABULARY,), -INF),
        "few": torch.full((VOCABULARY,), -INF),
        "far": normal(generator, 60.0),
        "invalid": normal(generator, 3.0),
        "worked": torch.full((VOCABULARY,), -INF),
        # Probabilities 1/2, 1/4, 1/4; 1/4 and six of 1/8; 1/2, 1/4, 1/8, 1/16, 1/16; four of 1/4.
        "halves-3": halves(0, 1, 1),
        "halves-7": halves(0, 1, 1, 1, 1, 1, 1),
        "halves-5": halves(0, 1, 2, 3, 3),
        "halves-4": halves(0, 0, 0, 0),
    }
    # Adding 0 makes -0 a plain 0, which transformers itself does in some processors and not in others.
    rows = {name: row + 0.0 for name, row in rows.items()}
    for name in ("banned", "banned-ties"):
        rows[name][torch.rand(VOCABULARY, generator=generator) < 0.3] = -INF
    rows["one"][5] = -2.5
    rows["few"][[2, 3, 40]] = torch.tensor([1.0, 0.5, -1.0])
    rows["invalid"][[1, 2, 3]] = torch.tensor([float("nan"), INF, -INF])
    rows["worked"][:6] = torch.tensor([2, 1, 0.5, 0.5, -1, -3])
    return rows


# ---------------------------------------------------------------------------------------------------------------------
# Running transformers


class Model(GenerationMixin):
    """What `_get_logits_processor` and guidance need of a model: an unconditional context that always says the same."""

    def __init__(self, unconditional: torch.Tensor):
        self.config = SimpleNamespace(
            is_encoder_decoder=False, get_text_config=lambda: SimpleNamespace(vocab_size=VOCABULARY)
        )
        self.unconditional = unconditional

    def __call__(self, input_ids, **_):
        return SimpleNamespace(logits=self.unconditional[None, None], get=lambda *_: None)


def watermark_of(value: dict | None):
    if value is None:
        return None
    return SynthIDTextWatermarkingConfig(**value) if "ngram_len" in value else WatermarkingConfig(**value)


DEFAULTS = dict(do_sample=True, top_k=0, max_length=MAX_LENGTH, num_beams=1, eos_token_id=EOS)


def processors_of(parameters: dict, prompt: list[int], unconditional: torch.Tensor):
    config = GenerationConfig()
    parameters = {**DEFAULTS, **parameters}
    parameters["watermarking_config"] = watermark_of(parameters.get("watermarking_config"))
    for name, value in parameters.items():
        setattr(config, name, value)
    eos = parameters["eos_token_id"]
    config._eos_token_tensor = None if eos is None else torch.tensor(eos)
    ids = torch.tensor([prompt])
    return Model(unconditional)._get_logits_processor(
        config,
        input_ids_seq_length=len(prompt),
        encoder_input_ids=ids,
        device="cpu",
        model_kwargs={"attention_mask": torch.ones_like(ids)},
    )


WARPERS = {
    "TemperatureLogitsWarper",
    "TopHLogitsWarper",
    "TopKLogitsWarper",
    "TopPLogitsWarper",
    "MinPLogitsWarper",
    "TypicalLogitsWarper",
    "EpsilonLogitsWarper",
    "EtaLogitsWarper",
}


def splits_ties(before: torch.Tensor, after: torch.Tensor) -> bool:
    """Whether of equal scores some stayed and some went."""
    removed = set(before[(after == -INF) & (before > -INF)].tolist())
    return bool(removed & set(before[after > -INF].tolist()))


def run(parameters: dict, prompt: list[int], tokens: list[int], row: torch.Tensor, unconditional: torch.Tensor):
    """The result at `tokens`, after all earlier steps, as SynthID's state counts calls; whether equal scores were split."""
    processors = processors_of(parameters, prompt, unconditional)
    for length in range(len(prompt), len(tokens) + 1):
        if length < len(tokens) and "watermarking_config" not in parameters:
            continue
        ids, scores, unordered = torch.tensor([tokens[:length]]), row.clone()[None], False
        for processor in processors:
            before = scores[0].clone()
            scores = processor(ids, scores)
            if type(processor).__name__ in WARPERS:
                unordered = unordered or splits_ties(before, scores[0])
    return scores[0], unordered


# ---------------------------------------------------------------------------------------------------------------------
# Cases

SYNTHID = dict(ngram_len=5, keys=[654, 400, 836, 123, 340, 443, 597, 160, 57])

# Every parameter with values that matter, in the order of `_get_logits_processor`.
VALUES: dict[str, list] = {
    "guidance_scale": [1.5, 0.5, 3.0, 0.0, -1.0],
    "sequence_bias": [
        [[[7], 2.5], [[9], -1.0]],
        [[[20, 21, 22], 4.0], [[21, 22], 1.5], [[22], 0.25], [[21, 22], -0.75]],
        [[[22, 23], 5.0], [[21, 22, 23], 0.1], [[23], 0.7], [[4, 5, 6], 9.0]],
        [[[50, 51, 23], 1.0]],
    ],
    "encoder_repetition_penalty": [0.5, 1.3, 2.0],
    "repetition_penalty": [0.5, 0.8, 1.2, 2.0],
    "no_repeat_ngram_size": [1, 2, 3, 4],
    "encoder_no_repeat_ngram_size": [1, 2, 3, 4],
    "bad_words_ids": [[[7]], [[20, 21, 22], [21, 22, 23], [3]], [[22, 30], [3, 4], [11]], [[60, 21, 22, 23]]],
    "min_length": [5, 8, 9, 10],
    "min_new_tokens": [1, 3, 4, 5],
    "forced_bos_token_id": [12],
    "forced_eos_token_id": [3, [3, 11, 40]],
    "remove_invalid_values": [True],
    "exponential_decay_length_penalty": [[0, 1.5], [2, 1.2], [3, 2.0], [4, 1.5], [1, 0.5]],
    "suppress_tokens": [[0, 1, 2], [3, 63]],
    "begin_suppress_tokens": [[0, 3, 5, 22]],
    "temperature": [0.1, 0.6, 0.7, 1.5],
    "top_h": [0.2, 0.4, 0.5, 0.6, 0.9, 1.0],
    "top_k": [1, 3, 5, 10, 40, 64, 100],
    "top_p": [0.0, 0.1, 0.5, 0.6, 0.75, 0.8, 0.9, 0.99],
    "min_p": [0.0, 0.05, 0.1, 0.25, 0.3, 0.5, 1.0],
    "typical_p": [0.1, 0.2, 0.5, 0.75, 0.9, 0.99],
    "epsilon_cutoff": [0.0003, 0.02, 0.0625, 0.125, 0.2, 0.25, 0.6],
    "eta_cutoff": [0.0003, 0.02, 0.0625, 0.1, 0.25, 0.3],
    "watermarking_config": [
        {"greenlist_ratio": 0.25, "bias": 2.0},
        {"greenlist_ratio": 0.5, "bias": 1.25, "hashing_key": 123457},
        {"seeding_scheme": "selfhash", "bias": 2.0, "context_width": 1},
        {"seeding_scheme": "selfhash", "bias": -3.0, "context_width": 4, "hashing_key": 900000000001},
        {"context_width": 9},
        {"context_width": 10},
        SYNTHID,
        {**SYNTHID, "ngram_len": 2, "context_history_size": 2},
        {**SYNTHID, "ngram_len": 3, "skip_first_ngram_calls": True, "sampling_table_seed": 5},
        {**SYNTHID, "ngram_len": 2, "sampling_table_size": 10007, "keys": [2**40 + 3, 17]},
        {**SYNTHID, "debug_mode": True},
    ],
    "renormalize_logits": [True],
}

PROMPT = [20, 21, 22, 23, 4]
# Ends as the prompt begins, and has two tokens of it twice.
TOKENS = [*PROMPT, 7, 20, 21, 22]
REPEATED = [20, 21, 20, 21, 20, 21, 20, 21, 20]
WARPER_ROWS = ["plain", "flat", "peaked", "ties", "banned", "banned-ties", "equal", "one", "few", "far", "worked"]
EXACT_ROWS = ["halves-3", "halves-7", "halves-5", "halves-4"]
PROCESSOR_ROWS = ["plain", "ties", "banned"]
FIRST_WARPER, LAST_WARPER = "temperature", "eta_cutoff"


def is_warper(name: str) -> bool:
    names = list(VALUES)
    return names.index(FIRST_WARPER) <= names.index(name) <= names.index(LAST_WARPER)


def contexts(name: str) -> list[tuple[list[int], list[int]]]:
    """(prompt, tokens): in the middle, and where the parameter begins or ceases to act."""
    middle = [(PROMPT, TOKENS)]
    if name == "forced_bos_token_id":
        return [([20], [20]), ([20], [20, 21]), ([20, 21], [20, 21])]
    if name == "forced_eos_token_id":
        return [*middle, (PROMPT, [*TOKENS, *range(30, 40)]), (PROMPT, [*TOKENS, *range(30, 41)])]
    if name == "begin_suppress_tokens":
        return [*middle, (PROMPT, PROMPT), (PROMPT, [*PROMPT, 9]), ([20], [20])]
    if name in ("no_repeat_ngram_size", "encoder_no_repeat_ngram_size"):
        return [*middle, (REPEATED[:6], REPEATED), ([20], [20]), ([20, 21], [20, 21]), ([20, 21, 20], [20, 21, 20])]
    if name == "watermarking_config":
        # Contexts that came one, two and three positions before, and zeros as they are before the first token.
        repeated = [[1, 9, 9, 9, 9], [1, 9, 8, 9], [1, 9, 8, 7, 9], [1, 0, 0, 0, 0, 0]]
        return [*middle, ([20], [20]), *(([1], tokens) for tokens in repeated)]
    if name in ("sequence_bias", "bad_words_ids"):
        return [*middle, ([22], [22]), (PROMPT, [*TOKENS, 23])]
    return middle


def alone():
    for name, values in VALUES.items():
        rows = [*WARPER_ROWS, *EXACT_ROWS] if is_warper(name) else PROCESSOR_ROWS
        if name == "top_h":
            # Half of 64 equal scores has half of the entropy, and all tokens all of it: torch's last bit decides.
            rows = [row for row in rows if row != "equal"]
        if name == "remove_invalid_values":
            rows = ["plain", "banned", "invalid"]
        if name == "renormalize_logits":
            rows = ["plain", "flat", "peaked", "banned", "far", "one"]
        for index, (value, (prompt, tokens)) in enumerate(itertools.product(values, contexts(name))):
            # Every row for warpers; processors touch ids, not shapes, so that one row each is enough.
            chosen = rows if is_warper(name) or name in ("remove_invalid_values", "renormalize_logits") else [
                rows[index % len(rows)]
            ]
            for row in ["halves-4"] if (name, value) == ("top_h", 1.0) else chosen:
                yield {name: value}, prompt, tokens, row


def pairs():
    """Neighbours of the order; where both need a special place in the sequence, that place."""
    rng = random.Random(11)
    names = list(VALUES)
    values = {**VALUES, "top_h": VALUES["top_h"][:-1]}
    for first, second in zip(names, names[1:]):
        both_warp = is_warper(first) and is_warper(second)
        places = [
            (prompt, tokens)
            for prompt, tokens in dict.fromkeys(
                (tuple(prompt), tuple(tokens)) for prompt, tokens in [*contexts(first), *contexts(second)]
            )
        ]
        combinations = list(itertools.product(values[first], values[second], places))
        rng.shuffle(combinations)
        rows = ["plain", "flat", "peaked", "banned", "worked"] if both_warp else ["plain", "banned", "plain-3"]
        for index, (one, other, (prompt, tokens)) in enumerate(combinations[: 16 if both_warp else 8]):
            yield {first: one, second: other}, list(prompt), list(tokens), rows[index % len(rows)]


def meeting():
    """Neighbours, and others that the order matters for, made to meet on one token."""
    at_end = [*TOKENS, *range(30, 40)]
    meetings = [
        ({"guidance_scale": 1.5, "sequence_bias": [[[7], 2.5]]}, PROMPT, TOKENS),
        ({"sequence_bias": [[[20], 2.5], [[21], -4.0]], "encoder_repetition_penalty": 1.5}, PROMPT, TOKENS),
        ({"encoder_repetition_penalty": 1.5, "repetition_penalty": 1.3}, PROMPT, TOKENS),
        ({"sequence_bias": [[[20], 2.5], [[7], -4.0]], "repetition_penalty": 1.5}, PROMPT, TOKENS),
        ({"min_length": 30, "forced_eos_token_id": 3}, PROMPT, at_end),
        ({"min_new_tokens": 30, "forced_eos_token_id": [3, 11]}, PROMPT, at_end),
        ({"min_new_tokens": 5, "forced_bos_token_id": 3}, [20], [20]),
        ({"min_length": 5, "forced_bos_token_id": 3}, [20], [20]),
        ({"bad_words_ids": [[12]], "forced_bos_token_id": 12}, [20], [20]),
        ({"forced_bos_token_id": 12, "forced_eos_token_id": 3, "max_length": 2}, [20], [20]),
        ({"forced_eos_token_id": 3, "remove_invalid_values": True}, PROMPT, at_end),
        ({"min_length": 30, "remove_invalid_values": True}, PROMPT, TOKENS),
        ({"min_new_tokens": 30, "exponential_decay_length_penalty": [1, 1.5]}, PROMPT, TOKENS),
        ({"remove_invalid_values": True, "exponential_decay_length_penalty": [1, 1.5]}, PROMPT, TOKENS),
        ({"exponential_decay_length_penalty": [1, 1.5], "suppress_tokens": [3]}, PROMPT, TOKENS),
        ({"remove_invalid_values": True, "suppress_tokens": [3]}, PROMPT, TOKENS),
        ({"forced_eos_token_id": [3, 11], "suppress_tokens": [3]}, PROMPT, at_end),
        ({"forced_bos_token_id": 12, "begin_suppress_tokens": [12, 13]}, [20], [20]),
        ({"forced_bos_token_id": 12, "begin_suppress_tokens": [12, 13]}, [20], [20, 12]),
        ({"begin_suppress_tokens": [3, 7], "temperature": 0.5}, PROMPT, PROMPT),
        ({"eta_cutoff": 0.1, "watermarking_config": {"bias": 5.0, "greenlist_ratio": 0.5}}, PROMPT, TOKENS),
        ({"watermarking_config": {"bias": 5.0}, "renormalize_logits": True}, PROMPT, TOKENS),
        ({"watermarking_config": SYNTHID, "renormalize_logits": True}, PROMPT, TOKENS),
        ({"guidance_scale": 1.5, "repetition_penalty": 1.5}, PROMPT, TOKENS),
    ]
    for parameters, prompt, tokens in meetings:
        for row in ("plain", "banned", "invalid") if "remove_invalid_values" in parameters else ("plain", "banned"):
            yield parameters, prompt, tokens, row


CHAINS = [
    {"temperature": 0.6, "top_p": 0.9, "top_k": 50},
    {"temperature": 0.1, "top_p": 0.75, "top_k": 40},
    {"temperature": 0.8, "top_k": 20, "top_p": 0.95, "repetition_penalty": 1.1},
    {"temperature": 1.5, "min_p": 0.1, "top_k": 0},
    {"temperature": 1.2, "top_k": 40, "top_p": 0.9, "min_p": 0.05},
    {"temperature": 0.9, "typical_p": 0.8, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
    {"temperature": 1.3, "top_h": 0.6, "renormalize_logits": True},
    {"epsilon_cutoff": 0.01, "eta_cutoff": 0.02, "temperature": 1.1},
    {"top_k": 30, "typical_p": 0.6, "eta_cutoff": 0.03, "min_new_tokens": 6, "suppress_tokens": [4, 5]},
    {"guidance_scale": 1.5, "temperature": 0.7, "top_k": 20, "repetition_penalty": 1.2},
    {"bad_words_ids": [[7], [21, 22, 23]], "sequence_bias": [[[22, 8], 3.0]], "temperature": 0.7, "top_p": 0.8},
    {"do_sample": False, "repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "min_length": 12, "temperature": 0.5},
    {"top_k": 10, "watermarking_config": {"bias": 2.5}, "renormalize_logits": True},
    {"top_k": 12, "watermarking_config": SYNTHID, "temperature": 0.7},
    {
        "sequence_bias": [[[7], 1.0]],
        "encoder_repetition_penalty": 1.2,
        "repetition_penalty": 1.1,
        "no_repeat_ngram_size": 3,
        "encoder_no_repeat_ngram_size": 4,
        "bad_words_ids": [[9]],
        "min_length": 7,
        "min_new_tokens": 2,
        "exponential_decay_length_penalty": [2, 1.1],
        "suppress_tokens": [10],
        "temperature": 0.9,
        "top_k": 50,
        "top_p": 0.95,
        "min_p": 0.01,
        "typical_p": 0.95,
        "epsilon_cutoff": 0.0005,
        "eta_cutoff": 0.0005,
        "renormalize_logits": True,
    },
]


def chains():
    for parameters in CHAINS:
        for row in ("plain", "plain-2", "plain-3", "flat", "peaked", "banned"):
            yield parameters, PROMPT, TOKENS, row


def kept_for_beams():
    """Truncating warpers keep one token more than there are end tokens: 2 and 3."""
    for name in ("top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"):
        for value in VALUES[name]:
            for eos, row in (([3], "plain"), (EOS, "peaked"), (EOS, "worked"), ([3], "one"), (EOS, "banned")):
                yield {name: value, "num_beams": 2, "eos_token_id": eos}, PROMPT, TOKENS, row
    for row in ("plain", "peaked", "flat"):
        yield {"temperature": 0.6, "top_k": 50, "top_p": 0.5, "num_beams": 4}, PROMPT, TOKENS, row


def without_end():
    for name, value in (("min_length", 30), ("min_new_tokens", 30)):
        yield {name: value, "eos_token_id": None}, PROMPT, TOKENS, "plain"


# ---------------------------------------------------------------------------------------------------------------------
# Watermarks at the vocabularies of real models


def permutation_start(seed: int, size: int, count: int) -> list[int]:
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed))[:count].tolist()


def watermark_goldens() -> dict:
    key = 15485863
    bits = torch.randint(0, 2, (64,), generator=torch.Generator().manual_seed(0)).tolist()
    processor = SynthIDTextWatermarkingConfig(**SYNTHID).construct_processor(32000, "cpu")
    context = torch.zeros((1, SYNTHID["ngram_len"] - 1), dtype=torch.int64)
    tokens = [0, 1, 15043]
    keys, _ = processor._compute_keys(context, torch.tensor([tokens]))
    return {
        "permutations": [
            {"seed": seed % 2**32, "size": size, "start": permutation_start(seed, size, 12)}
            for seed, size in [(0, 10), (0, 2), (0, 1), (key, 1_000_003)]
            + [(key * token, 32000) for token in (1, 15043, 31999)]
            + [(key * token, 128256) for token in (1, 128000)]
        ],
        "bits_of_seed_0": bits,
        "synthid_bits": dict(zip(map(str, tokens), processor.sample_g_values(keys)[0].tolist())),
    }


# ---------------------------------------------------------------------------------------------------------------------


def encode(row: torch.Tensor) -> str:
    return base64.b64encode(row.to(torch.float32).contiguous().numpy().astype("<f4").tobytes()).decode()


def result_of(before: torch.Tensor, after: torch.Tensor) -> dict:
    stayed = after == before
    if bool((stayed | (after == -INF)).all()):
        return {"kept": torch.nonzero(after > -INF).flatten().tolist()}
    return {"scores": encode(after)}


def main() -> None:
    torch.set_num_threads(1)
    rows = make_rows()
    cases = []
    groups = {
        "alone": alone(),
        "pair": itertools.chain(pairs(), meeting()),
        "chain": chains(),
        "beams": kept_for_beams(),
        "no-end": without_end(),
    }
    for group, members in groups.items():
        for parameters, prompt, tokens, row in members:
            try:
                scores, unordered = run(parameters, prompt, tokens, rows[row], rows["plain-2"])
            except (ValueError, IndexError) as error:
                # Torch refuses NaN in a distribution, and transformers fails where no candidate is green.
                print("not recorded:", group, parameters, row, type(error).__name__, str(error)[:60])
                continue
            case = {"group": group, "parameters": {**DEFAULTS, **parameters}, "prompt": len(prompt), "ids": tokens}
            case |= {"row": row} | result_of(rows[row], scores) | ({"unordered": True} if unordered else {})
            cases.append(case)
    record = {
        "origin": origin(__file__),
        "vocabulary_size": VOCABULARY,
        "unconditional": "plain-2",
        "rows": {name: encode(row) for name, row in rows.items()},
        "watermarks": watermark_goldens(),
        "cases": cases,
    }
    print(len(cases), "cases", {group: sum(case["group"] == group for case in cases) for group in groups})
    write_record(ENGINE_RECORDS / "processors.json", record)


if __name__ == "__main__":
    main()
