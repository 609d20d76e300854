"""Wanted cases: neighbours of the order of processors, usual chains, stops, prompt lookup, configs, batches, scores."""

from generate_case import Situation, Want
from generate_wants_alone import ENDING, KEYS, SHORT, word

GREEN = {"watermarking_config": {"bias": 5.0}}


def pair(first: str, second: str, parameters, swap: tuple[str, str] | None = None, **more) -> Want:
    more = {"count": 2, "acts": (first, second)} | more
    return Want(f"{first} then {second}", parameters, swap=swap, **more)


def neighbours() -> list[Want]:
    """In the order of transformers; a `swap` names two that do not commute."""
    bias = lambda s: [[word(s, 1), -6.0], [word(s, 3), -6.0]]  # noqa: E731
    return [
        pair("guidance_scale", "sequence_bias", lambda s: {"guidance_scale": 3.0, "sequence_bias": [[[i], 2.5] for i in range(300, 600)]},
             ("UnbatchedClassifierFreeGuidanceLogitsProcessor", "SequenceBiasLogitsProcessor")),
        pair("sequence_bias", "encoder_repetition_penalty",
             lambda s: {"sequence_bias": [[[i], 3.0] for i in s.prompt], "encoder_repetition_penalty": 1.8},
             ("SequenceBiasLogitsProcessor", "EncoderRepetitionPenaltyLogitsProcessor")),
        pair("sequence_bias", "repetition_penalty", lambda s: {"sequence_bias": [[[i], 5.0] for i in [*s.prompt, *s.plain]], "repetition_penalty": 1.3},
             ("SequenceBiasLogitsProcessor", "RepetitionPenaltyLogitsProcessor")),
        pair("encoder_repetition_penalty", "repetition_penalty", {"encoder_repetition_penalty": 1.5, "repetition_penalty": 1.9}),
        pair("repetition_penalty", "no_repeat_ngram_size", {"repetition_penalty": 0.7, "no_repeat_ngram_size": 2}),
        pair("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", {"no_repeat_ngram_size": 2, "encoder_no_repeat_ngram_size": 1},
             base=ENDING),
        pair("encoder_no_repeat_ngram_size", "bad_words_ids", lambda s: {"encoder_no_repeat_ngram_size": 1, "bad_words_ids": [word(s, 0)]}),
        pair("bad_words_ids", "min_length", lambda s: {"bad_words_ids": [word(s, 0)], "min_length": len(s.prompt) + 24}, base=ENDING, prompts=SHORT),
        pair("min_length", "min_new_tokens", lambda s: {"min_length": len(s.prompt) + 4, "min_new_tokens": len(s.plain) + 4}, base=ENDING,
             prompts=SHORT, acts=("min_new_tokens",)),
        pair("min_new_tokens", "forced_bos_token_id", lambda s: {"min_new_tokens": 3, "forced_bos_token_id": s.ends[0]}, prompts=("bos",), count=1, acts=("forced_bos_token_id",),
             swap=("MinNewTokensLengthLogitsProcessor", "ForcedBOSTokenLogitsProcessor")),
        pair("forced_bos_token_id", "forced_eos_token_id", lambda s: {"forced_bos_token_id": 300, "forced_eos_token_id": [s.ends[0]], "max_length": 2},
             ("ForcedBOSTokenLogitsProcessor", "ForcedEOSTokenLogitsProcessor"), base={"do_sample": False}, prompts=("bos",), count=1,
             acts=("forced_eos_token_id",)),
        pair("remove_invalid_values", "exponential_decay_length_penalty",
             lambda s: {"min_new_tokens": 12, "remove_invalid_values": True, "exponential_decay_length_penalty": [2, 2.0]},
             ("InfNanRemoveLogitsProcessor", "ExponentialDecayLengthPenalty")),
        pair("exponential_decay_length_penalty", "suppress_tokens", lambda s: {"exponential_decay_length_penalty": [3, 1.6], "suppress_tokens": [s.ends[0]]},
             prompts=("joke", "beam", "push", "learning", "token"), acts=("suppress_tokens",), base=ENDING),
        pair("forced_eos_token_id", "suppress_tokens", lambda s: {"forced_eos_token_id": [310, 340], "suppress_tokens": [310]},
             ("ForcedEOSTokenLogitsProcessor", "SuppressTokensLogitsProcessor"), base={"do_sample": False, "max_new_tokens": 6}),
        pair("min_new_tokens", "forced_eos_token_id", lambda s: {"min_new_tokens": 7, "forced_eos_token_id": s.ends}, base={"do_sample": False, "max_new_tokens": 7},
             swap=("MinNewTokensLengthLogitsProcessor", "ForcedEOSTokenLogitsProcessor"), acts=("forced_eos_token_id",)),
        pair("suppress_tokens", "begin_suppress_tokens", lambda s: {"suppress_tokens": word(s, 2), "begin_suppress_tokens": word(s, 0)}),
        pair("begin_suppress_tokens", "watermarking_config", lambda s: {"begin_suppress_tokens": word(s, 0), "watermarking_config": {"bias": 8.0}}),
        pair("repetition_penalty", "watermarking_config", {"repetition_penalty": 1.6, **GREEN},
             ("RepetitionPenaltyLogitsProcessor", "WatermarkLogitsProcessor")),
        pair("sequence_bias", "watermarking_config", lambda s: {"sequence_bias": bias(s), **GREEN}),
        pair("guidance_scale", "watermarking_config", {"guidance_scale": 2.0, **GREEN},
             ("UnbatchedClassifierFreeGuidanceLogitsProcessor", "WatermarkLogitsProcessor")),
        pair("guidance_scale", "repetition_penalty", {"guidance_scale": 1.5, "repetition_penalty": 2.5},
             ("UnbatchedClassifierFreeGuidanceLogitsProcessor", "RepetitionPenaltyLogitsProcessor")),
        pair("guidance_scale", "encoder_repetition_penalty", {"guidance_scale": 1.5, "encoder_repetition_penalty": 3.0},
             ("UnbatchedClassifierFreeGuidanceLogitsProcessor", "EncoderRepetitionPenaltyLogitsProcessor")),
        pair("guidance_scale", "renormalize_logits", {"guidance_scale": 1.5, "renormalize_logits": True}, acts=("guidance_scale",)),
    ]  # fmt: skip


def chains() -> list[Want]:
    chat = {"repetition_penalty": 1.15, "no_repeat_ngram_size": 3}
    many = lambda s: {  # noqa: E731
        "sequence_bias": [[word(s, 2), -4.0]], "encoder_repetition_penalty": 1.1, "repetition_penalty": 1.2, "no_repeat_ngram_size": 3,
        "encoder_no_repeat_ngram_size": 3, "bad_words_ids": [word(s, 0)], "min_new_tokens": 10, "suppress_tokens": [500, 501],
        "begin_suppress_tokens": [s.ends[0]], "exponential_decay_length_penalty": [12, 1.3],
    }  # fmt: skip
    return [
        Want("penalty and n-grams", chat, base=ENDING, count=2, acts=("repetition_penalty",)),
        Want("penalty, n-grams, minimum, bad words", lambda s: chat | {"min_new_tokens": 20, "bad_words_ids": [word(s, 0), word(s, 3, 2)]}, base=ENDING, count=2),
        Want("guidance, penalty and a minimum", {"guidance_scale": 1.4, "repetition_penalty": 1.2, "min_new_tokens": 18}, base=ENDING, count=2),
        Want("all usual processors", many, base=ENDING, count=4),
        Want("all usual processors with a watermark", lambda s: many(s) | GREEN | {"renormalize_logits": True}, base=ENDING, count=3),
        Want("all usual processors with guidance", lambda s: many(s) | {"guidance_scale": 1.6, "remove_invalid_values": True}, base=ENDING, count=3),
        Want("forced end after a chain", lambda s: chat | {"forced_eos_token_id": s.ends, "remove_invalid_values": True, "renormalize_logits": True}, count=2),
        Want("penalties both ways", {"encoder_repetition_penalty": 2.0, "repetition_penalty": 1.5, "no_repeat_ngram_size": 2}, count=2),
        Want("a tournament after a chain", lambda s: chat | {"watermarking_config": {"ngram_len": 3, "keys": KEYS}}, count=2),
    ]


def text_of(s: Situation, start: int, end: int) -> str:
    """Of plain new tokens, whole."""
    return s.decode(s.plain[:end])[len(s.decode(s.plain[:start])) :]


def stops() -> list[Want]:
    def stop(name: str, make, **more) -> Want:
        more = {"base": {"do_sample": False, "max_new_tokens": 20}, "acts": ("stop_strings",), "count": 2} | more
        return Want(f"stop: {name}", lambda s: {"stop_strings": make(s)}, **more)

    return [
        stop("a whole token", lambda s: text_of(s, 4, 5)),
        stop("inside a word", lambda s: text_of(s, 3, 6).strip()[1:-1]),
        stop("one character", lambda s: text_of(s, 6, 7).strip()[0]),
        stop("over three tokens", lambda s: text_of(s, 3, 6)),
        stop("the tail of one token and the head of the next", lambda s: text_of(s, 2, 3)[-1] + text_of(s, 3, 5)[:2]),
        stop("the first of several", lambda s: [text_of(s, 9, 10), "never said", text_of(s, 5, 6)]),
        stop("two at once", lambda s: [text_of(s, 4, 6), text_of(s, 5, 6)]),
        stop("across the prompt's border", lambda s: s.decode(s.prompt)[-2:] + text_of(s, 0, 2).rstrip(), prompts=("water", "cities", "repeat", "token", "code", "numbers", "llama")),
        stop("wholly in the prompt", lambda s: s.decode(s.prompt)[-4:], acts=(), prompts=("water", "cities", "llama", "joke")),
        stop("never said", lambda s: ["xyzzy", "\u00e9\u00e8\u00ea"], acts=()),
        stop("the end token's own text", lambda s: s.decode([s.ends[0]]), acts=(), prompts=SHORT),
        stop("punctuation", lambda s: [".", ",", "?"]),
        stop("a space before", lambda s: " " + text_of(s, 5, 6).strip()),
        stop("longer than the answer", lambda s: text_of(s, 0, len(s.plain)) + " and more", acts=()),
        Want("stop: multi-byte text", lambda s: {"stop_strings": ["\u00e9\u00e0", "\U0001f999", "\u00fc"], "sequence_bias": forced_bytes(s)},
             base={"do_sample": False, "max_new_tokens": 12}, acts=("stop_strings",)),
        Want("stop: part of a multi-byte text", lambda s: {"stop_strings": "\u00e0", "sequence_bias": forced_bytes(s)},
             base={"do_sample": False, "max_new_tokens": 12}, acts=("stop_strings",)),
        Want("stop: not before a minimum of ends", lambda s: {"stop_strings": text_of(s, 3, 4), "min_new_tokens": 10}, acts=("stop_strings",)),
        Want("stop: beside another end token", lambda s: {"stop_strings": text_of(s, 8, 9), "eos_token_id": s.plain[4]}, acts=("eos_token_id",)),
        Want("stop: without end tokens", lambda s: {"stop_strings": "and", "eos_token_id": None}, base=ENDING, prompts=SHORT),
    ]  # fmt: skip


def forced_bytes(s: Situation) -> list:
    """Biases that make the answer spell accents and a llama, token after token, whatever was before."""
    wanted = s.encode("\u00e9\u00e0 \U0001f999")
    chain = [[[s.prompt[-1], wanted[0]], 90.0]]
    return chain + [[[*wanted[max(0, i - 3) : i], wanted[i]], 90.0] for i in range(1, len(wanted))]


def lookups() -> list[Want]:
    def lookup(name: str, extra, **more) -> Want:
        more = {"base": {"do_sample": False, "max_new_tokens": 24}} | more
        make = extra if callable(extra) else lambda s: extra
        return Want(f"prompt lookup: {name}", lambda s: {"prompt_lookup_num_tokens": 4} | make(s), **more)

    return [
        lookup("alone", {}, prompts=("list", "cities", "repeat", "long", "numbers"), count=3),
        lookup("longer n-grams", {"max_matching_ngram_size": 4, "prompt_lookup_num_tokens": 10}, prompts=("list", "long", "cities"), count=2),
        lookup("with n-grams banned", {"no_repeat_ngram_size": 3}, count=2),
        lookup("with a penalty", {"repetition_penalty": 1.3}, count=2),
        lookup("with a minimum", lambda s: {"min_new_tokens": len(s.plain) + 3}, prompts=SHORT, count=2),
        lookup("with a forced end", lambda s: {"forced_eos_token_id": s.ends[0], "max_new_tokens": 9}),
        lookup("with decay", {"exponential_decay_length_penalty": [4, 1.3]}),
        lookup("one token at a time", {"prompt_lookup_num_tokens": 1}),
        lookup("to the last position", {"max_new_tokens": 2}),
        lookup("with another end token", lambda s: {"eos_token_id": [s.plain[7]]}),
    ]


def batches() -> list[Want]:
    """Left-padded rows; each goes on as it would alone, and the shorter are filled up to the longest."""
    def rows(name: str, parameters: dict, *beside: str, **more) -> Want:
        more = {"base": {"do_sample": False, "max_new_tokens": 20}, "beside": beside} | more
        return Want(f"rows: {name}", parameters, **more)

    return [
        rows("two of equal length", {}, "beam", prompts=("learning", "joke")),
        rows("two", {}, "bye", prompts=("token", "chat-agi"), count=2),
        rows("three, one ends first", {}, "bye", "greeting", prompts=("push", "chat-joke"), count=2),
        rows("with a penalty", {"repetition_penalty": 1.4}, "joke", "llama", prompts=("cities", "chat-push"), count=2),
        rows("with n-grams banned", {"no_repeat_ngram_size": 2}, "list", prompts=("cities", "chat-beam")),
        rows("with a minimum of new tokens", {"min_new_tokens": 18}, "bye", prompts=("push", "chat-joke")),
        rows("with decay and a forced end", {"exponential_decay_length_penalty": [3, 1.3], "forced_eos_token_id": 300}, "joke", prompts=("beam", "chat-token")),
        rows("filled with another pad", {"pad_token_id": 9}, "bye", prompts=("push", "chat-joke")),
        rows("with a watermark", {"watermarking_config": {"bias": 6.0}}, "joke", prompts=("token", "chat-agi")),
    ]  # fmt: skip


def configs() -> list[Want]:
    return [
        Want("config object", {"generation_config": {"do_sample": False, "max_new_tokens": 9, "repetition_penalty": 1.4}}, base={}, count=2),
        Want("config object and arguments: arguments win", {"generation_config": {"do_sample": True, "max_new_tokens": 40, "repetition_penalty": 2.0},
             "do_sample": False, "max_new_tokens": 8, "repetition_penalty": 1.2}, base={}, count=2),
        Want("a null in a config object inherits", {"generation_config": {"do_sample": False, "eos_token_id": None, "max_new_tokens": None}, "max_new_tokens": 30},
             base={}, prompts=SHORT, count=2),
        Want("an argument that is null turns off", {"generation_config": {"do_sample": False, "repetition_penalty": 3.0, "max_new_tokens": 12}, "repetition_penalty": None},
             base={}, count=2),
        Want("config object with structures", lambda s: {"generation_config": {"do_sample": False, "max_new_tokens": 14, "bad_words_ids": [word(s, 0)],
             "sequence_bias": [[word(s, 2), -8.0]], "suppress_tokens": word(s, 4), "eos_token_id": [*s.ends, 1999]}}, base={}, count=2),
        Want("nulls for all that is off", {"top_k": None, "top_p": None, "temperature": None, "min_p": None, "repetition_penalty": None,
             "no_repeat_ngram_size": None, "bad_words_ids": None, "min_length": None, "guidance_scale": None, "stop_strings": None}, count=2),
        Want("unused sampling values are not checked", {"temperature": 0.0, "top_k": -1, "top_p": 2.0, "typical_p": -3.0, "min_p": 8.0}),
        Want("do_sample null is greedy", {"do_sample": None, "max_new_tokens": 9}, base={}),
        Want("values that change nothing", {"use_cache": False, "num_beams": 1, "length_penalty": 1.0, "early_stopping": False, "diversity_penalty": 0.0,
             "num_beam_groups": 1, "encoder_repetition_penalty": 1.0}),
    ]  # fmt: skip
