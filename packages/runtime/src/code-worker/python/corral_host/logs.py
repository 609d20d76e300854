"""The model's log: levelled lines with the run that they belong to. What the author prints goes its own way."""

from __future__ import annotations

import contextvars
import logging
from typing import Any, Callable, Dict, NamedTuple, Optional

from .errors import user_trace

MOST_MESSAGE = 32_000


class Call(NamedTuple):
    """What the running code works for."""

    number: int
    run_id: str


#: Copied into the threads and tasks that the code starts.
current_call: "contextvars.ContextVar[Optional[Call]]" = contextvars.ContextVar("current_call", default=None)

_WIRE_LEVELS = {"warning": "warn", "critical": "error", "notset": "debug"}


class Log:
    """`model_file` is the end of the path of the author's file: traces begin there."""

    def __init__(self, send: Callable[[Dict[str, Any]], None], model_file: Optional[str] = None) -> None:
        self.model_file = model_file
        self._send = send

    def debug(self, message: str) -> None:
        self.write("debug", message)

    def info(self, message: str) -> None:
        self.write("info", message)

    def warning(self, message: str) -> None:
        self.write("warn", message)

    def error(self, message: str, error: Optional[BaseException] = None) -> None:
        trace = "" if error is None else "\n" + user_trace(error, self.model_file).rstrip()
        self.write("error", message + trace)

    def write(self, level: str, message: str) -> None:
        call = current_call.get()
        self._send(
            {
                "kind": "log",
                "level": level,
                "message": message[:MOST_MESSAGE],
                "run_id": None if call is None else call.run_id,
            }
        )


class LogHandler(logging.Handler):
    """Sends what the author logs with `logging` into the same lines."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = "%s: %s" % (record.name, record.getMessage())
            if record.exc_info is not None and record.exc_info[1] is not None:
                message += "\n" + user_trace(record.exc_info[1], self._log.model_file).rstrip()
            level = record.levelname.lower()
            self._log.write(_WIRE_LEVELS.get(level, level if level in ("debug", "info", "error") else "info"), message)
        except Exception:
            self.handleError(record)
