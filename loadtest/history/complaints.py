"""Complaints about a line of a history that is not as the contract says."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from loadtest.history.contract import RULES, SCHEMA
from loadtest.history.operation import short

NO_JSON = (
    'not JSON: a line is one operation, such as {"client": 0, "op": "increment", "start": 1, '
    '"end": 2, "outcome": "ok", "value": 1}'
)
DOUBTFUL = "(?s)" + "|".join(
    (
        *(rf'"{name}"\s*:.*"{name}"\s*:' for name in SCHEMA),
        r"\\u[dD][89a-fA-F]",
        r"\\u00[67]",
        r'(?:"item"\s*:|[\[,])\s*-?[0-9]+[.eE]',
        r"[0-9]{20}",
        r"\x00",
    )
)
"""Lines that the columns cannot check, looked at one by one.

They have a name twice (also with escaped letters), half of a surrogate pair, an item that is a
number of more digits than are kept, or zero bytes, as a power cut leaves them.
"""


def complaint(line: bytes) -> str:
    """Return the complaint about a line that does not parse."""
    if line.startswith(codecs.BOM_UTF8):
        return "it begins with a byte order mark; plain UTF-8 has none"
    if line.lstrip().startswith(b"<"):
        return "this is HTML or XML, and no history"
    if re.match(rb"\s*\[?\s*{\s*:", line):
        return "this is EDN, of operations that are not a counter, a set or a list"
    try:
        reason = wrong(line.decode())
    except UnicodeDecodeError:
        return "not UTF-8"
    if reason is not None:
        return reason
    try:
        part = pl.read_ndjson(line, schema=SCHEMA)
    except pl.exceptions.PolarsError as error:
        return short(str(error).splitlines()[0], 80)
    return next(rule for rule, broken in RULES.items() if part.select(broken).item())


def wrong(line: str) -> str | None:
    """Return the complaint about a line's JSON, its names or the types of its values."""
    try:
        fields = _fields(line)
    except ValueError as error:
        return str(error)
    for name, dtype in SCHEMA.items():
        value = fields.get(name)
        if value is None:
            continue
        shown = short(json.dumps(value), 40)
        if dtype.is_integer() and type(value) is int and not _fits(value, dtype):
            least = "below 0" if value < 0 and dtype.is_unsigned_integer() else "too large"
            return f'"{name}" is {shown}, which is {least}'
        if dtype.is_integer() and type(value) is not int:
            return f'"{name}" is {shown}, not a whole number'
        if isinstance(dtype, pl.Enum) and value not in (words := dtype.categories.to_list()):
            return f'"{name}" is {shown}, not one of {", ".join(words)}'
        if isinstance(dtype, pl.Categorical) and not isinstance(value, str):
            return f'"{name}" is {shown}, not text'
        if isinstance(dtype, pl.List) and (
            not isinstance(value, list) or isinstance(value, _Fields)
        ):
            return f'"{name}" is {shown}, not a list'
    return None


def _fits(number: int, dtype: pl.DataType) -> bool:
    low, high = (0, 1 << 32) if dtype.is_unsigned_integer() else (-(1 << 63), 1 << 63)
    return low <= number < high


class _Fields(list[tuple[str, Any]]):
    """The names and values of a JSON object, also of names that stand there twice."""


class _Inexact(float):
    """A number of more digits than are kept."""


def _real(digits: str) -> float:
    return float(digits) if len(digits) < 16 else _Inexact(digits)


def _whole(digits: str) -> int:
    # the interpreter refuses some thousand digits, and a hundred are too many as well
    return int(digits[:100])


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


_JSON = json.JSONDecoder(
    object_pairs_hook=_Fields, parse_float=_real, parse_int=_whole, parse_constant=_no_number
)


def _fields(line: str) -> dict[str, Any]:
    """A line's fields; of one that they cannot be told from, ValueError says why."""
    try:
        fields = _JSON.decode(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError:
        raise ValueError(NO_JSON) from None
    if not isinstance(fields, _Fields):
        raise ValueError("not a JSON object")
    known = dict(fields)
    for name in SCHEMA:
        if sum(name == other for other, _ in fields) > 1:
            raise ValueError(f'"{name}" stands in it twice')
        for value in _scalars(known.get(name)):
            if isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value):
                raise ValueError(f'"{name}" has half of a surrogate pair, which is no text')
            exact = -(1 << 63) <= value < 1 << 64 if isinstance(value, int) else True
            if name in ("item", "items") and (isinstance(value, _Inexact) or not exact):
                raise ValueError(f'"{name}" has a number of too many digits')
    return known


def _scalars(nested: object) -> Iterator[object]:
    """Yield the texts and numbers in a value of JSON."""
    inside = [nested]
    while inside:
        value = inside.pop()
        if isinstance(value, list | tuple):
            inside.extend(value)
        else:
            yield value
