"""Histories of any size with nothing wrong in them, or one thing: for tests and benchmarks.

Everything is done on whole columns; ten million operations take some seconds.
"""

from __future__ import annotations

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
