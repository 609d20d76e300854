"""Whether an object of a class's new version would have been made and loaded as the old one was."""

from __future__ import annotations

import inspect
from types import CodeType
from typing import Any, Optional

#: What makes an object what it is before its first call.
METHODS = ("__init__", "load")


def loading_difference(old: type, new: type) -> Optional[str]:
    """The method that makes or loads objects and does something else now; None: there is none. What the methods call
    is not looked into."""
    for name in METHODS:
        if not _same(_function(old, name), _function(new, name)):
            return name
    return None


def _function(cls: type, name: str) -> Any:
    found = inspect.getattr_static(cls, name, None)
    found = getattr(found, "__func__", found)
    return inspect.unwrap(found) if callable(found) else found


def _same(a: Any, b: Any) -> bool:
    code_a, code_b = getattr(a, "__code__", None), getattr(b, "__code__", None)
    if code_a is None or code_b is None:
        # Written in C, as the object's own, or not there.
        return a is b
    return _same_code(code_a, code_b) and repr(a.__defaults__) == repr(b.__defaults__)


def _same_code(a: CodeType, b: CodeType) -> bool:
    """Equal but for the lines that they stand in."""
    return (
        a.co_code == b.co_code
        and a.co_names == b.co_names
        and a.co_varnames == b.co_varnames
        and a.co_freevars == b.co_freevars
        and len(a.co_consts) == len(b.co_consts)
        and all(_same_constant(one, other) for one, other in zip(a.co_consts, b.co_consts))
    )


def _same_constant(a: Any, b: Any) -> bool:
    if isinstance(a, CodeType) and isinstance(b, CodeType):
        return _same_code(a, b)
    return type(a) is type(b) and a == b
