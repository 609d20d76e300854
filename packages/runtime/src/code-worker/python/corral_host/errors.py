"""What a call may fail with, and what the replica is told of it.

The words for callers are those of the Truss server; statuses and envelopes are the replica's affair.
Source: truss 0.18.35, templates/server/common/errors.py.
"""

from __future__ import annotations

import sys
import textwrap
import traceback
from typing import Any, Dict, List, Optional, Tuple

MODEL_ERROR = "Internal Server Error (in model/chainlet)."

#: What author code may raise and must not end the process with: `sys.exit` in a method is an error like any other.
USER_ERRORS = (Exception, SystemExit, KeyboardInterrupt)

#: Of one traceback; the end of it says most.
MOST_TRACE = 60_000
MOST_LINE = 8_000


class Failure(Exception):
    """A call failed for a reason of the protocol; `fields` go into the message as they are."""

    def __init__(self, reason: str, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.reason = reason
        self.fields = fields


class UserCodeError(Exception):
    """The author's code raised; `error` is what."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(type(error).__name__)
        self.error = error


class ModelDefinitionError(TypeError):
    """The class breaks the contract."""


class Canceled(BaseException):
    """Nobody wants the answer any more. No `except Exception` of the author's stops it."""


def describe(error: BaseException, model_file: Optional[str]) -> Dict[str, Any]:
    """The fields of an `error` message."""
    if isinstance(error, Failure):
        return {"reason": error.reason, "message": one_line(error), **error.fields}
    if isinstance(error, Canceled):
        return {"reason": "canceled", "message": "The call was canceled."}
    if isinstance(error, UserCodeError):
        error = error.error
        if is_http_exception(error) and is_status(error.status_code):  # type: ignore[attr-defined]
            return {
                "reason": "http",
                "message": one_line(error),
                "traceback": user_trace(error, model_file),
                "status": error.status_code,  # type: ignore[attr-defined]
                "detail": error.detail,  # type: ignore[attr-defined]
            }
        return {"reason": "exception", "message": named(error), "traceback": user_trace(error, model_file)}
    # Outside the author's methods: what they gave cannot be sent.
    return {"reason": "unserialisable", "message": named(error), "traceback": user_trace(error, model_file)}


def named(error: BaseException) -> str:
    """`TypeError: Object of type set is not JSON serializable`."""
    return ("%s: %s" % (type(error).__name__, error))[:MOST_LINE]


def one_line(error: BaseException) -> str:
    return str(error)[:MOST_LINE]


def is_status(value: Any) -> bool:
    """Of an answer: 1xx is no end of one, and above 599 there is none."""
    return isinstance(value, int) and 200 <= value <= 599


def is_http_exception(error: BaseException) -> bool:
    """Whether it is FastAPI's HTTPException. Starlette's own is an ordinary error, as it is to the Truss server."""
    kind = getattr(sys.modules.get("fastapi.exceptions"), "HTTPException", None)
    return isinstance(kind, type) and isinstance(error, kind)


def user_trace(error: BaseException, model_file: Optional[str]) -> str:
    """The traceback from the first frame in the author's file on: the frames above are ours and help nobody."""
    trace = error.__traceback__
    own = trace
    while own is not None and not (model_file is not None and own.tb_frame.f_code.co_filename.endswith(model_file)):
        own = own.tb_next
    text = "".join(traceback.format_exception(type(error), error, own if own is not None else trace))
    return text[-MOST_TRACE:]


def parsing_failure(error: Any) -> Failure:
    """A pydantic ValidationError, one line for each field that is wrong."""
    try:
        found = error.errors(include_url=False, include_input=False)
    except TypeError:
        found = error.errors()  # pydantic 1 takes no arguments
    except Exception:
        return Failure("invalid_input", "Input Parsing Error, %s" % error)
    lines = ["Input Parsing Error:" if len(found) == 1 else "Input Parsing Errors:"]
    lines += [textwrap.indent("`%s`: %s." % (_place(item["loc"]), item["msg"]), "  ") for item in found]
    fields = [
        {"pointer": _pointer(item["loc"]), "code": "invalid_parameter", "detail": str(item["msg"])} for item in found
    ]
    return Failure("invalid_input", "\n".join(lines), errors=fields[:100])


def _place(location: Tuple[Any, ...]) -> str:
    """`("items", 1, "value")` → `items[1].value`."""
    place = ""
    for part in location:
        if isinstance(part, int):
            place += "[%d]" % part
        else:
            place += ("." if place else "") + str(part)
    return place


def _pointer(location: Tuple[Any, ...]) -> str:
    parts: List[str] = [str(part).replace("~", "~0").replace("/", "~1") for part in location]
    return "".join("/" + part for part in parts)
