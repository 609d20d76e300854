"""Which methods a model has and how each is called, read from its class; refuses what breaks the contract.

Source: truss 0.18.35, templates/server/model_wrapper.py. Deviation: annotations that are strings (as after
`from __future__ import annotations`) are resolved, where the Truss server does not recognise them.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from .errors import ModelDefinitionError
from .schema import Schema, schema_of

NONE, INPUTS, REQUEST, BOTH = "none", "inputs", "request", "inputs and request"

#: Methods of the OpenAI-style routes; called without pre- and postprocessing and beside the concurrency limit.
DIRECT_METHODS = ("chat_completions", "completions", "embeddings", "messages", "responses")


class Method(NamedTuple):
    name: str
    call: Callable[..., Any]
    takes: str
    is_async: bool
    is_generator: bool

    def arguments(self, inputs: Any, request: Any) -> tuple:
        return {NONE: (), INPUTS: (inputs,), REQUEST: (request,), BOTH: (inputs, request)}[self.takes]


class Definition(NamedTuple):
    methods: Dict[str, Method]
    schema: Optional[Schema]

    def get(self, name: str) -> Optional[Method]:
        return self.methods.get(name)

    @property
    def reads_no_body(self) -> bool:
        """Whether the body stays unparsed because every method that could take it wants the request alone."""
        predict, preprocess = self.get("predict"), self.get("preprocess")
        wants_request = predict is not None and predict.takes == REQUEST
        return wants_request and (preprocess is None or preprocess.takes == REQUEST)


def define(model: Any) -> Definition:
    """Reads the methods of a model instance. Raises ModelDefinitionError."""
    names = ("predict", "preprocess", "postprocess", "websocket", "is_healthy", "setup_environment", *DIRECT_METHODS)
    methods = {name: _method(name, getattr(model, name)) for name in names if hasattr(model, name)}
    healthy = methods.get("is_healthy")
    if healthy is not None and healthy.takes != NONE:
        raise ModelDefinitionError("`is_healthy` must have only one argument: `self`.")
    if "websocket" in methods:
        _check_websocket(methods)
        return Definition(methods, None)
    if "predict" not in methods:
        raise ModelDefinitionError("Truss model must have a `predict` or `websocket` method.")
    _check_chain(methods)
    first = methods.get("preprocess") or methods["predict"]
    last = methods.get("postprocess") or methods["predict"]
    return Definition(methods, schema_of(signature_of(first.call), signature_of(last.call)))


def _check_websocket(methods: Dict[str, Method]) -> None:
    if any(name in methods for name in ("predict", "preprocess", "postprocess")):
        raise ModelDefinitionError(
            "Truss model cannot have both `websocket` and any of `predict`, `preprocess`, or `postprocess methods."
        )
    websocket = methods["websocket"]
    if websocket.takes != INPUTS:
        raise ModelDefinitionError("`websocket` must have only one argument: `websocket`.")
    if not websocket.is_async:
        raise ModelDefinitionError("`websocket` endpoints must be async function definitions.")


def _check_chain(methods: Dict[str, Method]) -> None:
    if "preprocess" in methods and methods["predict"].takes == REQUEST:
        raise ModelDefinitionError(
            "When using `preprocess`, the predict method cannot only have the request argument (because the result "
            "of `preprocess` would be  discarded)."
        )
    postprocess = methods.get("postprocess")
    if postprocess is not None and postprocess.takes == REQUEST:
        raise ModelDefinitionError(
            "The `postprocess` method cannot only have the request argument (because the result of `predict` would "
            "be discarded)."
        )


def _method(name: str, call: Callable[..., Any]) -> Method:
    return Method(
        name=name,
        call=call,
        takes=_takes(name, signature_of(call)),
        is_async=inspect.iscoroutinefunction(call),
        is_generator=inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call),
    )


def signature_of(call: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(call)
    annotations: List[Any] = [parameter.annotation for parameter in signature.parameters.values()]
    if not any(isinstance(found, str) for found in [*annotations, signature.return_annotation]):
        return signature
    function = inspect.unwrap(getattr(call, "__func__", call))
    names = getattr(function, "__globals__", {})

    def resolve(annotation: Any) -> Any:
        try:
            return eval(annotation, names) if isinstance(annotation, str) else annotation
        except Exception:
            return annotation  # a name that exists for type checkers only

    return signature.replace(
        parameters=[
            parameter.replace(annotation=resolve(parameter.annotation))
            for parameter in signature.parameters.values()
        ],
        return_annotation=resolve(signature.return_annotation),
    )


def _takes(name: str, signature: inspect.Signature) -> str:
    parameters = list(signature.parameters.values())
    if len(parameters) == 0:
        return NONE
    if len(parameters) == 1:
        return REQUEST if is_request(parameters[0].annotation) else INPUTS
    if len(parameters) > 2:
        raise ModelDefinitionError(
            "`%s` method cannot have more than two arguments. Got: %s" % (name, signature)
        )
    first, second = parameters
    if is_request(first.annotation):
        raise ModelDefinitionError(
            "`%s` method with two arguments is not allowed to have request as first argument, request must be "
            "second. Got: %s" % (name, signature)
        )
    if not is_request(second.annotation):
        raise ModelDefinitionError(
            "`%s` method with two arguments must have request as second argument (type annotated). Got: %s "
            % (name, signature)
        )
    return BOTH


def is_request(annotation: Any) -> bool:
    """Whether it is Starlette's Request. Where the author never imported it, nothing is."""
    kind = getattr(sys.modules.get("starlette.requests"), "Request", None)
    return kind is not None and isinstance(annotation, type) and issubclass(annotation, kind)
