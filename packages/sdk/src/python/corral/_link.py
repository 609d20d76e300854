"""Between the author's threads and coroutines and the loop that speaks with the replica."""

from __future__ import annotations

import asyncio
import queue
from typing import Any, AsyncIterator, Coroutine, Dict, Iterator, Optional, Sequence


class CallRefused(Exception):
    """The call was not carried out; `code` is one of Corral's error table, the message says what to do. `errors` are
    the fields that are wrong: `{pointer, code, detail}` each."""

    def __init__(self, code: str, message: str, errors: Sequence[Dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.errors = list(errors)


class _Link:
    outgoing: Any = None
    loop: Optional[asyncio.AbstractEventLoop] = None


_link = _Link()


def bind(outgoing: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Said by the worker before it runs the author's code."""
    _link.outgoing, _link.loop = outgoing, loop


def _bound() -> Any:
    if _link.outgoing is None:
        raise RuntimeError("corral.llm works inside a replica only; this code was not started by one.")
    return _link.outgoing


async def call(method: str, body: Any, deployment: Optional[str]) -> Any:
    return await _bound().call(method, body, deployment)


def stream(method: str, body: Dict[str, Any], deployment: Optional[str]) -> AsyncIterator[Any]:
    return _bound().stream(method, body, deployment)


def _require_other_thread(name: str) -> asyncio.AbstractEventLoop:
    _bound()
    loop = _link.loop
    assert loop is not None
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return loop
    if running is loop:
        raise RuntimeError("llm.%s waits, and would block every other call; in async code write llm.aio.%s." % (name, name))
    return loop


def wait_for(name: str, work: Coroutine[Any, Any, Any]) -> Any:
    """Carries `work` out on the loop while this thread waits."""
    try:
        loop = _require_other_thread(name)
    except RuntimeError:
        work.close()
        raise
    future = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def iterate(name: str, pieces: AsyncIterator[Any]) -> Iterator[Any]:
    """The pieces, one at a time, for code in a thread. Left early, the source is closed."""
    loop = _require_other_thread(name)
    received: "queue.Queue[Any]" = queue.Queue()
    last = object()

    async def pump() -> None:
        try:
            async for piece in pieces:
                received.put((piece, None))
            received.put((last, None))
        except Exception as error:
            received.put((last, error))

    future = asyncio.run_coroutine_threadsafe(pump(), loop)
    try:
        while True:
            piece, error = received.get()
            if error is not None:
                raise error
            if piece is last:
                return
            yield piece
    finally:
        future.cancel()
