"""Where the author's plain functions run: threads that can be told to stop, as far as Python allows it."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Optional

from .errors import Canceled

#: As many plain functions run at a time as in the Truss server (anyio's default).
THREADS = 40


class Threads:
    def __init__(self, count: int = THREADS) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="model")

    async def run(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """The call's result. Canceled, it is raised into the thread, and waited for: what runs still holds its place."""
        job = _Job(call, arguments)
        future = asyncio.get_running_loop().run_in_executor(self._pool, job.run)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            job.interrupt()
            await _settled(future)
            raise


class _Job:
    def __init__(self, call: Callable[..., Any], arguments: Any) -> None:
        self._call = call
        self._arguments = arguments
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._thread: Optional[int] = None
        self._interrupted = False

    def run(self) -> Any:
        with self._lock:
            if self._interrupted:
                raise Canceled()
            self._thread = threading.get_ident()
        try:
            return self._context.run(self._call, *self._arguments)
        finally:
            with self._lock:
                self._thread = None

    def interrupt(self) -> None:
        """Takes effect at the next instruction of Python; a call into C is not cut short."""
        with self._lock:
            self._interrupted = True
            if self._thread is not None:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(Canceled))


async def _settled(future: "asyncio.Future[Any]") -> None:
    """Waits for the thread's end, whatever came of it and however often the wait is canceled."""
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            continue
    if not future.cancelled():
        future.exception()
