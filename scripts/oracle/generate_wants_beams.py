"""Wanted cases of beam search: numbers of beams, ends, the end of the search, and every processor beside them."""

from collections.abc import Callable
from itertools import cycle

from generate_case import Parameters, Situation, Want

BASE = {"do_sample": False, "max_new_tokens": 10}
SHORT = ("greeting", "learning", "llama", "joke", "who", "numbers", "chat-joke", "bos")
LONG = ("long", "chat-beam", "cities", "repeat")


def ends_inside(*places: int) -> Callable[[Situation], list[int]]:
    """End tokens that plain decoding would give at these places."""
    return lambda s: list(dict.fromkeys(s.plain[place] for place in places))


ENDS: dict[str, dict[str, Callable[[Situation], list[int] | None]]] = {
    "own ends": {},
    "1 end inside": {"eos_token_id": ends_inside(3)},
    "2 ends inside": {"eos_token_id": ends_inside(2, 5)},
    "3 ends inside": {"eos_token_id": ends_inside(1, 4, 6)},
    "no end": {"eos_token_id": lambda s: None},
}


def text_of(s: Situation, start: int, end: int) -> str:
    return s.decode(s.plain[start:end])


# What acts beside beams, by name.
OPTIONS: dict[str, dict] = {
    "repetition_penalty": {"repetition_penalty": 1.3},
    "a low repetition_penalty": {"repetition_penalty": 0.7},
    "encoder_repetition_penalty": {"encoder_repetition_penalty": 1.6},
    "no_repeat_ngram_size": {"no_repeat_ngram_size": 2, "max_new_tokens": 16},
    "encoder_no_repeat_ngram_size": {"encoder_no_repeat_ngram_size": 2},
    "min_new_tokens": {"min_new_tokens": 7, "eos_token_id": ends_inside(2, 4)},
    "min_length": {"min_length": lambda s: len(s.prompt) + 6, "eos_token_id": ends_inside(3)},
    "bad_words_ids": {"bad_words_ids": lambda s: [s.plain[1:2], s.plain[3:5]]},
    "sequence_bias": {"sequence_bias": lambda s: [[s.plain[2:3], -4.0], [s.plain[0:2], 3.5]]},
    "a bias that lifts scores above 0": {"sequence_bias": lambda s: [[s.plain[2:3], 20.0], [s.plain[4:5], 18.5]]},
    "suppress_tokens": {"suppress_tokens": lambda s: s.plain[0:1] + s.plain[4:5]},
    "begin_suppress_tokens": {"begin_suppress_tokens": lambda s: s.plain[0:1]},
    "forced_eos_token_id": {"forced_eos_token_id": lambda s: s.ends[0]},
    "exponential_decay_length_penalty": {"exponential_decay_length_penalty": [3, 1.8]},
    "stop_strings": {"stop_strings": lambda s: [text_of(s, 2, 3).strip() or "e", text_of(s, 5, 7)]},
    "a stop string of one letter": {"stop_strings": lambda s: (text_of(s, 4, 6).strip() or "a")[0]},
}
# Neither changes what is chosen by itself.
QUIET = {
    "renormalize_logits": {"renormalize_logits": True, "repetition_penalty": 1.4},
    "remove_invalid_values": {"remove_invalid_values": True, "suppress_tokens": lambda s: s.plain[1:2]},
}
SEARCHES = {
    "length_penalty 0": {"length_penalty": 0.0},
    "length_penalty -1": {"length_penalty": -1.0},
    "length_penalty 2": {"length_penalty": 2.0},
    "early_stopping": {"early_stopping": True},
    "early_stopping never": {"early_stopping": "never"},
}


def made(fields: dict) -> Parameters:
    return lambda s: {name: value(s) if callable(value) else value for name, value in fields.items()}


def beams(name: str, count: int, fields: dict, *acts: str, prompts: tuple[str, ...] = ()) -> Want:
    return Want(f"{name}, {count} beams", made({"num_beams": count} | fields), base=BASE, acts=acts, prompts=prompts)


def numbers() -> list[Want]:
    wants = []
    for count in range(2, 9):
        for index, (ends, fields) in enumerate(ENDS.items()):
            returned = 1 if (count + index) % 2 else count
            name = f"{ends}, {returned} returned"
            wants.append(beams(name, count, fields | {"num_return_sequences": returned}))
    return wants


def searches() -> list[Want]:
    counts, ends = cycle([2, 5, 3, 8, 4]), cycle(list(ENDS.items())[1:4])
    wants = []
    for penalty in (-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 5.0):
        for early in (False, True, "never"):
            count, (name, fields) = next(counts), next(ends)
            given = {"length_penalty": penalty, "early_stopping": early, "num_return_sequences": 1 + count // 2}
            wants.append(beams(f"length_penalty {penalty}, early_stopping {early}, {name}", count, fields | given))
    return wants


def options() -> list[Want]:
    counts, ends = cycle([3, 2, 4, 6, 5, 8, 7]), cycle(list(ENDS.items())[:4])
    wants = []
    for name, fields in (OPTIONS | QUIET).items():
        acts = () if name in QUIET else tuple(list(fields)[:1])
        wants.append(beams(name, next(counts), fields, *acts))
        for search, more in SEARCHES.items():
            ending, ended = next(ends)
            count = next(counts)
            given = fields | more | ended | {"num_return_sequences": min(3, count)}
            if name == "forced_eos_token_id" or name == "exponential_decay_length_penalty":
                given = fields | more | {"num_return_sequences": min(3, count)}
            wants.append(beams(f"{name}, {search}, {ending}", count, given, *acts))
    return wants


def pairs() -> list[Want]:
    names, counts = list(OPTIONS), cycle([4, 3, 6, 2])
    wants = []
    for index, first in enumerate(names):
        second = names[(index + 5) % len(names)]
        fields = OPTIONS[first] | OPTIONS[second]
        wants.append(beams(f"{first} and {second}", next(counts), fields | {"num_return_sequences": 2}))
    return wants


def lengths() -> list[Want]:
    wants = [
        beams(f"max_new_tokens {length}", count, {"max_new_tokens": length, "num_return_sequences": 2})
        for length, count in [(1, 2), (1, 8), (2, 4), (3, 3), (24, 3), (40, 2)]
    ]
    wants += [beams(f"the prompt {prompt}", 4, {}, prompts=(prompt,)) for prompt in (*SHORT, *LONG)]
    fewer = {
        # All but a few tokens are impossible at the first step, or at every one.
        "few tokens at first": {"begin_suppress_tokens": lambda s: [i for i in range(s.vocabulary) if i not in s.plain[:3]]},
        "few tokens": {"suppress_tokens": lambda s: [i for i in range(s.vocabulary) if i not in s.plain[:6]]},
        "a length of max_length": {"max_length": lambda s: len(s.prompt) + 7, "max_new_tokens": None},
        "a pad token": {"pad_token_id": 7, "eos_token_id": ends_inside(2, 4), "num_return_sequences": 3},
        "two stop strings": {"stop_strings": lambda s: [text_of(s, 1, 2).strip() or "a", "e"], "num_return_sequences": 3},
        "stop strings without ends": {"stop_strings": ["e", "a", "o"], "eos_token_id": None, "num_return_sequences": 3},
    }
    # Of two tokens one ends, and nothing follows the other.
    dead_end = {
        "eos_token_id": lambda s: s.plain[1], "suppress_tokens": lambda s: [i for i in range(s.vocabulary) if i not in s.plain[:2]],
        "bad_words_ids": lambda s: [[first, second] for first in s.plain[:2] for second in s.plain[:2]],
    }  # fmt: skip
    wants.append(beams("a dead end", 3, dead_end | {"num_return_sequences": 1}))
    for name, fields in fewer.items():
        wants += [beams(name, 3, fields), beams(name, 5, fields | {"early_stopping": True})]
    return wants


def beam_wants() -> list[Want]:
    return [*numbers(), *searches(), *lengths(), *options(), *pairs()]
