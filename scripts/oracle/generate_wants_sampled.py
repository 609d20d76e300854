"""Wanted cases with sampling: steps that leave one token only, warped scores of a first step; and returned scores."""

from generate_case import Want

ONE_STEP = {"do_sample": True, "max_new_tokens": 1, "return_dict_in_generate": True, "output_scores": True}
OFF = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}
GREEN = {"watermarking_config": {"bias": 2.0}}

WARPERS = [
    "TemperatureLogitsWarper", "TopHLogitsWarper", "TopKLogitsWarper", "TopPLogitsWarper", "MinPLogitsWarper",
    "TypicalLogitsWarper", "EpsilonLogitsWarper", "EtaLogitsWarper", "WatermarkLogitsProcessor",
]  # fmt: skip

# Values at which the two act, in the order of transformers, and the other order leaves other tokens or scores.
NEIGHBOURS = [
    ({"temperature": 2.5, "top_h": 0.6}, 0), ({"top_h": 0.7, "top_k": 5}, 1), ({"top_k": 4, "top_p": 0.7}, 2),
    ({"top_p": 0.8, "min_p": 0.3}, 3), ({"min_p": 0.05, "typical_p": 0.5}, 4), ({"typical_p": 0.6, "epsilon_cutoff": 0.1}, 5),
    ({"epsilon_cutoff": 0.02, "eta_cutoff": 0.3}, 6), ({"eta_cutoff": 0.05, "watermarking_config": {"bias": 4.0}}, 7),
]  # fmt: skip


def survivors(name: str, parameters: dict, **more) -> Want:
    return Want(f"one survivor: {name}", parameters, base={"do_sample": True, "max_new_tokens": 14}, **more)


def scores(name: str, parameters, **more) -> Want:
    return Want(f"scores: {name}", parameters, base=ONE_STEP, by_chance=True, shows=("scores",), **more)


def sampled() -> list[Want]:
    # A top_h of 1 is left to the recorded rows: whether the hundredth stays is the last bit of a sum.
    alone = {
        "temperature": [0.3, 0.9, 3.0], "top_h": [0.2, 0.5, 0.9], "top_k": [1, 3, 40, 3000], "top_p": [0.0, 0.3, 0.75, 0.99],
        "min_p": [0.02, 0.3, 1.0], "typical_p": [0.1, 0.5, 0.95], "epsilon_cutoff": [0.001, 0.05, 0.9], "eta_cutoff": [0.001, 0.05, 0.9],
    }  # fmt: skip
    wants = [
        survivors("top_k 1", {"top_k": 1, "temperature": 1.7}, count=2),
        survivors("top_p 0", {"top_p": 0.0, "top_k": None}, count=2),
        survivors("top_p 0 at its own", OFF | {"top_p": 0}),
        survivors("min_p 1", OFF | {"min_p": 1.0}, count=2),
        survivors("epsilon near 1", OFF | {"epsilon_cutoff": 0.999}, count=2),
        survivors("a small typical mass", OFF | {"typical_p": 0.0001}, count=2),
        survivors("a small top_h", OFF | {"top_h": 0.0001}, count=2),
        survivors("typical after top_k", {"top_k": 3, "top_p": 1.0, "temperature": 1.5, "typical_p": 0.01}, count=2),
        survivors("the model's own temperature, top_k 1", {"top_k": 1, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2}, count=2),
        survivors("a chain", {"top_k": 1, "min_p": 0.2, "guidance_scale": 1.5, "min_new_tokens": 20}, count=2),
        survivors("prompt lookup", {"top_k": 1, "prompt_lookup_num_tokens": 4}, count=2),
        survivors("two sequences that agree", {"top_k": 1, "num_return_sequences": 2}, count=2),
        survivors("suppressed and stopped", {"top_k": 1, "suppress_tokens": list(range(300, 320)), "stop_strings": ["."]}, count=2),
        survivors("a tournament", {"top_k": 1, "watermarking_config": {"ngram_len": 3, "keys": [5, 9]}}),
        *[scores(f"{name} {value}", OFF | {name: value}) for name, values in alone.items() for value in values],
        scores("the model's own", {}, count=2),
        scores("top_k is 50 unless turned off", {"temperature": 1.0, "top_p": 1.0}),
        scores("everything off", OFF),
        scores("nulls turn off", {"temperature": None, "top_k": None, "top_p": None}),
        scores("values beyond 1 are off", {"temperature": 1.0, "top_p": 1.5, "typical_p": 1.2, "epsilon_cutoff": 1.5, "eta_cutoff": -1.0, "top_k": 0}),
        scores("the usual chain", {"temperature": 0.7, "top_k": 40, "top_p": 0.9, "repetition_penalty": 1.1}, count=2),
        scores("min_p chain", {"temperature": 1.5, "top_k": 0, "top_p": 1.0, "min_p": 0.1}, count=2),
        scores("all warpers", {"temperature": 1.4, "top_h": 0.95, "top_k": 30, "top_p": 0.95, "min_p": 0.005, "typical_p": 0.97,
                               "epsilon_cutoff": 0.004, "eta_cutoff": 0.004}, count=2),
        scores("a watermark after the warpers", {"temperature": 1.2, "top_k": 12, "top_p": 0.95, **GREEN}, count=2),
        scores("renormalized", {"temperature": 1.2, "top_k": 12, "renormalize_logits": True}, count=2),
        scores("guidance before the warpers", {"guidance_scale": 1.7, "top_k": 15}, count=2),
        scores("ban before temperature", lambda s: OFF | {"temperature": 0.8, "begin_suppress_tokens": [s.plain[0]]}),
        scores("penalty before top_p", lambda s: OFF | {"top_p": 0.6, "repetition_penalty": 1.8}),
    ]  # fmt: skip
    for parameters, index in NEIGHBOURS:
        first, second = parameters
        swap = (WARPERS[index], WARPERS[index + 1])
        wants.append(scores(f"{first} then {second}", OFF | parameters, swap=swap, count=2))
    return wants


def returned() -> list[Want]:
    """Greedy steps with their scores and raw logits."""
    base = {"do_sample": False, "max_new_tokens": 3, "return_dict_in_generate": True}
    both = base | {"output_scores": True, "output_logits": True}
    shown = ("scores", "logits")
    return [
        Want("returned: plain", {}, base=both, shows=shown),
        Want("returned: repetition_penalty", {"repetition_penalty": 1.5}, base=both, shows=shown),
        Want("returned: renormalized", {"renormalize_logits": True}, base=both, shows=shown),
        Want("returned: guidance", {"guidance_scale": 2.0}, base=both, shows=shown),
        Want("returned: guidance renormalized", {"guidance_scale": 2.0, "renormalize_logits": True}, base=both, shows=shown),
        Want("returned: bans are null", lambda s: {"suppress_tokens": s.plain[:2], "min_new_tokens": 2}, base=both, shows=shown),
        Want("returned: bans made finite", lambda s: {"suppress_tokens": s.plain[:2], "min_new_tokens": 2, "remove_invalid_values": True}, base=both,
             shows=shown),
        Want("returned: a forced end made finite", lambda s: {"forced_eos_token_id": s.ends, "remove_invalid_values": True}, base=both, shows=shown,
             swap=("ForcedEOSTokenLogitsProcessor", "InfNanRemoveLogitsProcessor")),
        Want("returned: a watermark renormalized", {"watermarking_config": {"bias": 3.0}, "renormalize_logits": True}, base=both, shows=shown,
             swap=("WatermarkLogitsProcessor", "LogitNormalization")),
        Want("returned: a tournament", {"watermarking_config": {"ngram_len": 2, "keys": [3, 4, 5]}}, base=both, shows=shown),
        Want("returned: scores alone", {"output_scores": True}, base=base, shows=("scores",)),
        Want("returned: logits alone", {"output_logits": True, "repetition_penalty": 1.5}, base=base, shows=("logits",)),
        Want("returned: asked without return_dict", {"output_scores": True}, base={"do_sample": False, "max_new_tokens": 4}),
    ]  # fmt: skip
