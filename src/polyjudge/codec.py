"""The only serializer: frozen dataclasses to canonical JSON and back.

Canonical: keys sorted, no blanks, floats as Python writes them, nan as null; equal records give equal bytes. Half a
surrogate pair, which a model may write and UTF-8 cannot, stays an escape.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from polyjudge.errors import DataError

T = TypeVar("T")

UNWRITTEN_AT_DEFAULT: Mapping[str, bool] = types.MappingProxyType({"unwritten at default": True})
"""The metadata of a field that JSON leaves out at its default, so that the digests of records without it stand."""


def plain(value: Any) -> Any:
    """A record as JSON values: dataclasses and mappings become objects, sequences arrays, nan and infinities null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value) if _says(value, field)
        }
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence):
        return [plain(member) for member in value]
    raise TypeError(f"no JSON form for {type(value).__name__}")


def line(value: Any) -> str:
    """A record as one canonical line, without its line end."""
    return _encodable(
        json.dumps(plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    )


def pretty(value: Any) -> str:
    """A record as indented JSON for people, keys in the record's order."""
    return _encodable(json.dumps(plain(value), ensure_ascii=False, indent=2, allow_nan=False))


def digest(value: Any) -> str:
    """sha256 of the canonical line, in hexadecimal."""
    return hashlib.sha256(line(value).encode()).hexdigest()


def record(kind: type[T], text: str | bytes, source: str) -> T:
    """A record from a line.

    Raises:
        DataError: the line is not such a record; ``source`` names file and line.
    """
    try:
        return typing.cast(T, _build(kind, json.loads(text)))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{source} does not hold a {kind.__name__}: {error}") from error


def _says(record: Any, field: dataclasses.Field[Any]) -> bool:
    """Whether a field belongs into the JSON of a record."""
    if not field.metadata or "unwritten at default" not in field.metadata:
        return True
    return bool(getattr(record, field.name) != field.default)


def _encodable(text: str) -> str:
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half.group()):04x}", text)


def _build(kind: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _build(next(argument for argument in arguments if argument is not type(None)), value)
    if kind is float and value is None:
        return math.nan
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        _expect(dict, value)
        hints = typing.get_type_hints(kind)
        unknown = set(value) - {field.name for field in dataclasses.fields(kind)}
        if unknown:
            raise ValueError(f"unknown keys {sorted(unknown)!r}")
        return kind(**{name: _build(hints[name], member) for name, member in value.items()})
    if origin is tuple:
        _expect(list, value)
        return tuple(_build(arguments[0], member) for member in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        _expect(dict, value)
        return {key: _build(arguments[1], member) for key, member in value.items()}
    _expect(kind, value)
    return value


def _expect(kind: type, value: Any) -> None:
    if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
        raise TypeError(f"expected {kind.__name__}, found {value!r}")
