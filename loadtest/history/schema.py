"""What was asked and what was answered: a history, as JSON lines, one operation each.

    {"client": 3, "op": "increment", "start": 81234, "end": 81975, "outcome": "ok", "value": 17,
     "worker": 4242, "thread": 5, "boot": "b7e1", "phase": "load"}

    client   who asked: a whole number from 0; one number is one client, in all files of a run
    op       create · increment · read · append (of `item`) · items (the whole list)
    start    when it was sent, in nanoseconds of a monotonic clock
    end      when it was answered, same clock; null if it never was
    outcome  ok (it happened) · fail (refused: it certainly did not happen) · unknown (either)
    value    what was answered: the count, the position of an append, the length of `items`
    item     the text appended (what is no text counts as its JSON); none is sent twice in a run
    items    the list that was read
    worker   the server's process        }
    thread   the thread that answered    }  null where the reply does not say
    boot     an id made at worker start  }
    phase    load · audit (reads of every worker when nothing is in flight any more)
    clock    which machine's clock; absent or null if there is only one. Times are compared
             within one clock only, and a client belongs to one clock

What is unknown is null, and null may be left out. Other fields are ignored.

A recorder of ours also writes what shows that nothing is missing: a line {"recorded": 0} before its
first operation, and one with their number after its last. No other history needs any.
"""

from __future__ import annotations

import bisect
import io
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import polars as pl

from loadtest.history.operation import LARGEST, OPS, OUTCOMES, PHASES
from loadtest.history.operation import Op as Op
from loadtest.history.operation import Operation as Operation
from loadtest.history.operation import line as line

SCHEMA: dict[str, pl.DataType] = {
    "client": pl.UInt32(),
    "op": pl.Enum(OPS),
    "start": pl.Int64(),
    "end": pl.Int64(),
    "outcome": pl.Enum(OUTCOMES),
    "value": pl.Int64(),
    "item": pl.String(),
    "items": pl.List(pl.String()),
    "worker": pl.UInt32(),
    "thread": pl.Int64(),
    "boot": pl.Categorical(),
    "phase": pl.Enum(PHASES),
    "clock": pl.Categorical(),
}
"""The columns of a history as a DataFrame, in this order."""

MARK = re.compile(rb'^{"recorded": (\d+)}$', re.MULTILINE)
CHUNK = 16 << 20  # bytes parsed at a time, so that a large file needs little more than its columns


class Malformed(ValueError):
    """A history is not as the schema says: `FILE:LINE: what is wrong`."""


class Incomplete(Malformed):
    """Operations are missing from a history, so that nothing can be said of it."""


def write(path: str | Path, operations: Iterable[Operation]) -> None:
    """Writes the operations to a file that `read` reads."""
    with Path(path).open("w") as file:
        file.writelines(map(line, operations))


def frame(operations: Iterable[Operation]) -> pl.DataFrame:
    """The operations as a DataFrame with the columns of SCHEMA."""
    rows = [asdict(operation) for operation in operations]
    return pl.DataFrame(rows, schema=SCHEMA)


def operations(frame: pl.DataFrame) -> list[Operation]:
    """The rows of a DataFrame as operations."""
    return [
        Operation(**{**row, "items": None if row["items"] is None else tuple(row["items"])})
        for row in frame.select(list(SCHEMA)).iter_rows(named=True)
    ]


def read(*paths: str | Path, progress: Callable[[int, int], object] | None = None) -> pl.DataFrame:
    """The histories in these files as one DataFrame with the columns of SCHEMA.

    "-" is standard input. Raises Malformed at the first line that is not as the schema says, and
    Incomplete if a recorder of ours did not come to its end.
    A last line without a newline that is no JSON is a run cut off: it is dropped with a
    warning. `progress` is called with the bytes done and the bytes there are (standard
    input counts as 0).
    """
    total = sum(Path(path).stat().st_size for path in paths if str(path) != "-")
    done = 0
    parts = [pl.DataFrame(schema=SCHEMA)]
    for path in paths:
        name = "standard input" if str(path) == "-" else str(path)
        with sys.stdin.buffer if str(path) == "-" else Path(path).open("rb") as file:
            before = there = 0
            marks: list[int] = []
            for chunk in _chunks(file):
                marks += _marks(chunk)
                parts.append(parse(chunk, name, before))
                there += parts[-1].height
                before += chunk.count(b"\n")
                done += len(chunk)
                if progress is not None:
                    progress(done, total)
            # one at each begin, of 0, and one at each end; files may be one behind the other
            if marks and (len(marks) % 2 or sum(marks) != there):
                raise Incomplete(
                    f"{name}: operations are missing: whoever recorded them did not come to an end"
                )
    return pl.concat(parts, rechunk=False)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """The file in pieces of whole lines."""
    while block := file.read(CHUNK):
        yield block + file.readline()


def _marks(chunk: bytes) -> list[int]:
    """What the recorder's own lines say there."""
    return [int(number) for number in MARK.findall(chunk)] if b'{"recorded"' in chunk else []


def parse(chunk: bytes, name: str, before: int = 0) -> pl.DataFrame:
    """Some lines of the file `name`, `before` of which came earlier; as `read`, also in what it
    raises."""
    # such lines may stand anywhere, and are told apart before the parser sees them
    chunk = MARK.sub(b"", chunk) if _marks(chunk) else chunk
    part = _columns(chunk)
    if part is not None:
        return part
    lines = chunk.split(b"\n")
    # the last of the shortest run of lines that does not parse is the first bad line
    bad = bisect.bisect_left(
        range(len(lines)), True, key=lambda n: _columns(b"\n".join(lines[: n + 1])) is None
    )
    if bad == len(lines) - 1 and not _is_json(lines[bad]):
        warnings.warn(f"{name}:{before + bad + 1}: cut off, left out", stacklevel=3)
        return parse(b"\n".join(lines[:bad]) + b"\n", name, before)
    raise Malformed(f"{name}:{before + bad + 1}: {_complaint(lines[bad])}")


def _columns(chunk: bytes) -> pl.DataFrame | None:
    """The lines as columns, or None if one of them is not as the schema says."""
    try:
        part = pl.read_ndjson(io.BytesIO(chunk), schema=SCHEMA)
    except pl.exceptions.PolarsError:
        return None
    part = part.with_columns(pl.col("phase").fill_null("load"))
    if part.select(pl.any_horizontal(wrong.any() for wrong in _RULES.values())).item():
        return None
    length = pl.col("items").list.len().cast(pl.Int64)
    part = part.with_columns(pl.col("value").fill_null(length))
    # the parser leaves room for growth, in a large file as much as the columns take
    return pl.DataFrame([column.shrink_to_fit() for column in part])


_ok = pl.col("outcome") == "ok"
_ITEMS = pl.col("items")
_RULES: dict[str, pl.Expr] = {
    '"client" is missing': pl.col("client").is_null(),
    '"op" is missing': pl.col("op").is_null(),
    '"start" is missing': pl.col("start").is_null(),
    '"outcome" is missing': pl.col("outcome").is_null(),
    'it is ok, so it needs an "end"': _ok & pl.col("end").is_null(),
    "it ends before it starts": pl.col("end") < pl.col("start"),
    'it is ok, so it needs a "value"': _ok
    & pl.col("op").is_in(["increment", "read", "append"])
    & pl.col("value").is_null(),
    'its "value" is too large to be a count': pl.col("value").abs() >= LARGEST,
    'an append needs an "item"': (pl.col("op") == "append") & pl.col("item").is_null(),
    'it is ok, so it needs "items"': _ok & (pl.col("op") == "items") & _ITEMS.is_null(),
    'there is a null in "items"': _ITEMS.list.eval(pl.element().is_null().any()).list.first(),
    'its "value" is not the length of "items"': (pl.col("op") == "items")
    & (pl.col("value") != _ITEMS.list.len().cast(pl.Int64)),
}
"""What no line may be: what to say of it, and where it is so."""


def _complaint(line: bytes) -> str:
    """What is wrong with a line that does not parse."""
    try:
        fields = json.loads(line)
    except ValueError:
        return "not JSON"
    if not isinstance(fields, dict):
        return "not a JSON object"
    for name, dtype in SCHEMA.items():
        said = fields.get(name)
        if said is None:
            continue
        if dtype.is_integer() and type(said) is int and not _fits(said, dtype):
            least = "below 0" if said < 0 and dtype.is_unsigned_integer() else "too large"
            return f'"{name}" is {said}, which is {least}'
        if dtype.is_integer() and type(said) is not int:
            return f'"{name}" is {json.dumps(said)}, not a whole number'
        if isinstance(dtype, pl.Enum) and said not in (words := dtype.categories.to_list()):
            return f'"{name}" is {json.dumps(said)}, not one of {", ".join(words)}'
        if isinstance(dtype, pl.Categorical) and not isinstance(said, str):
            return f'"{name}" is {json.dumps(said)}, not text'
        if isinstance(dtype, pl.List) and not isinstance(said, list):
            return f'"{name}" is {json.dumps(said)}, not a list'
    try:
        part = pl.read_ndjson(io.BytesIO(line), schema=SCHEMA)
    except pl.exceptions.PolarsError as error:
        return str(error).splitlines()[0]
    return next(rule for rule, wrong in _RULES.items() if part.select(wrong).item())


def _fits(number: int, dtype: pl.DataType) -> bool:
    low, high = (0, 1 << 32) if dtype.is_unsigned_integer() else (-(1 << 63), 1 << 63)
    return low <= number < high


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
