"""The replica's own engine, and other deployments by name.

    answer = llm.generate("Once upon a time", max_new_tokens=20)
    for text in llm.stream(messages=[{"role": "user", "content": "Hi"}]): ...

In `async def` methods: `await llm.aio.generate(…)`, `async for text in llm.aio.stream(…)`. Parameters are those of
Corral's own API: everything that Hugging Face `generate` takes. Refusals raise `corral.CallRefused`.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Sequence

from . import aio
from ._link import iterate, wait_for

__all__ = ["Stream", "aio", "detokenize", "embed", "generate", "predict", "render", "stream", "tokenize"]

Answer = Dict[str, Any]


def generate(
    prompt: Optional[str] = None,
    *,
    messages: Optional[Sequence[Dict[str, Any]]] = None,
    input_ids: Optional[Sequence[int]] = None,
    deployment: Optional[str] = None,
    **parameters: Any,
) -> Answer:
    """`{run_id, run_time_ms, result, usage, warnings}`; one of `prompt`, `messages` and `input_ids` is needed."""
    body = aio.prompt_body(prompt, messages, input_ids, parameters)
    return wait_for("generate", aio.call("llm.generate", body, deployment))


class Stream:
    """Texts as they come. `answer` is what `generate` would have given, once the last has come; until then None."""

    def __init__(self, source: "aio.Stream") -> None:
        self._source = source

    @property
    def answer(self) -> Optional[Answer]:
        return self._source.answer

    def __iter__(self) -> Iterator[str]:
        return iterate("stream", self._source.__aiter__())


def stream(
    prompt: Optional[str] = None,
    *,
    messages: Optional[Sequence[Dict[str, Any]]] = None,
    input_ids: Optional[Sequence[int]] = None,
    deployment: Optional[str] = None,
    **parameters: Any,
) -> Stream:
    source = aio.stream(prompt, messages=messages, input_ids=input_ids, deployment=deployment, **parameters)
    return Stream(source)


def predict(model_input: Any, *, deployment: str) -> Any:
    """What the code of another deployment answers; `model_input` is any JSON value."""
    return wait_for("predict", aio.predict(model_input, deployment=deployment))


def embed(*, deployment: Optional[str] = None, **body: Any) -> Answer:
    """As the body of `/embeddings`."""
    return wait_for("embed", aio.call("llm.embed", body, deployment))


def tokenize(text: str, *, add_special_tokens: bool = True, deployment: Optional[str] = None) -> List[int]:
    work = aio.tokenize(text, add_special_tokens=add_special_tokens, deployment=deployment)
    return wait_for("tokenize", work)


def detokenize(ids: Sequence[int], *, skip_special_tokens: bool = False, deployment: Optional[str] = None) -> str:
    work = aio.detokenize(ids, skip_special_tokens=skip_special_tokens, deployment=deployment)
    return wait_for("detokenize", work)


def render(*, deployment: Optional[str] = None, **body: Any) -> Answer:
    """`{text, ids}` of a prompt or of messages, as the model's chat template makes it."""
    return wait_for("render", aio.call("llm.render", body, deployment))
