"""Histories of any size with nothing wrong in them, or one thing: for tests and benchmarks.

Everything is done on whole columns; ten million operations take some seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import polars as pl

from loadtest.history import SCHEMA

BEGIN = 1_000_000_000  # nanoseconds; the create is before it
APART = 20_000  # from one operation's instant to the next
CLIENTS, WORKERS, THREADS = 16, 4, 8
LIST_READS = 50  # under load, while the list is short

_worker = pl.col("worker")
COPY = {None: pl.lit(0), "worker": _worker, "thread": _worker * THREADS + pl.col("thread")}


def generate(
    operations: int,
    *,
    seed: int = 0,
    unknown: float = 0.001,
    by: Literal["worker", "thread"] | None = None,
) -> pl.DataFrame:
    """This many operations of 16 clients on 4 workers of 8 threads, then an audit, as a history.

    Half are increments, the rest reads, appends and a few reads of the list. Each happens at an
    instant of its own; it starts and ends so far around it that its client is almost always busy.
    A share is `unknown`, every other of which did happen, and as large a share failed. There is
    one state, or one `by` worker or thread.
    """
    parts = [_create(), _load(operations, seed, unknown), _audit(operations, by)]
    rows = pl.concat(parts, how="diagonal")
    done = pl.col("happens")
    rows = rows.with_columns(
        copy=COPY[by].cast(pl.Int64),
        count=(done & (pl.col("op") == "increment")).cast(pl.Int64),
        length=(done & (pl.col("op") == "append")).cast(pl.Int64),
    ).with_columns(pl.col("count", "length").cum_sum().over("copy"))
    on_list = pl.col("op").is_in(["append", "items"])
    value = pl.when(on_list).then("length").otherwise("count")
    rows = rows.with_columns(value=pl.when(outcome="ok").then(value))

    lists = rows.filter(done & (pl.col("op") == "append")).group_by("copy").agg(list="item")
    reads = rows.filter(pl.col("op") == "items").join(lists, on="copy", how="left")
    items = pl.col("list").list.head("value").fill_null(pl.lit([], pl.List(pl.String)))
    reads = reads.with_columns(items=pl.when(outcome="ok").then(items))
    rows = pl.concat([rows.filter(pl.col("op") != "items"), reads], how="diagonal")
    rows = rows.sort("end").with_columns(
        end=pl.when(pl.col("outcome") != "unknown").then("end"),
        boot=pl.concat_str(pl.lit("b"), _worker),
        worker=4000 + _worker,
        clock=pl.lit(None),
        key=pl.lit(None),
        answer=pl.lit(None),
    )
    return rows.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def _create() -> pl.DataFrame:
    row = {"client": CLIENTS, "op": "create", "start": 0, "end": 1000, "outcome": "ok"}
    return pl.DataFrame({**row, "happens": False, "worker": 0, "thread": 0, "phase": "load"})


def _load(operations: int, seed: int, unknown: float) -> pl.DataFrame:
    def dice(number: int, sides: int) -> pl.Expr:
        return (pl.int_range(operations).hash(100 * seed + number) % sides).cast(pl.Int64)

    number = pl.int_range(operations, dtype=pl.Int64)
    kind, fate, share = dice(1, 10), dice(2, 1_000_000), int(unknown * 1_000_000)
    op = pl.when(kind < 5).then(pl.lit("increment")).when(kind < 9).then(pl.lit("read"))
    outcome = pl.when(fate < share).then(pl.lit("unknown"))
    early = (number % 200 == 77) & (number < 200 * LIST_READS)
    long = APART * CLIENTS // 2
    return pl.select(
        client=number % CLIENTS,
        op=pl.when(early).then(pl.lit("items")).otherwise(op.otherwise(pl.lit("append"))),
        start=BEGIN + number * APART - dice(3, long),
        end=BEGIN + number * APART + dice(4, long),
        outcome=outcome.when(fate < 2 * share).then(pl.lit("fail")).otherwise(pl.lit("ok")),
        happens=(fate >= 2 * share) | ((fate < share) & (fate % 2 == 0)),
        item=pl.concat_str(pl.lit("i"), number),
        worker=dice(5, WORKERS),
        thread=dice(6, THREADS),
        phase=pl.lit("load"),
    ).with_columns(item=pl.when(op="append").then("item"))


def _audit(operations: int, by: str | None) -> pl.DataFrame:
    """Every copy is read twice, and its list once, one after the other."""
    threads = THREADS if by == "thread" else 1
    places = pl.select(place=pl.int_range(WORKERS * threads, dtype=pl.Int64)).select(
        worker=pl.col("place") // threads, thread=pl.col("place") % threads
    )
    reads = pl.concat([places.with_columns(op=pl.lit(op)) for op in ("read", "items", "read")])
    start = BEGIN + (operations + 2 * CLIENTS + pl.int_range(pl.len(), dtype=pl.Int64)) * APART
    return reads.with_columns(
        client=pl.lit(CLIENTS, pl.Int64),
        start=start,
        end=start + 1000,
        outcome=pl.lit("ok"),
        happens=pl.lit(True),
        phase=pl.lit("audit"),
    )


def plant(history: pl.DataFrame, anomaly: str) -> pl.DataFrame:
    """A history of one counter, without unknown operations, with this anomaly put into its middle.

    Others may follow from it: where an update is lost, a value is answered twice.
    """
    return _PLANTS[anomaly](history).select(history.columns).sort("end", maintain_order=True)


_counted = pl.col("op").is_in(["increment", "read"])
_audited = pl.col("phase") == "audit"
_value, _items = pl.col("value"), pl.col("items")


def _is(op: str) -> pl.Expr:
    return (pl.col("op") == op) & (pl.col("outcome") == "ok")


def _middle(op: str) -> pl.Expr:
    """The middle value told to this kind of operation, as one number for all rows."""
    return _value.filter(_is(op)).median().cast(pl.Int64)


def _set(history: pl.DataFrame, where: pl.Expr, **columns: pl.Expr) -> pl.DataFrame:
    return history.with_columns(
        pl.when(where).then(value).otherwise(name).cast(SCHEMA[name]).alias(name)
        for name, value in columns.items()
    )


def _lost_increment(history: pl.DataFrame) -> pl.DataFrame:
    return _set(history, _counted & (_value > _middle("increment")), value=_value - 1)


def _over_count(history: pl.DataFrame) -> pl.DataFrame:
    return _set(history, _is("read") & _audited, value=_value + 1)


def _duplicate_value(history: pl.DataFrame) -> pl.DataFrame:
    return _set(history, _is("increment") & (_value == _middle("increment")), value=_value - 1)


def _skipped_value(history: pl.DataFrame) -> pl.DataFrame:
    return _set(history, _counted & (_value > _middle("increment")), value=_value + 1)


def _real_time_inversion(history: pl.DataFrame) -> pl.DataFrame:
    apart = 10 * CLIENTS
    middle = _middle("increment")
    one, other = _value == middle, _value == middle + apart
    value = pl.when(one).then(_value + apart).when(other).then(_value - apart).otherwise(_value)
    return _set(history, _is("increment"), value=value)


def _one_read(history: pl.DataFrame) -> pl.Expr:
    """One read in the middle of the load."""
    rows = history.with_row_index("row").filter(_is("read") & ~_audited)["row"]
    return pl.int_range(pl.len()) == rows[len(rows) // 2]


def _stale_read(history: pl.DataFrame) -> pl.DataFrame:
    return _set(history, _one_read(history), value=_value - 10 * CLIENTS, client=pl.lit(99))


def _future_read(history: pl.DataFrame) -> pl.DataFrame:
    return _set(history, _one_read(history), value=_value + 10 * CLIENTS, client=pl.lit(99))


def _less_than_its_client(history: pl.DataFrame, op: str) -> pl.DataFrame:
    told = pl.when(_is(op)).then(_value).forward_fill().shift(1).over("client")
    return _set(history, _one_read(history), value=told - 1)


def _reset(history: pl.DataFrame) -> pl.DataFrame:
    second = 1_000_000_000
    return _set(
        history,
        (_counted & (_value > _middle("increment"))) | _audited,
        start=pl.col("start") + second,
        end=pl.col("end") + second,
        boot=pl.concat_str(pl.col("boot").cast(pl.String), pl.lit(" again")),
        value=pl.when(_counted).then(_value - _middle("increment")).otherwise(_value),
    )


def _lists(history: pl.DataFrame, where: pl.Expr, items: pl.Expr) -> pl.DataFrame:
    history = _set(history, _is("items") & where, items=items)
    return _set(history, _is("items"), value=_items.list.len())


def _appended(history: pl.DataFrame, later: int = 0) -> tuple[str, int]:
    """An item of an early append, and its position."""
    early = history.filter(_is("append")).sort("value")
    row = early.row(early.height // 10 + later, named=True)
    return row["item"], row["value"]


def _lost_item(history: pl.DataFrame) -> pl.DataFrame:
    item, at = _appended(history)
    history = _lists(history, pl.lit(True), _items.list.filter(pl.element() != item))
    return _set(history, _is("append") & (_value > at), value=_value - 1)


def _duplicated_item(history: pl.DataFrame) -> pl.DataFrame:
    item, _ = _appended(history)
    return _lists(history, _audited, _items.list.concat(pl.lit(item).implode()))


def _unexpected_item(history: pl.DataFrame) -> pl.DataFrame:
    return _lists(history, _audited, _items.list.concat(pl.lit("nobody sent this").implode()))


def _swapped(one: str, other: str) -> pl.Expr:
    return _items.list.eval(pl.element().replace({one: other, other: one}))


def _fork(history: pl.DataFrame) -> pl.DataFrame:
    longest = _value == _value.filter(_is("items") & ~_audited).max()
    return _lists(history, longest & ~_audited, _items.list.reverse())


def _reordered_item(history: pl.DataFrame) -> pl.DataFrame:
    (one, at), (other, later) = _appended(history), _appended(history, 3 * CLIENTS)
    history = _lists(history, pl.lit(True), _swapped(one, other))
    told = pl.when(item=one).then(later).when(item=other).then(at).otherwise(_value)
    return _set(history, _is("append"), value=told)


def _misplaced_item(history: pl.DataFrame) -> pl.DataFrame:
    (one, _), (other, _) = _appended(history), _appended(history, 1)
    return _lists(history, pl.lit(True), _swapped(one, other))


_PLANTS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "lost increment": _lost_increment,
    "over-count": _over_count,
    "duplicate value": _duplicate_value,
    "skipped value": _skipped_value,
    "real-time inversion": _real_time_inversion,
    "stale read": _stale_read,
    "future read": _future_read,
    "non-monotonic read": lambda history: _less_than_its_client(history, "read"),
    "read-your-writes": lambda history: _less_than_its_client(history, "increment"),
    "reset": _reset,
    "lost item": _lost_item,
    "duplicated item": _duplicated_item,
    "unexpected item": _unexpected_item,
    "fork": _fork,
    "reordered item": _reordered_item,
    "misplaced item": _misplaced_item,
}
