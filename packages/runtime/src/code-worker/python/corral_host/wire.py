"""The stream to the replica: frames of two lengths, a JSON text, and bytes. Layout and messages are those of
`frames.ts` and `protocol.ts` beside this folder.

Read on the event loop; written from any thread, so that a log line gets out while the loop is blocked.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from typing import Any, Callable, Dict, List, Optional

#: Of the JSON text.
MOST_MESSAGE = 1024 * 1024
#: Written and not yet taken by the system; above it streams wait.
HIGH_WATER = 1024 * 1024

_HEAD = struct.Struct(">II")
_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str).encode
OnMessage = Callable[[Dict[str, Any], bytes], None]


def _text(message: Dict[str, Any]) -> str:
    try:
        return _ENCODE(message)
    except ValueError:
        # What JSON has no number for becomes null.
        return _ENCODE(json.loads(json.dumps(message, default=str), parse_constant=lambda _: None))


class Wire:
    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._lock = threading.Lock()
        self._unsent: List[memoryview] = []
        self._unsent_bytes = 0
        self._flushing = False
        self._received = bytearray()
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._room = asyncio.Event()
        self._room.set()

    def start(self, on_message: OnMessage, on_closed: Callable[[], None]) -> None:
        """Calls back on the running loop. `on_closed` comes once, and also for bytes that are no frames."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._read, on_message, on_closed)

    def send(self, message: Dict[str, Any], body: bytes = b"") -> None:
        """Never waits. A replica that has gone is found by reading."""
        text = _text(message).encode("utf-8", "replace")
        if len(text) > MOST_MESSAGE:
            raise ValueError("a message of %d bytes is over the limit of %d" % (len(text), MOST_MESSAGE))
        frame = memoryview(b"".join((_HEAD.pack(len(text), len(body)), text, body)))
        with self._lock:
            if not self._unsent:
                frame = self._write(frame)
            if not frame:
                return
            self._unsent.append(frame)
            self._unsent_bytes += len(frame)
            begin = not self._flushing
            self._flushing = True
        if begin and self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin_flushing)

    async def room(self) -> None:
        """Waits while too much is unsent."""
        await self._room.wait()

    def _write(self, frame: memoryview) -> memoryview:
        """What is left of it."""
        try:
            while frame:
                frame = frame[self._socket.send(frame) :]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            return memoryview(b"")
        return frame

    def _begin_flushing(self) -> None:
        if self._loop is not None:
            self._loop.add_writer(self._socket.fileno(), self._flush)
            self._set_room()

    def _flush(self) -> None:
        with self._lock:
            while self._unsent:
                first = self._unsent[0]
                rest = self._write(first)
                self._unsent_bytes -= len(first) - len(rest)
                if rest:
                    self._unsent[0] = rest
                    break
                self._unsent.pop(0)
            done = not self._unsent
            self._flushing = not done
        if done and self._loop is not None:
            self._loop.remove_writer(self._socket.fileno())
        self._set_room()

    def _set_room(self) -> None:
        if self._unsent_bytes > HIGH_WATER:
            self._room.clear()
        else:
            self._room.set()

    def _read(self, on_message: OnMessage, on_closed: Callable[[], None]) -> None:
        try:
            piece = self._socket.recv(262_144)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            piece = b""
        if not piece:
            self._close(on_closed)
            return
        self._received += piece
        at = 0
        while len(self._received) - at >= _HEAD.size:
            text_length, body_length = _HEAD.unpack_from(self._received, at)
            text_at = at + _HEAD.size
            body_at, end = text_at + text_length, text_at + text_length + body_length
            if text_length > MOST_MESSAGE:
                self._close(on_closed)
                return
            if len(self._received) < end:
                break
            message = json.loads(bytes(self._received[text_at:body_at]))
            on_message(message, bytes(self._received[body_at:end]))
            at = end
        del self._received[:at]

    def _close(self, on_closed: Callable[[], None]) -> None:
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
        on_closed()

    async def flushed(self) -> None:
        """Waits until the system has everything that was sent."""
        while self._unsent:
            await asyncio.sleep(0.005)
