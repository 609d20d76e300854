"""`corral.llm` for `async def` code; see there."""

from __future__ import annotations

from typing import Any, AsyncIterator, Dict, List, Optional, Sequence

from . import _link
from ._link import call

Answer = Dict[str, Any]


def prompt_body(
    prompt: Optional[str],
    messages: Optional[Sequence[Dict[str, Any]]],
    input_ids: Optional[Sequence[int]],
    parameters: Dict[str, Any],
) -> Dict[str, Any]:
    given = {"prompt": prompt, "messages": messages, "input_ids": input_ids}
    return {**{name: value for name, value in given.items() if value is not None}, **parameters}


async def generate(
    prompt: Optional[str] = None,
    *,
    messages: Optional[Sequence[Dict[str, Any]]] = None,
    input_ids: Optional[Sequence[int]] = None,
    deployment: Optional[str] = None,
    **parameters: Any,
) -> Answer:
    return await call("llm.generate", prompt_body(prompt, messages, input_ids, parameters), deployment)


class Stream:
    """Texts as they come. `answer` is what `generate` would have given, once the last has come; until then None."""

    def __init__(self, body: Dict[str, Any], deployment: Optional[str]) -> None:
        self.answer: Optional[Answer] = None
        self._body = body
        self._deployment = deployment

    async def __aiter__(self) -> AsyncIterator[str]:
        pieces = _link.stream("llm.stream", self._body, self._deployment)
        try:
            async for piece in pieces:
                if "done" in piece:
                    self.answer = piece["done"]
                elif piece.get("text"):
                    yield piece["text"]
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]


def stream(
    prompt: Optional[str] = None,
    *,
    messages: Optional[Sequence[Dict[str, Any]]] = None,
    input_ids: Optional[Sequence[int]] = None,
    deployment: Optional[str] = None,
    **parameters: Any,
) -> Stream:
    return Stream(prompt_body(prompt, messages, input_ids, parameters), deployment)


async def predict(model_input: Any, *, deployment: str) -> Any:
    return (await call("llm.predict", model_input, deployment))["result"]


async def embed(*, deployment: Optional[str] = None, **body: Any) -> Answer:
    return await call("llm.embed", body, deployment)


async def tokenize(text: str, *, add_special_tokens: bool = True, deployment: Optional[str] = None) -> List[int]:
    body = {"text": text, "add_special_tokens": add_special_tokens}
    return (await call("llm.tokenize", body, deployment))["ids"]


async def detokenize(
    ids: Sequence[int], *, skip_special_tokens: bool = False, deployment: Optional[str] = None
) -> str:
    body = {"ids": list(ids), "skip_special_tokens": skip_special_tokens}
    return (await call("llm.detokenize", body, deployment))["text"]


async def render(*, deployment: Optional[str] = None, **body: Any) -> Answer:
    return await call("llm.render", body, deployment)
