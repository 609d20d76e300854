"""One call of the replica's, carried out: its answer as messages, its cancellation, its inputs of a websocket."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Callable, Dict, Optional, Tuple

from .errors import Failure, describe, is_http_exception, is_status, MODEL_ERROR, UserCodeError
from .exchange import Exchange, Headers, Sink
from .logs import Call, Log, current_call
from .serving import Serving
from .websocket import Socket, serve_websocket
from .wire import Wire


#: Of headers, as HTTP has them.
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
#: As the Truss server has it.
MOST_SOCKET_MESSAGE = 100 * 1024 * 1024


class Incoming(Sink, Socket):
    """`answer_bytes`: most that its answer may have, pieces of a stream added up. `finish` is called at its end, in
    its context."""

    def __init__(
        self, message: Dict[str, Any], body: bytes, wire: Wire, answer_bytes: int, finish: Callable[[], None]
    ) -> None:
        self.number = int(message["id"])
        self._wire = wire
        self._left = answer_bytes
        self._limit = answer_bytes
        self._ended = False
        self._finish = finish
        self._flow = asyncio.Event()
        self._flow.set()
        self._inputs: "asyncio.Queue[Tuple[str, Any]]" = asyncio.Queue()
        self._task: Optional["asyncio.Task[None]"] = None
        self._call = Call(self.number, message["run_id"])
        request = message["request"]
        self.exchange = Exchange(
            method=message["method"],
            body=body,
            sink=self,
            headers=request["headers"],
            http_method=request["method"],
            url=request["url"],
        )

    def begin(self, serving: Serving, log: Log) -> "asyncio.Task[None]":
        self._task = asyncio.get_running_loop().create_task(self._carry_out(serving, log))
        return self._task

    def cancel(self) -> None:
        self.exchange.leave()
        self._flow.set()
        self._inputs.put_nowait(("closed", 1001))
        if self._task is not None:
            self._task.cancel()

    def pause(self) -> None:
        self._flow.clear()

    def resume(self) -> None:
        if not self._flow.is_set():
            self.resumed_at = asyncio.get_running_loop().time()
        self._flow.set()

    def input(self, text: bool, body: bytes) -> None:
        self._inputs.put_nowait(("text", body.decode("utf-8", "replace")) if text else ("bytes", body))

    def input_end(self, close_code: int) -> None:
        self._inputs.put_nowait(("closed", close_code))

    async def _carry_out(self, serving: Serving, log: Log) -> None:
        current_call.set(self._call)
        try:
            if self.exchange.method == "websocket":
                await serve_websocket(serving.definition, self.exchange, self, log)
            else:
                await serving.answer(self.exchange)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                # One that nobody asked for is the code's own.
                own = UserCodeError(error)
                error = Failure("canceled", "The call was canceled.") if self.exchange.left.is_set() else own
            if isinstance(error, UserCodeError):
                said = "Model raised HTTPException" if is_http_exception(error.error) else MODEL_ERROR
                log.error(said, error=error.error)
            elif not isinstance(error, Failure):
                log.error("Unhandled exception", error=error)
            self._fail(error, log)
        finally:
            self._ended = True
            self._finish()

    def _fail(self, error: BaseException, log: Log) -> None:
        try:
            self._send({"kind": "error", **describe(error, log.model_file)})
        except Exception:
            # What the code gave does not fit in a message, or raises when it is read.
            said = "%s: what the code raised cannot be told." % type(error).__name__
            self._send({"kind": "error", "reason": "exception", "message": said[:1000]})

    def _send(self, message: Dict[str, Any], body: bytes = b"") -> None:
        if self._ended:
            return
        self._wire.send({**message, "id": self.number}, body)
        if message["kind"] in ("error", "end") or (message["kind"] == "answer" and not message["stream"]):
            self._ended = True

    def _count(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise Failure("too_large", "The answer is over the limit of %d bytes." % self._limit)

    # Sink: an answer over HTTP.

    async def answer(self, status: int, headers: Headers, body: bytes, is_response: bool = False) -> None:
        self._count(body)
        self._send(_head(status, headers, False, is_response), body)

    async def start(self, status: int, headers: Headers, is_response: bool = False) -> None:
        self.started = True
        self._send(_head(status, headers, True, is_response))

    async def chunk(self, data: bytes) -> None:
        self._count(data)
        self._send({"kind": "chunk"}, data)
        await self._wire.room()

    async def end(self) -> None:
        self._send({"kind": "end"})

    async def room(self) -> None:
        await self._flow.wait()

    def waiting(self) -> None:
        self._send({"kind": "waiting"})

    def begun(self) -> None:
        self._send({"kind": "begun"})

    # Socket: a websocket.

    async def accept(self) -> None:
        self.started = True
        self._send(_head(200, [], True, False))

    async def receive(self) -> Tuple[str, Any]:
        return await self._inputs.get()

    async def send_text(self, text: str) -> None:
        await self._send_piece(text.encode("utf-8"), True)

    async def send_bytes(self, data: bytes) -> None:
        await self._send_piece(data, False)

    async def _send_piece(self, data: bytes, text: bool) -> None:
        await self.room()
        if len(data) > MOST_SOCKET_MESSAGE:
            raise ValueError("A websocket's message of %d bytes is over %d." % (len(data), MOST_SOCKET_MESSAGE))
        self._send({"kind": "chunk", "text": text}, data)
        await self._wire.room()

    async def close(self, code: int, reason: str) -> None:
        self._send({"kind": "end", "close_code": code, **({"reason": reason} if reason else {})})


def _head(status: int, headers: Headers, stream: bool, is_response: bool) -> Dict[str, Any]:
    if not is_status(status):
        raise UserCodeError(ValueError("The response has status %r; use one of 200 to 599." % (status,)))
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise UserCodeError(ValueError("The response's header %r cannot be sent." % name[:100]))
    response = {"is_response": True} if is_response else {}
    return {"kind": "answer", "status": status, "headers": headers, "stream": stream, **response}
