"""What a wanted case of `generate` is, before it is known which prompt shows it firmly."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Situation:
    """What parameters may be made of."""

    model: str
    prompt: list[int]
    # What plain greedy decoding continues the prompt with.
    plain: list[int]
    ends: list[int]
    bos: int
    encode: Callable[[str], list[int]]
    decode: Callable[[list[int]], str]
    vocabulary: int = 2048


Parameters = dict[str, Any] | Callable[[Situation], dict[str, Any]]


@dataclass(frozen=True)
class Want:
    name: str
    # Added to `base`.
    parameters: Parameters
    base: dict[str, Any] = field(default_factory=lambda: {"do_sample": False, "max_new_tokens": 16})
    # Names of prompts; empty: any.
    prompts: tuple[str, ...] = ()
    # Cases for each model.
    count: int = 1
    # Fields that must change the ids: without any one of them they are others.
    acts: tuple[str, ...] = ()
    # Classes of two processors whose order must matter to the ids, or (`shows_scores`) to the scores.
    swap: tuple[str, str] | None = None
    # Steps whose scores and logits are kept.
    shows: tuple[str, ...] = ()
    # Names of prompts that are further rows, shorter ones padded on the left.
    beside: tuple[str, ...] = ()
    # No ids are compared, for chance is in them.
    by_chance: bool = False


def alone(name: str, *values: Any, acts: bool = True, **more: Any) -> list[Want]:
    """A field by itself at each of these values."""
    wants = []
    for index, value in enumerate(values):
        shown = f"({index + 1})" if callable(value) else str(value)
        parameters = (lambda value: lambda s: {name: value(s)})(value) if callable(value) else {name: value}
        wants.append(Want(f"{name} {shown}", parameters, acts=(name,) if acts else (), **more))
    return wants
