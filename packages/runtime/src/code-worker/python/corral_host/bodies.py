"""Bytes of a request → what the method gets, and what it returned → bytes of the answer: JSON, or msgpack on demand.

Source: truss 0.18.35, templates/server/truss_server.py and templates/shared/serialization.py. Deviation: bytes that
are no UTF-8, and JSON nested too deeply, are the client's error here (400), where the Truss server answers 500.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Mapping, Optional, Tuple

from . import msgpack
from .errors import Failure
from .schema import Schema, dump_json, dump_value, is_model_value

BINARY = "application/octet-stream"


def is_binary(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type") == BINARY


def parse(body: bytes, binary: bool, schema: Optional[Schema]) -> Any:
    """Raises Failure with `invalid_json` or `invalid_input`."""
    if binary:
        try:
            value = msgpack.unpack(body)
        except msgpack.MsgpackError as error:
            raise Failure("invalid_json", "Invalid msgpack payload: %s" % error) from error
        return value if schema is None or schema.input_type is None else schema.parse_value(value)
    if schema is not None and schema.input_type is not None:
        return schema.parse_json(body)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Failure("invalid_json", "Invalid JSON payload: %s" % error) from error


def serialise(result: Any, binary: bool) -> Tuple[bytes, str]:
    """The body and its content type. Raises TypeError for what JSON cannot hold; floats may be NaN, as in Python."""
    if not binary:
        body = dump_json(result) if is_model_value(result) else json.dumps(result, cls=_Encoder).encode("utf-8")
        return body, "application/json"
    if is_model_value(result):
        result = dump_value(result)
    return (result if isinstance(result, bytes) else msgpack.pack(result)), BINARY


class _Encoder(json.JSONEncoder):
    """numpy's numbers and arrays as well."""

    def default(self, value: Any) -> Any:
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            if isinstance(value, numpy.integer):
                return int(value)
            if isinstance(value, numpy.floating):
                return float(value)
            if isinstance(value, numpy.ndarray):
                return value.tolist()
        return super().default(value)
