"""One call from body to answer: parse, preprocess, predict within the concurrency limit, postprocess, serialise.

Source: truss 0.18.35, templates/server/{truss_server,model_wrapper}.py. Everything runs on one event loop; what the
author wrote as plain functions runs in threads.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, Dict, Mapping, Optional

from .asgi import is_response, is_streaming_response, request_of, send_response
from .bodies import is_binary, parse, serialise
from .definition import BOTH, REQUEST, Definition, Method
from .errors import USER_ERRORS, Failure, ModelDefinitionError, UserCodeError
from .exchange import Exchange
from .logs import Log
from .streams import Permit, gather, send_stream
from .threads import Threads


class Serving:
    """A loaded model. Made on the event loop that it serves on."""

    def __init__(
        self, definition: Definition, log: Log, predict_concurrency: int = 1, streaming_read_timeout: float = 60.0
    ) -> None:
        self.definition = definition
        self.threads = Threads()
        self._log = log
        self._slots = asyncio.Semaphore(predict_concurrency)
        self._read_timeout = streaming_read_timeout
        #: What `setup_environment` was called with last.
        self._environment: Optional[Mapping[str, Any]] = None
        self._environment_turn = asyncio.Lock()

    async def answer(self, exchange: Exchange) -> None:
        """Sends the whole answer into the sink. Raises Failure, UserCodeError, or whatever could not be sent."""
        if exchange.method == "is_healthy":
            healthy = await self._is_healthy()
            await exchange.sink.answer(200, [("content-type", "application/json")], b"true" if healthy else b"false")
            return
        binary = is_binary(exchange.headers)
        inputs = None
        if not self.definition.reads_no_body:
            inputs = parse(exchange.body, binary, self.definition.schema)
        permit = Permit()
        try:
            if exchange.method == "predict":
                result = await self._predict(inputs, exchange, permit)
            else:
                result = await self._run(self._method(exchange.method), inputs, exchange)
            if inspect.isgenerator(result) or inspect.isasyncgen(result):
                if not _wants_whole(exchange.headers):
                    await send_stream(result, exchange, self.threads.run, permit, self._read_timeout)
                    return
                result = await gather(result, self.threads.run)
            if is_response(result):
                if not is_streaming_response(result):
                    permit.release()
                await send_response(result, exchange)
                return
        finally:
            permit.release()
        body, content_type = serialise(result, binary)
        await exchange.sink.answer(200, [("content-type", content_type)], body)

    def _method(self, name: str) -> Method:
        method = self.definition.get(name)
        if method is None:
            raise Failure("no_method", "`%s` must only be called if model has it." % name)
        return method

    async def _predict(self, inputs: Any, exchange: Exchange, permit: Permit) -> Any:
        """`permit` is held on return where the result has still to be produced."""
        predict = self._method("predict")
        preprocess, postprocess = self.definition.get("preprocess"), self.definition.get("postprocess")
        if preprocess is not None:
            inputs = await self._run(preprocess, inputs, exchange)
        await self._take_turn(exchange, permit, says_so=preprocess is None)
        result = await self._run(predict, inputs, exchange)
        streams = inspect.isgenerator(result) or inspect.isasyncgen(result)
        if streams or is_response(result):
            if postprocess is not None:
                raise UserCodeError(_no_postprocess("a generator (streaming)" if streams else "a response object"))
            return result
        permit.release()
        return result if postprocess is None else await self._run(postprocess, result, exchange)

    async def _take_turn(self, exchange: Exchange, permit: Permit, says_so: bool) -> None:
        waits = says_so and self._slots.locked()
        if waits:
            exchange.sink.waiting()
        await self._slots.acquire()
        permit.hold(self._slots.release)
        if waits:
            exchange.sink.begun()

    async def _run(self, method: Method, inputs: Any, exchange: Exchange) -> Any:
        request = await request_of(exchange) if method.takes in (REQUEST, BOTH) else None
        arguments = method.arguments(inputs, request)
        try:
            if method.is_generator:
                return method.call(*arguments)
            result = method.call(*arguments) if method.is_async else await self.threads.run(method.call, *arguments)
            # A plain function may hand out a coroutine, as one behind a decorator does.
            return await result if inspect.isawaitable(result) else result
        except USER_ERRORS as error:
            raise UserCodeError(error) from error

    async def _is_healthy(self) -> bool:
        method = self._method("is_healthy")
        try:
            healthy = await method.call() if method.is_async else await self.threads.run(method.call)
        except USER_ERRORS as error:
            self._log.error("Exception while checking if model is healthy: %s" % error, error=error)
            healthy = False
        if not healthy:
            self._log.warning("Health check failed.")
        return bool(healthy)

    async def setup_environment(self, environment: Optional[Mapping[str, Any]]) -> None:
        """Tells the model where it runs. Raises what its method raises."""
        method = self.definition.get("setup_environment")
        if method is None:
            return
        self._log.info("Executing model.setup_environment with environment: %s" % (environment,))
        if method.is_async:
            await method.call(environment)
        else:
            await self.threads.run(method.call, environment)
        self._environment = environment

    async def change_environment(self, environment: Optional[Mapping[str, Any]]) -> None:
        """Of code that is loaded. As Truss, tells it of no environment that it was told last, and not that it has left one."""
        async with self._environment_turn:
            if environment is not None and environment != self._environment:
                await self.setup_environment(environment)


def _no_postprocess(what: str) -> ModelDefinitionError:
    return ModelDefinitionError(
        "If the predict function returns %s, you cannot use postprocessing. Include all processing in the predict "
        "method." % what
    )


def _wants_whole(headers: Mapping[str, str]) -> bool:
    """A stream is collected for clients that ask for JSON, but not for OpenAI's, which ask for it in any case."""
    return headers.get("accept") == "application/json" and "openai" not in headers.get("user-agent", "").lower()


def describe_schemas(definition: Definition) -> Optional[Dict[str, Any]]:
    """As the protocol has them."""
    if definition.schema is None:
        return None
    found = definition.schema.describe()
    return {
        "input": found["input_schema"],
        "output": found["output_schema"],
        "supports_streaming": found["supports_streaming"],
    }
