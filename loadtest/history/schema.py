"""The format of a history: JSON lines, one operation each.

    {"client": 3, "op": "increment", "start": 81234, "end": 81975, "outcome": "ok", "value": 17,
     "worker": 4242, "thread": 5, "boot": "b7e1", "phase": "load"}

    client   who asked: a whole number from 0; one number is one client, in all files of a run
    op       create
             increment · read                  a count
             append (of `item`) · items        a list; `items` reads all of it
             whoami (as `item`)                sends a name; the answer is to hold that name
             save (`item` for `key`) · load    a text of one visitor
             claim (of `item`)                 takes one of a limited number of places
    start    when it was sent, in nanoseconds of a monotonic clock
    end      when it was answered, same clock; null if it never was
             (start and end belong to the operation: it is a closed interval, so that what ends
             at the nanosecond at which another begins overlaps it)
    outcome  ok (it happened) · fail (refused: it certainly did not happen) · unknown (either)
    value    what was answered: the count, the position of an append, the length of `items`; 1 for
             a claim that got a place, 0 for one that was refused because all are taken; null for
             an increment that was acknowledged without a count
    item     the text sent (what is no text counts as its JSON); none is appended or saved twice in
             a run
    items    the list that was read
    worker   the server's process        }
    thread   the thread that answered    }  null where the reply does not say
    boot     an id made at worker start  }
    phase    load · audit (reads of every worker when nothing is in flight any more)
    clock    which machine's clock; absent or null if there is only one. Times are compared
             within one clock only, and a client belongs to one clock
    key      the visitor of a save or load
    answer   the text that came back from a whoami or load; null if none did

What is unknown is null, and null may be left out. Other fields are ignored. No name stands twice in
a line, and no line is longer than 64 MB.

The lines may be compressed, by gzip or Zstandard, and a history may be a table with these columns:
Parquet. What a file is, is seen by how it begins. The ending of its name counts when a history is
written: .parquet, .gz and .zst.

A recorder of ours also writes what shows that nothing is missing: a line {"recorded": 0} before its
first operation, and one with their number after its last. No other history needs any.
"""

from __future__ import annotations

import bisect
import codecs
import gzip
import io
import itertools
import json
import re
import sys
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Literal

import polars as pl
from polars.datatypes import DataType, DataTypeClass

from loadtest.history.operation import LARGEST, OPS, OUTCOMES, PHASES, printable, short
from loadtest.history.operation import Op as Op
from loadtest.history.operation import Operation as Operation
from loadtest.history.operation import line as line
from loadtest.kinds.claim import CLAIM
from loadtest.kinds.counter import COUNTER
from loadtest.kinds.list import LIST
from loadtest.kinds.request import REQUEST
from loadtest.kinds.visitor import SAVE, VISITOR

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
    "key": pl.Categorical(),
    "answer": pl.Categorical(),
}
"""The columns of a history as a DataFrame, in this order."""

MARK = re.compile(rb'^{"recorded": (\d{1,18})}$', re.MULTILINE)
CHUNK = 16 << 20  # bytes parsed at a time, so that a large file needs little more than its columns
LONGEST = 64 << 20  # bytes of a line; parsed, it takes up to forty times its length
LINES = 10_000  # unpacked at a time
ROWS = 500_000  # of a table, looked at together
GZIP, ZSTD, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"

_COMPRESSION: dict[str, Literal["gzip", "zstd"]] = {".gz": "gzip", ".zst": "zstd"}


class Malformed(ValueError):
    """A history is not as the schema says: `FILE:LINE: what is wrong`."""


class Incomplete(Malformed):
    """Operations are missing from a history, so that nothing can be said of it."""


def write(path: str | Path, operations: Iterable[Operation]) -> None:
    """Writes the operations to a file that `read` reads."""
    with Path(path).open("w") as file:
        file.writelines(map(line, operations))


def save(history: pl.DataFrame, path: str | Path) -> None:
    """Writes a history as what the ending of the file's name says, JSON lines if nothing else."""
    ending = Path(path).suffix
    with Path(path).open("wb") as file:
        if ending == ".parquet":
            history.write_parquet(file)
        else:
            history.write_ndjson(file, compression=_COMPRESSION.get(ending, "uncompressed"))


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

    "-" is standard input. Raises Malformed at the first line (or row) that is not as the schema
    says, and Incomplete if a recorder of ours did not come to its end.
    A last line without a newline that breaks off is a run cut off: it is dropped with a
    warning. `progress` is called with the bytes done and the bytes there are (standard
    input counts as 0).
    """
    total = sum(Path(path).stat().st_size for path in paths if str(path) != "-")
    done = 0
    parts = [pl.DataFrame(schema=SCHEMA)]
    for path in paths:
        stdin = str(path) == "-"
        with sys.stdin.buffer if stdin else Path(path).open("rb") as file:
            for part in _named(file, "standard input" if stdin else printable(str(path)), path):
                parts.append(part)
                if progress is not None and not stdin and file.seekable():
                    progress(done + file.tell(), total)
        done += 0 if stdin else Path(path).stat().st_size
    return pl.concat(parts, rechunk=False)


def _named(file: BinaryIO, name: str, path: str | Path) -> Iterator[pl.DataFrame]:
    """Yield the parts of a file like `_parts`, and name the file in an OSError."""
    try:
        yield from _parts(file, name, path)
    except OSError as error:
        error.filename = error.filename or name
        raise


def _parts(file: BinaryIO, name: str, path: str | Path) -> Iterator[pl.DataFrame]:
    """The file as columns, some lines or rows at a time."""
    begins = file.read(4)
    if begins not in (PARQUET, ZSTD) and not begins.startswith(GZIP):
        pieces: Iterator[bytes] = itertools.chain([begins], iter(lambda: file.read(CHUNK), b""))
    else:
        on_disk = str(path) != "-" and Path(path).is_file()
        source = Path(path) if on_disk else begins + file.read()
        if begins == PARQUET:
            yield from _tables(source, name)
            return
        pieces = _unpacked(source) if begins == ZSTD else _unzipped(source, file)
    before = there = 0
    marks: list[int] = []
    for chunk in _chunks(pieces, name):
        marks += _marks(chunk)
        part = parse(chunk, name, before)
        yield part
        there += part.height
        before += chunk.count(b"\n")
    # one at each begin, of 0, and one at each end; files may be one behind the other
    if marks and (len(marks) % 2 or sum(marks) != there):
        raise Incomplete(
            f"{name}: operations are missing: whoever recorded them did not come to an end"
        )


def _unzipped(source: Path | bytes, file: BinaryIO) -> Iterator[bytes]:
    """Yield the content of a gzip file; read from `file` if it is on the disk."""
    if isinstance(source, bytes):
        file = io.BytesIO(source)
    file.seek(0)
    unzipped = gzip.GzipFile(fileobj=file)
    yield from iter(lambda: unzipped.read1(CHUNK), b"")


def _chunks(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The pieces put together to some megabytes of whole lines each."""
    before, size, enough = 0, 0, CHUNK
    held: list[bytes] = []
    try:
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size < enough:
                continue
            chunk = b"".join(held)
            end = chunk.rfind(b"\n") + 1
            if end:
                yield chunk[:end]
            before += chunk.count(b"\n")
            held, size = [chunk[end:]], size - end
            enough = size + CHUNK
            if size > LONGEST:
                raise Malformed(f"{name}:{before + 1}: longer than {LONGEST >> 20} MB")
    except (EOFError, gzip.BadGzipFile, zlib.error, pl.exceptions.PolarsError) as error:
        at = before + sum(piece.count(b"\n") for piece in held) + 1
        raise Malformed(f"{name}:{at}: the compressed file breaks off or is damaged") from error
    if size:
        yield b"".join(held)


def _unpacked(source: Path | bytes) -> Iterator[bytes]:
    """The lines of a file that was compressed with Zstandard."""
    newline = b""
    batches = pl.scan_lines(source, glob=False).collect_batches(chunk_size=LINES)
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except OSError as error:
            raise EOFError from error
        yield newline + batch.select(pl.col("line").str.join("\n")).item().encode()
        newline = b"\n"


def _tables(source: Path | bytes, name: str) -> Iterator[pl.DataFrame]:
    """The rows of a Parquet file."""
    before = 0
    try:
        scan = pl.scan_parquet(source, glob=False, hive_partitioning=False)
        columns = scan.collect_schema()
        for column, dtype in SCHEMA.items():
            if not _becomes(columns.get(column, pl.Null()), dtype):
                raise Malformed(f'{name}:1: "{column}" holds {columns[column]}, not {dtype}')
        rows = scan.select(column for column in SCHEMA if column in columns)
        for batch in rows.collect_batches(chunk_size=ROWS):
            part = _table(batch)
            if part is None:
                bad = bisect.bisect_left(
                    range(batch.height), True, key=lambda n: _table(batch[: n + 1]) is None
                )
                fields = json.dumps(batch.row(bad, named=True)).encode()
                raise Malformed(f"{name}:{before + bad + 1}: {_complaint(fields)}")
            yield part
            before += batch.height
    except (OSError, pl.exceptions.PolarsError) as error:
        raise Malformed(f"{name}:{before + 1}: the table breaks off or is damaged") from error


def _becomes(found: DataType | DataTypeClass, dtype: DataType | DataTypeClass) -> bool:
    """Return True if a table's column of this type can be read as one of a history."""
    if isinstance(found, pl.Null):
        return True
    if isinstance(found, pl.List) and isinstance(dtype, pl.List):
        return _becomes(found.inner, dtype.inner)
    text = isinstance(found, pl.String | pl.Enum | pl.Categorical)
    return found.is_integer() if dtype.is_integer() else text and not isinstance(dtype, pl.List)


def _table(batch: pl.DataFrame) -> pl.DataFrame | None:
    """Rows of a table as columns of a history, or None if one of them is not as the schema says."""
    lacking = (pl.lit(None).alias(name) for name in SCHEMA if name not in batch.columns)
    batch = batch.with_columns(*lacking)
    try:
        return _checked(batch.select(pl.col(name).cast(SCHEMA[name]) for name in SCHEMA))
    except pl.exceptions.InvalidOperationError:
        return None


def _marks(chunk: bytes) -> list[int]:
    """Return the operation counts in the recorder's marker lines."""
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
    if bad == len(lines) - 1 and _breaks_off(lines[bad]):
        warnings.warn(f"{name}:{before + bad + 1}: cut off, left out", stacklevel=3)
        return parse(b"\n".join(lines[:bad]) + b"\n", name, before)
    raise Malformed(f"{name}:{before + bad + 1}: {_complaint(lines[bad])}")


def _columns(chunk: bytes) -> pl.DataFrame | None:
    """The lines as columns, or None if one of them is not as the schema says."""
    try:
        part = _checked(pl.read_ndjson(io.BytesIO(chunk), schema=SCHEMA))
    except pl.exceptions.PolarsError:
        return None
    if part is None:
        return None
    doubtful = pl.read_lines(chunk).filter(pl.col("line").str.contains(_DOUBTFUL))["line"]
    return None if any(map(_wrong, doubtful)) else part


def _checked(part: pl.DataFrame) -> pl.DataFrame | None:
    """The columns, with what may be left out; None if a row is not as the schema says."""
    part = part.with_columns(pl.col("phase").fill_null("load"))
    if part.select(pl.any_horizontal(wrong.any() for wrong in _RULES.values())).item():
        return None
    length = pl.col("items").list.len().cast(pl.Int64)
    part = part.with_columns(pl.col("value").fill_null(length))
    # the parser leaves room for growth, in a large file as much as the columns take
    return pl.DataFrame([column.shrink_to_fit() for column in part])


def _beyond(name: str) -> pl.Expr:
    return ~pl.col(name).is_between(-LARGEST, LARGEST, closed="none")


_ok = pl.col("outcome") == "ok"
VALUED = (COUNTER.read, LIST.write, CLAIM.name)
"""An increment may be acknowledged without a count."""
CARRYING = (*REQUEST.ops, SAVE.name, CLAIM.name)
_ITEMS = pl.col("items")
_RULES: dict[str, pl.Expr] = {
    '"client" is missing': pl.col("client").is_null(),
    '"op" is missing': pl.col("op").is_null(),
    '"start" is missing': pl.col("start").is_null(),
    '"outcome" is missing': pl.col("outcome").is_null(),
    'it is ok, so it needs an "end"': _ok & pl.col("end").is_null(),
    "it ends before it starts": pl.col("end") < pl.col("start"),
    'its "start" is too large to be a time': _beyond("start"),
    'its "end" is too large to be a time': _beyond("end"),
    'it is ok, so it needs a "value"': _ok & pl.col("op").is_in(VALUED) & pl.col("value").is_null(),
    'its "value" is too large to be a count': _beyond("value"),
    'an append needs an "item"': (pl.col("op") == LIST.write) & pl.col("item").is_null(),
    'a whoami, a save and a claim need an "item"': pl.col("op").is_in(CARRYING)
    & pl.col("item").is_null(),
    'a save and a load need a "key"': pl.col("op").is_in(VISITOR.ops) & pl.col("key").is_null(),
    'the "value" of a claim is 1 (taken) or 0 (refused)': (pl.col("op") == CLAIM.name)
    & ~pl.col("value").is_in([0, 1]),
    'it is ok, so it needs "items"': _ok & (pl.col("op") == LIST.read) & _ITEMS.is_null(),
    'there is a null in "items"': _ITEMS.list.eval(pl.element().is_null().any()).list.first(),
    'its "value" is not the length of "items"': (pl.col("op") == LIST.read)
    & (pl.col("value") != _ITEMS.list.len().cast(pl.Int64)),
}
"""The rules that every line must keep: a complaint, and the rows that deserve it."""

_DOUBTFUL = "(?s)" + "|".join(
    (
        *(rf'"{name}"\s*:.*"{name}"\s*:' for name in SCHEMA),
        r"\\u[dD][89a-fA-F]",
        r"\\u00[67]",
        r'(?:"item"\s*:|[\[,])\s*-?[0-9]+[.eE]',
        r"[0-9]{20}",
    )
)
"""Lines that the columns cannot check, looked at one by one.

They have a name twice (also with escaped letters), half of a surrogate pair, or an item that is a
number of more digits than are kept.
"""


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
        raise ValueError("not JSON") from None
    if not isinstance(fields, _Fields):
        raise ValueError("not a JSON object")
    known = dict(fields)
    for name in SCHEMA:
        if sum(name == other for other, _ in fields) > 1:
            raise ValueError(f'"{name}" stands in it twice')
        for said in _scalars(known.get(name)):
            if isinstance(said, str) and any("\ud800" <= sign <= "\udfff" for sign in said):
                raise ValueError(f'"{name}" has half of a surrogate pair, which is no text')
            exact = -(1 << 63) <= said < 1 << 64 if isinstance(said, int) else True
            if name in ("item", "items") and (isinstance(said, _Inexact) or not exact):
                raise ValueError(f'"{name}" has a number of too many digits')
    return known


def _scalars(said: object) -> Iterator[object]:
    """The texts and numbers in a value of JSON."""
    inside = [said]
    while inside:
        value = inside.pop()
        if isinstance(value, list | tuple):
            inside.extend(value)
        else:
            yield value


def _complaint(line: bytes) -> str:
    """Return the complaint about a line that does not parse."""
    if line.startswith(codecs.BOM_UTF8):
        return "it begins with a byte order mark; plain UTF-8 has none"
    try:
        wrong = _wrong(line.decode())
    except UnicodeDecodeError:
        return "not UTF-8"
    if wrong is not None:
        return wrong
    try:
        part = pl.read_ndjson(line, schema=SCHEMA)
    except pl.exceptions.PolarsError as error:
        return short(str(error).splitlines()[0], 80)
    return next(rule for rule, wrong in _RULES.items() if part.select(wrong).item())


def _wrong(line: str) -> str | None:
    """Return the complaint about a line's JSON, its names or the types of its values."""
    try:
        fields = _fields(line)
    except ValueError as error:
        return str(error)
    for name, dtype in SCHEMA.items():
        said = fields.get(name)
        if said is None:
            continue
        shown = short(json.dumps(said), 40)
        if dtype.is_integer() and type(said) is int and not _fits(said, dtype):
            least = "below 0" if said < 0 and dtype.is_unsigned_integer() else "too large"
            return f'"{name}" is {shown}, which is {least}'
        if dtype.is_integer() and type(said) is not int:
            return f'"{name}" is {shown}, not a whole number'
        if isinstance(dtype, pl.Enum) and said not in (words := dtype.categories.to_list()):
            return f'"{name}" is {shown}, not one of {", ".join(words)}'
        if isinstance(dtype, pl.Categorical) and not isinstance(said, str):
            return f'"{name}" is {shown}, not text'
        if isinstance(dtype, pl.List) and (not isinstance(said, list) or isinstance(said, _Fields)):
            return f'"{name}" is {shown}, not a list'
    return None


def _fits(number: int, dtype: pl.DataType) -> bool:
    low, high = (0, 1 << 32) if dtype.is_unsigned_integer() else (-(1 << 63), 1 << 63)
    return low <= number < high


def _breaks_off(line: bytes) -> bool:
    """Return True if a line without a newline was cut off."""
    try:
        json.loads(line)
    except RecursionError:
        return False
    except ValueError:
        return not line.rstrip().endswith((b"}", b"}\0"))
    return False
