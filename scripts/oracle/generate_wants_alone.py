"""Wanted cases: every processor, length and stop by itself."""

from generate_case import Situation, Want, alone

KEYS = [654, 400, 836, 123, 340, 443, 597, 160, 57]


def word(s: Situation, at: int, length: int = 1) -> list[int]:
    return s.plain[at : at + length]


def processors() -> list[Want]:
    return [
        *alone("guidance_scale", 0.5, 1.5, 3, 0, -0.5),
        *alone("guidance_scale", 1, acts=False),
        *[
            Want(
                f"guidance_scale {scale} against {text!r}",
                (lambda scale, text: lambda s: {"guidance_scale": scale, "negative_prompt_ids": s.encode(text)})(scale, text),
                acts=("guidance_scale", "negative_prompt_ids"),
            )
            for scale, text in [(1.5, "I am a tiny model"), (2.5, "Why did the"), (0.4, "Goodbye"), (4, "A token is")]
        ],
        Want(
            "guidance with one negative token",
            lambda s: {"guidance_scale": 1.8, "negative_prompt_ids": [s.bos]},
            acts=("guidance_scale",),
        ),
        Want(
            "guidance with a masked negative prompt",
            lambda s: {
                "guidance_scale": 1.8,
                "negative_prompt_ids": [s.bos, *s.encode("I am a")],
                "negative_prompt_attention_mask": [1] * (1 + len(s.encode("I am a"))),
            },
            acts=("guidance_scale",),
        ),
        *alone(
            "sequence_bias",
            lambda s: [[word(s, 0), -20.0]],
            lambda s: [[word(s, 3), 4.5]],
            lambda s: [[word(s, 2), 100.0]],
            lambda s: [[word(s, 1, 2), -30.0]],
            lambda s: [[word(s, 1, 3), -30]],
            lambda s: [[[s.prompt[-1], *word(s, 0)], -15.5]],
            lambda s: [[s.prompt[-3:] + word(s, 0), -15.5]],
        ),
        Want(
            "two biases fall on one token and add up",
            lambda s: {"sequence_bias": [[word(s, 2), -6.0], [word(s, 1, 2), -6.0]]},
            acts=("sequence_bias",),
            count=2,
        ),
        Want(
            "of two biases for one sequence the last counts",
            lambda s: {"sequence_bias": [[word(s, 2), -50.0], [word(s, 2), 1.0], [word(s, 4), -50.0]]},
            acts=("sequence_bias",),
        ),
        Want(
            "a bias longer than the prompt",
            lambda s: {"sequence_bias": [[[*([5] * 40), word(s, 0)[0]], -50.0], [word(s, 5), -50.0]]},
            acts=("sequence_bias",),
        ),
        *alone("encoder_repetition_penalty", 0.5, 1.2, 2, 4.5, 0.05),
        *alone("repetition_penalty", 0.6, 1.05, 1.3, 2, 9.5),
        *alone("repetition_penalty", 1, acts=False),
        *alone("no_repeat_ngram_size", 1, 2, 3, 4, base={"do_sample": False, "max_new_tokens": 60}),
        *alone("no_repeat_ngram_size", 0, -1, 100, acts=False),
        *alone("encoder_no_repeat_ngram_size", 1, 2, 3, base={"do_sample": False, "max_new_tokens": 20}),
        *alone("encoder_no_repeat_ngram_size", 0, 60, acts=False),
        *alone(
            "bad_words_ids",
            lambda s: [word(s, 0)],
            lambda s: [word(s, 1, 2)],
            lambda s: [word(s, 2, 3), word(s, 0)],
            lambda s: [[s.prompt[-1], s.plain[0]]],
            lambda s: [[e] for e in s.ends] + [word(s, 4)],
            lambda s: [[i] for i in range(200, 700)],
        ),
        Want("a bad word that is an end token is passed over", lambda s: {"bad_words_ids": [[e] for e in s.ends]},
             prompts=("bye", "greeting", "chat-bye"), base={"do_sample": False, "max_new_tokens": 24}),
        Want("a bad word that finishes with an end token", lambda s: {"bad_words_ids": [s.plain[-2:]]},
             prompts=("bye", "greeting", "chat-bye", "water"), base={"do_sample": False, "max_new_tokens": 24},
             acts=("bad_words_ids",)),
        *alone("remove_invalid_values", True, False, acts=False),
        *alone("suppress_tokens", lambda s: word(s, 0, 4), lambda s: list(range(280, 340)), lambda s: s.ends + word(s, 1)),
        Want("suppress_tokens beyond the vocabulary", lambda s: {"suppress_tokens": [5000, 2048, *word(s, 3)]}, acts=("suppress_tokens",)),
        *alone("begin_suppress_tokens", lambda s: word(s, 0), lambda s: word(s, 0, 9)),
        Want("begin_suppress lets the token come later", lambda s: {"begin_suppress_tokens": [s.plain[5]]}),
        *alone("renormalize_logits", True, False, acts=False),
    ]


ENDING = {"do_sample": False, "max_new_tokens": 30}
SHORT = ("bye", "greeting", "chat-bye", "water", "repeat", "chat-sky", "chat-agi")


def ends_and_lengths() -> list[Want]:
    return [
        *alone("min_new_tokens", lambda s: len(s.plain) + 6, lambda s: len(s.plain), lambda s: len(s.plain) + 1, base=ENDING, prompts=SHORT),
        *alone("min_new_tokens", 0, -3, base=ENDING, prompts=SHORT, acts=False),
        Want("min_new_tokens just reached", lambda s: {"min_new_tokens": len(s.plain) - 1}, base=ENDING, prompts=SHORT, count=2),
        *alone("min_length", lambda s: len(s.prompt) + len(s.plain) + 5, lambda s: len(s.prompt) + len(s.plain), base=ENDING, prompts=SHORT),
        *alone("min_length", 0, -1, base=ENDING, prompts=SHORT, acts=False),
        Want("min_length just reached", lambda s: {"min_length": len(s.prompt) + len(s.plain) - 1}, base=ENDING, prompts=SHORT, count=2),
        Want("min_length of the prompt", lambda s: {"min_length": len(s.prompt)}, base=ENDING, prompts=SHORT),
        Want("min_new_tokens wins over min_length", lambda s: {"min_length": 1, "min_new_tokens": len(s.plain) + 3},
             base=ENDING, prompts=SHORT, acts=("min_new_tokens",)),
        Want("min_length beside min_new_tokens", lambda s: {"min_length": len(s.prompt) + 40, "min_new_tokens": 3},
             base=ENDING, prompts=SHORT),
        Want("minimum above maximum", {"min_new_tokens": 30}, base={"do_sample": False, "max_new_tokens": 12}, prompts=SHORT),
        *alone("max_new_tokens", 1, 2, 7, acts=False, base={"do_sample": False}),
        *alone("max_length", lambda s: len(s.prompt) + 1, lambda s: len(s.prompt) + 9, acts=False, base={"do_sample": False}),
        Want("max_new_tokens wins over max_length", lambda s: {"max_new_tokens": 9, "max_length": len(s.prompt) + 3},
             base={"do_sample": False}),
        Want("max_new_tokens wins over a larger max_length", {"max_new_tokens": 5, "max_length": 400}, base={"do_sample": False}),
        Want("up to the end token", {}, base={"do_sample": False, "max_new_tokens": 200}, prompts=("chat-bye", "chat-sky", "chat-agi"), count=2),
        Want("as long as the model's file says", {}, base={"do_sample": False}, prompts=("bye", "greeting", "water")),
        *alone("eos_token_id", lambda s: s.plain[6], lambda s: [s.plain[9], s.plain[4]], lambda s: [s.plain[3], *s.ends]),
        *alone("eos_token_id", None, base=ENDING, prompts=SHORT, count=2),
        Want("without end tokens nothing keeps an end back", lambda s: {"eos_token_id": None, "min_new_tokens": 25, "suppress_tokens": [1900]},
             base=ENDING, prompts=SHORT, acts=("eos_token_id",)),
        Want("another end token is kept back", lambda s: {"eos_token_id": s.plain[4], "min_new_tokens": 9},
             acts=("eos_token_id", "min_new_tokens")),
        Want("all end tokens are kept back", lambda s: {"eos_token_id": [s.plain[4], s.plain[2], *s.ends], "min_new_tokens": 8},
             acts=("min_new_tokens",)),
        Want("an end token twice in the list", lambda s: {"eos_token_id": [s.plain[5], s.plain[5]], "min_new_tokens": 4}),
        *alone("pad_token_id", 7, None, acts=False, base=ENDING, prompts=SHORT),
        Want("forced_bos after a prompt of one token", {"forced_bos_token_id": 300}, prompts=("bos",), acts=("forced_bos_token_id",)),
        Want("forced_bos that is an end token", lambda s: {"forced_bos_token_id": s.ends[0]}, prompts=("bos",), acts=("forced_bos_token_id",)),
        Want("forced_bos after a longer prompt", {"forced_bos_token_id": 300}),
        Want("forced_bos moves begin_suppress on by one", lambda s: {"forced_bos_token_id": s.plain[0], "begin_suppress_tokens": [s.plain[1], s.plain[0]]},
             prompts=("bos",), acts=("begin_suppress_tokens",)),
        Want("begin_suppress after a prompt of one token", lambda s: {"begin_suppress_tokens": [s.plain[0]]}, prompts=("bos",),
             acts=("begin_suppress_tokens",)),
        *alone("forced_eos_token_id", lambda s: s.ends[0], lambda s: [s.plain[8], 250], 300),
        Want("forced_eos against a minimum", lambda s: {"forced_eos_token_id": s.ends[-1], "min_new_tokens": 16}, acts=("forced_eos_token_id",)),
        Want("forced_eos at max_length", lambda s: {"forced_eos_token_id": s.ends[0], "max_length": len(s.prompt) + 6},
             base={"do_sample": False}, acts=("forced_eos_token_id",)),
        Want("forced_eos that ends nothing", {"forced_eos_token_id": [777, 333], "eos_token_id": None}, acts=("forced_eos_token_id",)),
        *alone("exponential_decay_length_penalty", [0, 1.5], [2, 1.2], [4, 2.5], [1, 1.05], [10, 50], base=ENDING,
               prompts=("joke", "chat-joke", "beam", "push", "learning", "token", "chat-beam")),
        *alone("exponential_decay_length_penalty", [29, 99], [0, 0.5], [28, 3.0], acts=False, base=ENDING),
        Want("exponential decay with banned ends", lambda s: {"exponential_decay_length_penalty": [1, 2.0], "min_new_tokens": 8}, base=ENDING,
             acts=("exponential_decay_length_penalty", "min_new_tokens")),
        Want("exponential decay with an end token of the caller's", lambda s: {"exponential_decay_length_penalty": [2, 1.4], "eos_token_id": [s.plain[12], 400]},
             base=ENDING, acts=("exponential_decay_length_penalty",)),
        *alone("max_time", 0),
        *alone("max_time", 600, acts=False),
    ]


def watermarks() -> list[Want]:
    kgw = [
        {}, {"bias": 6.0}, {"bias": 3.5, "greenlist_ratio": 0.5}, {"bias": 8.0, "hashing_key": 12345}, {"bias": -9.0},
        {"bias": 6.0, "context_width": 3}, {"bias": 7.5, "greenlist_ratio": 0.01}, {"bias": 9.0, "greenlist_ratio": 0.9},
        {"seeding_scheme": "selfhash", "bias": 3.0}, {"seeding_scheme": "selfhash", "context_width": 3, "bias": 5.0},
        {"seeding_scheme": "selfhash", "bias": 4.0, "hashing_key": 99991, "greenlist_ratio": 0.5},
        {"seeding_scheme": "selfhash", "context_width": 2, "bias": -6.0},
    ]  # fmt: skip
    synthid = [
        {"ngram_len": 5, "keys": KEYS}, {"ngram_len": 2, "keys": [7, 11]}, {"ngram_len": 3, "keys": KEYS + [1, 2, 3]},
        {"ngram_len": 5, "keys": KEYS, "skip_first_ngram_calls": True}, {"ngram_len": 2, "keys": KEYS, "context_history_size": 1},
        {"ngram_len": 4, "keys": KEYS, "sampling_table_size": 1000, "sampling_table_seed": 3},
        {"ngram_len": 3, "keys": [5, 6, 7, 8], "debug_mode": True},
        {"ngram_len": 1, "keys": [5, 9, 30]}, {"ngram_len": 2, "keys": KEYS, "context_history_size": 0},
    ]  # fmt: skip
    return [
        *[Want(f"watermark {kgw_config}", {"watermarking_config": kgw_config}, acts=("watermarking_config",)) for kgw_config in kgw],
        Want("watermark with a context wider than the prompt", {"watermarking_config": {"bias": 14.0, "context_width": 4}}, prompts=("bos",),
             acts=("watermarking_config",)),
        *[Want(f"watermark {config}", {"watermarking_config": config}) for config in synthid],
    ]  # fmt: skip
