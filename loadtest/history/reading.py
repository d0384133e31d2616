"""Read histories: JSON lines, compressed or not, and Parquet tables."""

from __future__ import annotations

import bisect
import gzip
import io
import itertools
import json
import re
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import polars as pl
from polars.datatypes import DataType, DataTypeClass

from loadtest.history.complaints import DOUBTFUL, complaint, wrong
from loadtest.history.contract import RULES, SCHEMA, Incomplete, Malformed
from loadtest.history.operation import printable

MARK = re.compile(rb'^{"recorded": (\d{1,18})}$', re.MULTILINE)
CHUNK = 16 << 20  # bytes parsed at a time, so that a large file needs little more than its columns
LONGEST = 64 << 20  # bytes of a line; parsed, it takes up to forty times its length
LINES = 10_000  # unpacked at a time
ROWS = 500_000  # of a table, looked at together
GZIP, ZSTD, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"


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
                _check_length(chunk[:end], name, before)
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
        chunk = b"".join(held)
        _check_length(chunk, name, before)
        yield chunk


def _check_length(chunk: bytes, name: str, before: int) -> None:
    """Raise Malformed if a line is longer than the contract allows."""
    if len(chunk) <= LONGEST:
        return
    for number, line in enumerate(chunk.split(b"\n"), before + 1):
        if len(line) > LONGEST:
            raise Malformed(f"{name}:{number}: longer than {LONGEST >> 20} MB")


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
                raise Malformed(f"{name}:{before + bad + 1}: {complaint(fields)}")
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
    raise Malformed(f"{name}:{before + bad + 1}: {complaint(lines[bad])}")


def _columns(chunk: bytes) -> pl.DataFrame | None:
    """The lines as columns, or None if one of them is not as the schema says."""
    try:
        part = _checked(pl.read_ndjson(io.BytesIO(chunk), schema=SCHEMA))
    except pl.exceptions.PolarsError:
        return None
    if part is None:
        return None
    doubtful = pl.read_lines(chunk).filter(pl.col("line").str.contains(DOUBTFUL))["line"]
    return None if any(map(wrong, doubtful)) else part


def _checked(part: pl.DataFrame) -> pl.DataFrame | None:
    """The columns, with what may be left out; None if a row is not as the schema says."""
    part = part.with_columns(pl.col("phase").fill_null("load"))
    if part.select(pl.any_horizontal(broken.any() for broken in RULES.values())).item():
        return None
    length = pl.col("items").list.len().cast(pl.Int64)
    part = part.with_columns(pl.col("value").fill_null(length))
    # the parser leaves room for growth, in a large file as much as the columns take
    return pl.DataFrame([column.shrink_to_fit() for column in part])


def _breaks_off(line: bytes) -> bool:
    """Return True if a line without a newline was cut off, or never written (zero bytes)."""
    try:
        json.loads(line)
    except RecursionError:
        return False
    except ValueError:
        written = line.rstrip(b"\0")
        return not written or (written.startswith(b"{") and not written.rstrip().endswith(b"}"))
    return False
