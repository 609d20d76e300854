"""One call as the model's side sees it: what was sent, where the answer goes, and whether anybody still waits.

Knows neither the wire nor the model.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Dict, List, Sequence, Tuple
from urllib.parse import urlsplit

Headers = List[Tuple[str, str]]


class Sink:
    """Where an answer goes: a whole one, or a head with any number of chunks and an end."""

    #: Whether the head of a stream is gone.
    started = False
    #: When the reader last began to want more, in the loop's time.
    resumed_at = 0.0

    async def answer(self, status: int, headers: Headers, body: bytes, is_response: bool = False) -> None:
        raise NotImplementedError

    async def start(self, status: int, headers: Headers, is_response: bool = False) -> None:
        raise NotImplementedError

    async def chunk(self, data: bytes) -> None:
        """Waits where the reader is slower."""
        raise NotImplementedError

    async def end(self) -> None:
        raise NotImplementedError

    async def room(self) -> None:
        """Waits while the reader wants nothing more."""
        raise NotImplementedError

    def waiting(self) -> None:
        """None of the author's code has run yet; it waits for its turn."""

    def begun(self) -> None:
        """The code starts after it waited."""


class Exchange:
    """`method` names what is called: `predict`, `chat_completions`, …; header names are lower case."""

    def __init__(
        self,
        method: str,
        body: bytes,
        sink: Sink,
        headers: Sequence[Sequence[str]] = (),
        http_method: str = "POST",
        url: str = "/v1/models/model:predict",
    ) -> None:
        self.method = method
        self.body = body
        self.sink = sink
        self.raw_headers = [(name.lower(), value) for name, value in headers]
        self.headers: Dict[str, str] = dict(self.raw_headers)
        self.http_method = http_method
        parts = urlsplit(url)
        self.path, self.query = parts.path or "/", parts.query
        #: Nobody waits for the answer any more.
        self.gone = asyncio.Event()
        #: The same for code in threads.
        self.left = threading.Event()

    def leave(self) -> None:
        self.gone.set()
        self.left.set()
