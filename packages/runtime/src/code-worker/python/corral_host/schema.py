"""The input and output types that annotations promise, where they are pydantic models.

Source: truss 0.18.35, templates/server/common/schema.py.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator, Iterator
from typing import Any, Dict, NamedTuple, Optional, Tuple, Union, get_args, get_origin

from .errors import parsing_failure


class Schema(NamedTuple):
    input_type: Any
    """A pydantic model class, or None where the method takes anything."""
    output_type: Any
    """A pydantic model class, or None where only a stream is promised, or nothing."""
    streams: Optional[bool]
    """None where nothing is promised."""

    def describe(self) -> Dict[str, Any]:
        return {
            "input_schema": None if self.input_type is None else _json_schema(self.input_type),
            "output_schema": None if self.output_type is None else _json_schema(self.output_type),
            "supports_streaming": self.streams,
        }

    def parse_json(self, body: bytes) -> Any:
        return self._parsed("parse_raw", body)

    def parse_value(self, value: Any) -> Any:
        return self._parsed("parse_obj", value)

    def _parsed(self, method: str, given: Any) -> Any:
        with warnings.catch_warnings():
            # Deprecated in pydantic 2, and the only spelling that both versions know.
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                return getattr(self.input_type, method)(given)
            except _pydantic().ValidationError as error:
                raise parsing_failure(error) from error


def schema_of(first: inspect.Signature, last: inspect.Signature) -> Optional[Schema]:
    """Of the method that takes the body and the one that gives the answer; None where they promise nothing."""
    parameters = list(first.parameters.values())
    taken = parameters[0].annotation if parameters and is_model(parameters[0].annotation) else None
    output, streams = _promised(last.return_annotation)
    return None if taken is None and streams is None else Schema(taken, output, streams)


def _promised(annotation: Any) -> Tuple[Any, Optional[bool]]:
    """The model class, if any, and whether the answer may be a stream; both None where nothing is promised."""
    if is_model(annotation):
        return annotation, False
    if _is_generator(annotation):
        return None, True
    if _is_awaitable(annotation):
        output = _awaited(annotation)
        return output, None if output is None else False
    if get_origin(annotation) is Union:
        output = _model_or_stream(get_args(annotation))
        return output, None if output is None else True
    return None, None


def is_model(annotation: Any) -> bool:
    pydantic = _pydantic()
    return pydantic is not None and isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel)


def is_model_value(value: Any) -> bool:
    return is_model(type(value))


def dump_json(value: Any) -> bytes:
    dump = getattr(value, "model_dump_json", None) or value.json
    return dump().encode("utf-8")


def dump_value(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return value.dict() if dump is None else dump(mode="python")


def _pydantic() -> Any:
    return sys.modules.get("pydantic")


def _json_schema(model: Any) -> Dict[str, Any]:
    describe = getattr(model, "model_json_schema", None) or model.schema
    return describe()


def _is_generator(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, (Generator, AsyncGenerator, Iterator, AsyncIterator))


def _is_awaitable(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, Awaitable)


def _awaited(annotation: Any) -> Any:
    (output,) = get_args(annotation)
    return output if is_model(output) else None


def _model_or_stream(parts: tuple) -> Any:
    """`Union[Model, Generator]` or `Union[Awaitable[Model], AsyncGenerator]`, in any order."""
    models = [_awaited(part) if _is_awaitable(part) else part for part in parts if _is_awaitable(part) or is_model(part)]
    streams = [part for part in parts if _is_generator(part)]
    return models[0] if len(parts) == 2 and len(models) == 1 and len(streams) == 1 else None
