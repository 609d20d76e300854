"""What the author prints during a call becomes lines of its run; everything else goes its own way."""

from __future__ import annotations

import threading
from typing import Any, Dict, TextIO

from .logs import MOST_MESSAGE, Log, current_call


class Output:
    """Stands for `sys.stdout` or `sys.stderr`."""

    def __init__(self, stream: TextIO, log: Log) -> None:
        self._stream = stream
        self._log = log
        self._lock = threading.Lock()
        #: Begun and not ended lines, by number of the call.
        self._begun: Dict[int, str] = {}

    def write(self, text: str) -> int:
        call = current_call.get()
        if call is None:
            return self._stream.write(text)
        with self._lock:
            *lines, rest = (self._begun.pop(call.number, "") + text).split("\n")
            if len(rest) > MOST_MESSAGE:
                lines, rest = [*lines, rest], ""
            if rest:
                self._begun[call.number] = rest
        for line in lines:
            self._log.write("info", line)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def end_call(self) -> None:
        """Of the running call: its last line may have no end."""
        call = current_call.get()
        if call is None:
            return
        with self._lock:
            rest = self._begun.pop(call.number, "")
        if rest:
            self._log.write("info", rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
