"""msgpack with the extra types of the Truss server: dates, decimals, UUIDs, and numpy as msgpack-numpy writes it.

Sources: the msgpack specification (maps, arrays, str, bin, numbers); truss 0.18.35, templates/shared/serialization.py;
msgpack-numpy 0.4.8. Extension types are refused by name.
"""

from __future__ import annotations

import struct
import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Callable, Dict, List, Tuple
from uuid import UUID

#: Deeper nesting is refused before Python's own stack is.
MAX_DEPTH = 512


class MsgpackError(ValueError):
    """The bytes are no msgpack, or hold what is not supported."""


def pack(value: Any) -> bytes:
    """Raises TypeError for values that have no form."""
    parts: List[bytes] = []
    _pack(value, parts, 0)
    return b"".join(parts)


def _pack(value: Any, parts: List[bytes], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TypeError("nested more than %d levels deep" % MAX_DEPTH)
    kind = type(value)
    if value is None:
        parts.append(b"\xc0")
    elif kind is bool:
        parts.append(b"\xc3" if value else b"\xc2")
    elif isinstance(value, int) and not isinstance(value, bool):
        parts.append(_integer(value))
    elif isinstance(value, float):
        parts.append(struct.pack(">Bd", 0xCB, value))
    elif isinstance(value, str):
        encoded = value.encode("utf-8")
        parts += [_head(len(encoded), 0xA0, 32, 0xD9, 0xDA, 0xDB), encoded]
    elif isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        parts += [_head(len(data), None, 0, 0xC4, 0xC5, 0xC6), data]
    elif isinstance(value, (list, tuple)):
        parts.append(_head(len(value), 0x90, 16, None, 0xDC, 0xDD))
        for item in value:
            _pack(item, parts, depth + 1)
    elif isinstance(value, dict):
        parts.append(_head(len(value), 0x80, 16, None, 0xDE, 0xDF))
        for key, item in value.items():
            _pack(key, parts, depth + 1)
            _pack(item, parts, depth + 1)
    else:
        _pack(_as_map(value), parts, depth + 1)


def _integer(value: int) -> bytes:
    if 0 <= value < 128:
        return struct.pack("B", value)
    if -32 <= value < 0:
        return struct.pack("b", value)
    forms = ((0xCC, "B"), (0xCD, "H"), (0xCE, "I"), (0xCF, "Q")) if value > 0 else (
        (0xD0, "b"), (0xD1, "h"), (0xD2, "i"), (0xD3, "q"))
    for code, form in forms:
        try:
            return struct.pack(">B" + form, code, value)
        except struct.error:
            continue
    raise OverflowError("Integer value out of range")


def _head(length: int, fixed: Any, fixed_limit: int, one: Any, two: int, four: int) -> bytes:
    if fixed is not None and length < fixed_limit:
        return struct.pack("B", fixed | length)
    if one is not None and length < 0x100:
        return struct.pack("BB", one, length)
    if length < 0x10000:
        return struct.pack(">BH", two, length)
    return struct.pack(">BI", four, length)


def _as_map(value: Any) -> Dict[bytes, Any]:
    """Values that msgpack does not know, as maps with a mark."""
    if isinstance(value, datetime):
        text = value.isoformat()
        return {b"__dt_datetime_iso__": True, b"data": text[:-6] + "Z" if text.endswith("+00:00") else text}
    if isinstance(value, date):
        return {b"__dt_date_iso__": True, b"data": value.isoformat()}
    if isinstance(value, time):
        if value.utcoffset() is not None:
            raise ValueError("Cannot represent timezone-aware times.")
        return {b"__dt_time_iso__": True, b"data": value.isoformat()}
    if isinstance(value, timedelta):
        return {b"__dt_timedelta__": True, b"data": (value.days, value.seconds, value.microseconds)}
    if isinstance(value, Decimal):
        return {b"__decimal__": True, b"data": str(value)}
    if isinstance(value, UUID):
        return {b"__uuid__": True, b"data": str(value)}
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        if value.dtype.kind == "O":
            raise TypeError("an array of Python objects has no msgpack form; send lists instead")
        # Fields of a structured type are described one by one.
        structured = value.dtype.kind == "V"
        return {
            b"nd": True,
            b"type": [list(field) for field in value.dtype.descr] if structured else value.dtype.str,
            b"kind": b"V" if structured else b"",
            b"shape": value.shape,
            b"data": value.tobytes(),
        }
    if numpy is not None and isinstance(value, (numpy.bool_, numpy.number)):
        return {b"nd": False, b"type": value.dtype.str, b"data": value.tobytes()}
    if isinstance(value, complex):
        return {b"complex": True, b"data": repr(value)}
    raise TypeError("can not serialize %r object" % type(value).__name__)


def unpack(data: bytes) -> Any:
    """Raises MsgpackError."""
    value, end = _unpack(memoryview(data), 0, 0)
    if end != len(data):
        raise MsgpackError("%d bytes follow the value" % (len(data) - end))
    return value


_NUMBERS = {
    0xCA: "f", 0xCB: "d", 0xCC: "B", 0xCD: "H", 0xCE: "I", 0xCF: "Q", 0xD0: "b", 0xD1: "h", 0xD2: "i", 0xD3: "q",
}
_LENGTHS = {1: "B", 2: "H", 4: "I"}
_STRINGS = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_ARRAYS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}
_SINGLES = {0xC0: None, 0xC2: False, 0xC3: True}


def _unpack(data: memoryview, at: int, depth: int) -> Tuple[Any, int]:
    if depth > MAX_DEPTH:
        raise MsgpackError("nested more than %d levels deep" % MAX_DEPTH)
    code = _take(data, at, 1)[0]
    at += 1
    if code < 0x80:
        return code, at
    if code >= 0xE0:
        return code - 256, at
    if code in _SINGLES:
        return _SINGLES[code], at
    if code in _NUMBERS:
        form = ">" + _NUMBERS[code]
        size = struct.calcsize(form)
        return struct.unpack(form, _take(data, at, size))[0], at + size
    if 0xA0 <= code < 0xC0:
        return _text(data, at, code & 0x1F)
    if code in _STRINGS:
        length, at = _length(data, at, _STRINGS[code])
        return _text(data, at, length)
    if code in _BYTES:
        length, at = _length(data, at, _BYTES[code])
        return bytes(_take(data, at, length)), at + length
    if 0x90 <= code < 0xA0:
        return _array(data, at, code & 0x0F, depth)
    if code in _ARRAYS:
        length, at = _length(data, at, _ARRAYS[code])
        return _array(data, at, length, depth)
    if 0x80 <= code < 0x90:
        return _map(data, at, code & 0x0F, depth)
    if code in _MAPS:
        length, at = _length(data, at, _MAPS[code])
        return _map(data, at, length, depth)
    raise MsgpackError("type 0x%02x at byte %d is not supported" % (code, at - 1))


def _take(data: memoryview, at: int, length: int) -> memoryview:
    if at + length > len(data):
        raise MsgpackError("the data ends after %d bytes, inside a value" % len(data))
    return data[at : at + length]


def _length(data: memoryview, at: int, size: int) -> Tuple[int, int]:
    return struct.unpack(">" + _LENGTHS[size], _take(data, at, size))[0], at + size


def _text(data: memoryview, at: int, length: int) -> Tuple[str, int]:
    try:
        return str(_take(data, at, length), "utf-8"), at + length
    except UnicodeDecodeError as error:
        raise MsgpackError("a string at byte %d is no UTF-8" % at) from error


def _array(data: memoryview, at: int, length: int, depth: int) -> Tuple[List[Any], int]:
    items: List[Any] = []
    for _ in range(length):
        item, at = _unpack(data, at, depth + 1)
        items.append(item)
    return items, at


def _map(data: memoryview, at: int, length: int, depth: int) -> Tuple[Any, int]:
    found: Dict[Any, Any] = {}
    for _ in range(length):
        key, at = _unpack(data, at, depth + 1)
        if not isinstance(key, (str, bytes)):
            raise MsgpackError("a key of type %s is not allowed; keys are strings" % type(key).__name__)
        found[key], at = _unpack(data, at, depth + 1)
    return _from_map(found), at


_MARKS: Tuple[Tuple[bytes, Callable[[Any], Any]], ...] = (
    (b"__dt_datetime_iso__", lambda text: datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)),
    (b"__dt_date_iso__", date.fromisoformat),
    (b"__dt_time_iso__", time.fromisoformat),
    (b"__dt_timedelta__", lambda parts: timedelta(days=parts[0], seconds=parts[1], microseconds=parts[2])),
    (b"__decimal__", Decimal),
    (b"__uuid__", UUID),
    (b"complex", complex),
)


def _from_map(found: Dict[Any, Any]) -> Any:
    try:
        for mark, read in _MARKS:
            if mark in found:
                return read(found[b"data"])
        if b"nd" in found:
            return _from_numpy(found)
    except (KeyError, ValueError, TypeError, IndexError, ArithmeticError, AttributeError) as error:
        raise MsgpackError("a marked map holds no such value: %s" % error) from error
    return found


def _from_numpy(found: Dict[Any, Any]) -> Any:
    try:
        import numpy
    except ImportError as error:
        raise MsgpackError("the body holds a numpy array; add numpy to the requirements") from error
    described = found[b"type"]
    kind = [tuple(_plain(part) for part in field) for field in described] if found.get(b"kind") == b"V" else described
    dtype = numpy.dtype(kind)
    if dtype.hasobject:
        raise MsgpackError("an array of Python objects is not read; send lists instead")
    if found[b"nd"]:
        return numpy.ndarray(found[b"shape"], dtype, found[b"data"])
    return numpy.frombuffer(found[b"data"], dtype)[0]


def _plain(part: Any) -> Any:
    return tuple(part) if isinstance(part, list) else part
