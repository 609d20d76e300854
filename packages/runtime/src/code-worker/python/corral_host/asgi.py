"""Starlette's objects, for code that asks for them: a Request made of an exchange, a Response sent into its sink.

Imports Starlette only where the author's code has imported it already.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import Any, Awaitable, Callable, Dict, Iterator, Optional
from urllib.parse import unquote

from .exchange import Exchange, Headers


async def request_of(exchange: Exchange) -> Any:
    """A `starlette.requests.Request` whose body is read already: looking for a disconnect must not swallow it."""
    from starlette.requests import Request  # the annotation that asked for it comes from there

    sent = False

    async def receive() -> Dict[str, Any]:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": exchange.body, "more_body": False}
        await exchange.gone.wait()
        return {"type": "http.disconnect"}

    @contextlib.contextmanager
    def watch_disconnect() -> Iterator[threading.Event]:
        """Entered from a coroutine or a thread; the event is set when nobody waits for the answer any more."""
        yield exchange.left

    request = Request(scope_of(exchange), receive)
    await request.body()
    request.state.watch_disconnect = watch_disconnect
    return request


def scope_of(exchange: Exchange) -> Dict[str, Any]:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in exchange.raw_headers]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": exchange.http_method,
        "scheme": "http",
        "path": unquote(exchange.path),
        "raw_path": exchange.path.encode("ascii", "replace"),
        "query_string": exchange.query.encode("latin-1", "replace"),
        "root_path": "",
        "headers": headers,
        "client": None,
        "server": None,
        "state": {},
        "extensions": {},
    }


def is_response(value: Any) -> bool:
    kind = getattr(sys.modules.get("starlette.responses"), "Response", None)
    return kind is not None and isinstance(value, kind)


def is_streaming_response(value: Any) -> bool:
    kind = getattr(sys.modules.get("starlette.responses"), "StreamingResponse", None)
    return kind is not None and isinstance(value, kind)


async def send_response(response: Callable[..., Awaitable[None]], exchange: Exchange) -> None:
    """Runs a Response as the ASGI application it is. A body that comes in one piece is one answer."""
    head: Optional[Dict[str, Any]] = None

    async def receive() -> Dict[str, Any]:
        await exchange.gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Dict[str, Any]) -> None:
        nonlocal head
        if message["type"] == "http.response.start":
            head = message
            return
        if message["type"] != "http.response.body":
            return
        if head is None:
            raise RuntimeError("a response sent its body before its head")
        data, more = bytes(message.get("body", b"")), message.get("more_body", False)
        if not exchange.sink.started and not more:
            await exchange.sink.answer(head["status"], _headers(head), data, is_response=True)
            return
        if not exchange.sink.started:
            await exchange.sink.start(head["status"], _headers(head), is_response=True)
        if data:
            await exchange.sink.room()
            await exchange.sink.chunk(data)
        if not more:
            await exchange.sink.end()

    await response(scope_of(exchange), receive, send)


def _headers(head: Dict[str, Any]) -> Headers:
    """Without the length: who sends the bytes on says it."""
    pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in head.get("headers", [])]
    return [pair for pair in pairs if pair[0] not in ("content-length", "transfer-encoding", "connection")]
