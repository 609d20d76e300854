"""What a generator yields, sent as it comes. One task runs the generator from its first piece to its last: code in it
may rely on that.

Source: truss 0.18.35, templates/server/model_wrapper.py. Deviation: a producer whose reader has gone is stopped, and one
whose reader is slow waits, where the Truss server lets both run on.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, AsyncIterator, Awaitable, Callable, Optional

from .bodies import BINARY
from .errors import USER_ERRORS, Canceled, Failure, UserCodeError
from .exchange import Exchange, Sink

InThread = Callable[..., Awaitable[Any]]


class Permit:
    """One place within the concurrency limit, given back once."""

    def __init__(self) -> None:
        self._give_back: Optional[Callable[[], None]] = None

    def hold(self, give_back: Callable[[], None]) -> None:
        self._give_back = give_back

    def release(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


class _End:
    """The last thing in a queue; `error` is why it came early."""

    def __init__(self, error: Optional[BaseException] = None) -> None:
        self.error = error


_LAST = object()


async def send_stream(
    generator: Any, exchange: Exchange, in_thread: InThread, permit: Permit, read_timeout: float
) -> None:
    """Sends each piece; `permit` is held until the last was produced, not until it was read. Raises UserCodeError."""
    queue: "asyncio.Queue[Any]" = asyncio.Queue()
    producer = asyncio.get_running_loop().create_task(_produce(generator, queue, in_thread, exchange))
    producer.add_done_callback(lambda _: permit.release())
    try:
        await exchange.sink.start(200, [("content-type", BINARY)])
        while True:
            piece = await _next(queue, exchange.sink, read_timeout)
            if isinstance(piece, _End):
                break
            await exchange.sink.chunk(_bytes(piece))
        if piece.error is not None:
            raise UserCodeError(piece.error)
        await exchange.sink.end()
    finally:
        if not producer.done():
            producer.cancel()
            # Its place is free only when the code has stopped.
            await asyncio.wait([producer])


async def _next(queue: "asyncio.Queue[Any]", sink: Sink, read_timeout: float) -> Any:
    """A reader that does not read is no fault of the code: only time in which it wants pieces counts."""
    if not queue.empty():
        return queue.get_nowait()
    now = asyncio.get_running_loop().time
    asked_at = now()
    while True:
        await sink.room()
        left = max(asked_at, sink.resumed_at) + read_timeout - now()
        if left <= 0 and queue.empty():
            reason = "No piece came for %g s (runtime.streaming_read_timeout)." % read_timeout
            raise Failure("exception", reason)
        try:
            return await asyncio.wait_for(queue.get(), max(left, 0.001))
        except asyncio.TimeoutError:
            continue


def _bytes(piece: Any) -> bytes:
    if isinstance(piece, str):
        return piece.encode("utf-8")
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return bytes(piece)
    raise Failure("exception", "A piece of the stream is of type %s; yield str or bytes." % type(piece).__name__)


async def _produce(generator: Any, queue: "asyncio.Queue[Any]", in_thread: InThread, exchange: Exchange) -> None:
    pieces = _iterate(generator, in_thread)
    try:
        while True:
            await exchange.sink.room()
            piece = await pieces.__anext__()
            queue.put_nowait(piece)
    except StopAsyncIteration:
        queue.put_nowait(_End())
    except (*USER_ERRORS, Canceled, asyncio.CancelledError) as error:
        # A cancellation may be the code's own: then its reader must be told.
        queue.put_nowait(_End(error))
    finally:
        await _close(generator, in_thread)


async def gather(generator: Any, in_thread: InThread) -> str:
    """All pieces as one text, decoded at the end: a character may be in two of them. Raises what the generator raises."""
    try:
        pieces = [
            bytes(piece) if isinstance(piece, (bytes, bytearray)) else str(piece).encode("utf-8")
            async for piece in _iterate(generator, in_thread)
        ]
        return b"".join(pieces).decode("utf-8")
    except (SystemExit, KeyboardInterrupt) as error:
        raise UserCodeError(error) from error
    finally:
        await _close(generator, in_thread)


async def _iterate(generator: Any, in_thread: InThread) -> AsyncIterator[Any]:
    if inspect.isasyncgen(generator):
        async for piece in generator:
            yield piece
        return
    while True:
        piece = await in_thread(next, generator, _LAST)
        if piece is _LAST:
            return
        yield piece


async def _close(generator: Any, in_thread: InThread) -> None:
    """Lets the author's `finally` run, where the generator has not come to its end."""
    try:
        if inspect.isasyncgen(generator):
            await generator.aclose()
        elif inspect.getgeneratorstate(generator) == inspect.GEN_SUSPENDED:
            await in_thread(generator.close)
    except (*USER_ERRORS, Canceled):
        pass  # nobody is left to be told
