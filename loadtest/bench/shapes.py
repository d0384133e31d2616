"""Histories of shapes that could cost a checker more than their share, of any size."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from loadtest.bench import generator
from loadtest.history import SCHEMA

READS = 1_000  # of lists that all differ


def _history(rows: pl.DataFrame, **columns: pl.Expr | str | int | None) -> pl.DataFrame:
    """The rows as a history: one after the other in time, and ok, unless they say otherwise."""
    given = [
        (value if isinstance(value, pl.Expr) else pl.lit(value)).alias(name)
        for name, value in columns.items()
    ]
    at = pl.int_range(pl.len(), dtype=pl.Int64) * 10
    usual = {
        "client": pl.lit(0),
        "start": at,
        "end": at + 15,
        "outcome": pl.lit("ok"),
        "phase": pl.lit("load"),
    }
    rows = rows.with_columns(given)
    rows = rows.with_columns(
        usual.get(name, pl.lit(None)).alias(name) for name in SCHEMA if name not in rows.columns
    )
    return rows.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def _counted(size: int) -> pl.DataFrame:
    """Increments, each told one more than the last."""
    value = pl.int_range(1, size + 1, dtype=pl.Int64)
    return pl.select(value=value).with_columns(op=pl.lit("increment"))


def _appended(size: int) -> pl.DataFrame:
    return pl.select(number=pl.int_range(size, dtype=pl.Int64)).with_columns(op=pl.lit("append"))


def clean(size: int) -> pl.DataFrame:
    return generator.generate(size)


def empty_audits(size: int) -> pl.DataFrame:
    """Unknown appends, as many audits that read an empty list, and one that reads all of it."""
    half = size // 2
    item = pl.concat_str(pl.lit("i"), pl.col("number"))
    appends = _history(_appended(half), item=item, outcome="unknown", end=None)
    lists = appends.select(items=pl.col("item").implode())
    lists = pl.concat([lists.clear(half).fill_null([]), lists])
    start = pl.int_range(half, half + pl.len(), dtype=pl.Int64) * 20
    value = pl.col("items").list.len()
    audits = _history(lists, op="items", value=value, start=start, end=start + 15, phase="audit")
    return pl.concat([appends, audits])


def creates_on_clocks(size: int) -> pl.DataFrame:
    """A thousand clocks, each with a create of its own."""
    number = pl.int_range(pl.len())
    return _history(
        _counted(size),
        op=pl.when(number < 1_000).then(pl.lit("create")).otherwise(pl.lit("increment")),
        value=pl.col("value") - 1_000,
        clock=pl.concat_str(pl.lit("m"), number % 1_000),
    )


def clocks(size: int) -> pl.DataFrame:
    """A clock for each operation."""
    return _history(_counted(size), clock=pl.concat_str(pl.lit("m"), "value"))


def boots(size: int) -> pl.DataFrame:
    """A boot for each operation, and one audit."""
    audit = _history(pl.DataFrame({"op": ["read"], "start": [10 * size + 20], "value": [size]}))
    audit = audit.with_columns(end=pl.col("start") + 5, phase=pl.lit("audit", SCHEMA["phase"]))
    return pl.concat([_history(_counted(size), boot=pl.concat_str(pl.lit("b"), "value")), audit])


def one_long_read(size: int) -> pl.DataFrame:
    """One read of a list of that many items, in a line of its own, after one append."""
    items = pl.concat_str(pl.lit("i"), pl.int_range(size)).implode()
    read = pl.select(items=items).with_columns(op=pl.lit("items"), value=size, start=30, end=40)
    append = pl.DataFrame({"op": ["append"], "item": ["i0"], "value": [1]})
    return pl.concat([_history(append), _history(read)])


def different_reads(size: int) -> pl.DataFrame:
    """A thousand reads, of that many items in all, each of other items than the others."""
    length = max(1, size // READS)
    items = pl.concat_str(pl.lit("i"), pl.int_range(length * READS))
    read = pl.int_range(length * READS) // length
    reads = pl.select(items=items, read=read).group_by("read", maintain_order=True).agg("items")
    appends = _history(
        _appended(10), item=pl.concat_str(pl.lit("i"), "number"), value=pl.col("number") + 1
    )
    start = 1000 + pl.int_range(pl.len(), dtype=pl.Int64) * 10
    reads = _history(reads, op="items", value=length, start=start, end=start + 5)
    return pl.concat([appends, reads])


def far_answers(size: int) -> pl.DataFrame:
    """Increments that are told numbers a million apart, as ids are, and some told nothing."""
    number = pl.int_range(pl.len())
    outcome = pl.when(number % 10 > 0).then(pl.lit("ok")).otherwise(pl.lit("unknown"))
    value = pl.when(number % 10 > 0).then(pl.col("value") * 1_000_000)
    return _history(_counted(size), value=value, outcome=outcome)


SHAPES: dict[str, Callable[[int], pl.DataFrame]] = {
    "clean": clean,
    "empty audits, unknown appends": empty_audits,
    "creates on 1,000 clocks": creates_on_clocks,
    "a clock for each operation": clocks,
    "a boot for each operation": boots,
    "one read of all items": one_long_read,
    "1,000 different reads": different_reads,
    "answers a million apart": far_answers,
}
