"""The worker's own calls to its replica: what `from corral import llm` is made of."""

from __future__ import annotations

import asyncio
import json
from typing import Any, AsyncGenerator, AsyncIterator, Dict, Optional, Tuple

from corral import CallRefused

from .logs import current_call
from .wire import Wire


class Outgoing:
    """Used on the event loop only."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._last = 0
        self._open: Dict[int, "asyncio.Queue[Tuple[Dict[str, Any], bytes]]"] = {}

    def take(self, message: Dict[str, Any], body: bytes) -> None:
        """A message of the replica's about one of these calls."""
        queue = self._open.get(message["id"])
        if queue is not None:
            queue.put_nowait((message, body))

    async def call(self, method: str, body: Any, deployment: Optional[str]) -> Any:
        """The answer's value. Raises CallRefused."""
        messages = self._messages(method, body, deployment)
        try:
            _, data = await messages.__anext__()
            return json.loads(data)
        finally:
            await messages.aclose()

    async def stream(self, method: str, body: Dict[str, Any], deployment: Optional[str]) -> AsyncIterator[Any]:
        """The value of each piece. Raises CallRefused; left early, the call is canceled."""
        messages = self._messages(method, body, deployment)
        try:
            async for message, data in messages:
                if message["kind"] == "chunk":
                    yield json.loads(data)
        finally:
            await messages.aclose()

    async def _messages(
        self, method: str, body: Any, deployment: Optional[str]
    ) -> AsyncGenerator[Tuple[Dict[str, Any], bytes], None]:
        self._last += 1
        number = self._last
        during = current_call.get()
        queue: "asyncio.Queue[Tuple[Dict[str, Any], bytes]]" = asyncio.Queue()
        self._open[number] = queue
        ended = False
        message = {"kind": "call", "id": number, "method": method, "during": None if during is None else during.number}
        try:
            self._wire.send(
                message if deployment is None else {**message, "deployment": deployment},
                json.dumps(body, ensure_ascii=False).encode("utf-8"),
            )
            while not ended:
                received, data = await queue.get()
                kind = received["kind"]
                if kind == "error":
                    ended = True
                    code = received.get("code") or received["reason"]
                    raise CallRefused(code, received["message"], received.get("errors") or ())
                ended = kind == "end" or (kind == "answer" and not received["stream"])
                yield received, data
        finally:
            del self._open[number]
            if not ended:
                self._wire.send({"kind": "cancel", "id": number})
