"""Wanted calls of group and constrained beam search, before it is known which prompt shows them firmly."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """What parameters may be made of."""

    # What plain greedy decoding continues the prompt with.
    plain: list[int]
    ends: list[int]
    prompt: list[int]
    encode: Callable[[str], list[int]]


Parameters = dict[str, Any] | Callable[[Setting], dict[str, Any]]


@dataclass(frozen=True)
class BeamCase:
    name: str
    # Added to `do_sample: false, max_new_tokens: 20`.
    parameters: Parameters
    # Without these fields the ids are others.
    acts: tuple[str, ...]
    # Names of prompts; empty: any.
    prompts: tuple[str, ...] = ()


def group(beams: int, groups: int, penalty: float, /, **more: Any) -> BeamCase:
    shown = ", ".join(f"{name} {value}" for name, value in more.items() if not callable(value))
    name = f"{groups} groups of {beams} beams, {penalty}" + (f", {shown}" if shown else "")
    fixed = {"num_beams": beams, "num_beam_groups": groups, "diversity_penalty": penalty}
    return BeamCase(name, fixed | more, ("num_beam_groups", "diversity_penalty"))


def ending_early(case: BeamCase, *places: int) -> BeamCase:
    """Also with some of the tokens as end tokens that plain decoding would give."""
    given = case.parameters
    return BeamCase(
        f"{case.name}, end tokens {places}",
        lambda s: (given(s) if callable(given) else given)
        | {"eos_token_id": [*s.ends, *dict.fromkeys(s.plain[place] for place in places)]},
        case.acts,
        case.prompts,
    )


def done_groups(beams: int, groups: int, penalty: float, place: int, *places: int) -> BeamCase:
    """A group that is done goes on choosing the pad token, which later groups then avoid."""
    given = group(beams, groups, penalty, early_stopping=True, num_return_sequences=beams)
    early = ending_early(given, *places)
    return BeamCase(
        f"{early.name}, done groups count",
        lambda s: early.parameters(s) | {"pad_token_id": s.plain[place]},
        ("pad_token_id",),
    )


def groups() -> list[BeamCase]:
    return [
        done_groups(4, 2, 4, 5, 1, 2),
        done_groups(6, 3, 2.5, 4, 0, 1, 2),
        group(2, 2, 0.5),
        group(2, 2, 2),
        group(4, 2, 0.2),
        group(4, 2, 1),
        group(4, 4, 0.5),
        group(4, 4, 10, num_return_sequences=4),
        group(6, 2, 0.8, num_return_sequences=3),
        group(6, 3, 0.4, num_return_sequences=6),
        group(6, 3, 1.5, length_penalty=2.0),
        group(8, 2, 0.6, length_penalty=0.0, num_return_sequences=2),
        group(8, 4, 0.3, num_return_sequences=4),
        group(8, 4, 3, early_stopping=True, num_return_sequences=8),
        group(4, 2, 0.7, length_penalty=-1.0, num_return_sequences=2),
        group(4, 2, 0.9, early_stopping="never", length_penalty=1.5, num_return_sequences=2),
        group(4, 2, 0.6, early_stopping="never", length_penalty=-0.5),
        group(4, 2, 0.5, max_new_tokens=1, num_return_sequences=4),
        group(4, 4, 1.2, max_new_tokens=3, num_return_sequences=4),
        group(6, 3, 0.5, max_new_tokens=48),
        group(4, 2, 0.5, repetition_penalty=1.3),
        group(4, 2, 0.5, no_repeat_ngram_size=2, num_return_sequences=4),
        group(4, 2, 0.5, min_new_tokens=12, num_return_sequences=4),
        group(4, 2, 0.5, renormalize_logits=True, repetition_penalty=1.2),
        group(4, 2, 0.4, encoder_no_repeat_ngram_size=2, num_return_sequences=2),
        ending_early(group(4, 2, 0.5, num_return_sequences=4), 2, 5),
        ending_early(group(6, 3, 0.5, early_stopping=True, num_return_sequences=6), 1, 3, 4),
        ending_early(group(8, 4, 0.8, num_return_sequences=4), 1, 2),
        ending_early(group(4, 2, 2, early_stopping=True, num_return_sequences=4), 0, 1, 2, 3),
        ending_early(group(6, 2, 0.3, early_stopping="never", length_penalty=0.7, num_return_sequences=6), 2, 3),
    ]


def words(*texts: str) -> Callable[[Setting], list[list[int]]]:
    """Each of them must come."""
    return lambda s: [s.encode(text) for text in texts]


def choices(*lists: tuple[str, ...]) -> Callable[[Setting], list]:
    """One of each list must come."""
    return lambda s: [[s.encode(text) for text in texts] for texts in lists]


def forced(name: str, beams: int, made: Callable[[Setting], list], /, **more: Any) -> BeamCase:
    shown = ", ".join(f"{key} {value}" for key, value in more.items())
    return BeamCase(
        f"{name}, {beams} beams" + (f", {shown}" if shown else ""),
        lambda s: {"num_beams": beams, "force_words_ids": made(s)} | more,
        ("force_words_ids",),
    )


def branching(*tails: str) -> Callable[[Setting], list]:
    """One choice whose words begin with the same two tokens."""

    def made(s: Setting) -> list:
        beginning = s.encode(" a model")[:2]
        return [[[*beginning, s.encode(tail)[-1]] for tail in tails]]

    return made


def sharing(s: Setting) -> list[list[int]]:
    """Two words that begin alike, both of which must come."""
    beginning = s.encode(" the")
    return [[*beginning, s.encode(" model")[0]], [*beginning, s.encode(" beam")[0]]]


def constrained() -> list[BeamCase]:
    return [
        forced("a word", 2, words(" model")),
        forced("a word", 4, words(" llama")),
        forced("a word", 8, words(" search"), num_return_sequences=3),
        forced("a phrase", 3, words(" a good model")),
        forced("a phrase", 4, words(" once upon a time"), num_return_sequences=2),
        forced("a phrase", 6, words(" the answer is"), length_penalty=2.0),
        forced("two words", 4, words(" model", " token")),
        forced("two words", 5, words(" sky", " blue"), num_return_sequences=5),
        forced("three words", 6, words(" one", " two", " three")),
        forced("a word and a phrase", 4, words(" joke", " in the end"), length_penalty=0.0),
        forced("a choice of two", 4, choices((" model", " token"))),
        forced("a choice of three", 6, choices((" good", " great", " happy")), num_return_sequences=2),
        forced("a choice of phrases", 4, choices((" a model", " the token", " llama"))),
        forced("two choices", 6, choices((" model", " llama"), (" good", " bad")), length_penalty=-0.5),
        forced("a choice that branches", 4, branching(" good", " model", " token")),
        forced("a choice that branches", 8, branching(" one", " two", " search"), num_return_sequences=4),
        forced("words that begin alike", 4, sharing),
        forced("words that begin alike", 6, sharing, num_return_sequences=3, max_new_tokens=28),
        forced("the same word twice", 4, words(" model", " model")),
        forced("a word and a choice", 5, lambda s: [s.encode(" token"), [s.encode(" good"), s.encode(" great")]]),
        forced("a word", 4, words(" push"), early_stopping=True, num_return_sequences=2),
        forced("two words", 4, words(" time", " model"), early_stopping="never", num_return_sequences=2),
        forced("a word", 4, words(" beam"), repetition_penalty=1.3),
        forced("a word", 4, words(" water"), no_repeat_ngram_size=2, num_return_sequences=4),
        forced("a word", 4, words(" hello"), min_new_tokens=10),
        forced("too many words for the length", 4, words(" one", " two", " three", " four"), max_new_tokens=3),
        forced("a long phrase for the length", 4, words(" the quick brown fox"), max_new_tokens=4, num_return_sequences=2),
        forced("two words, one of the prompt", 4, lambda s: [s.prompt[-2:-1], s.encode(" model")]),
        ending_early(forced("a word", 4, words(" model"), num_return_sequences=2), 2, 5),
        ending_early(forced("two words", 6, words(" good", " llama"), num_return_sequences=3), 1, 3, 4),
        ending_early(forced("a choice of two", 4, choices((" model", " token")), early_stopping=True), 0, 2),
    ]
