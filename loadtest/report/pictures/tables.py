"""The last run of a history as tables for pictures, thinned to what an eye can see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from loadtest.checker.division import LABELS, LEVELS, Owner
from loadtest.checker.run import Run
from loadtest.checker.words import number
from loadtest.history import Operation, frame, read
from loadtest.kinds.counter import COUNTER
from loadtest.kinds.list import LIST
from loadtest.server import injections

UNLABELLED = "no label"
KEY = ["client", "start", "clock"]
WORKER = ["clock", "boot", "worker"]
FAULT = {"fault": pl.String(), "start": pl.Int64(), "end": pl.Int64(), "what": pl.String()}
"""The columns of injections: fault, times on the history's clock, target."""


def faults_of(history: Path) -> pl.DataFrame | None:
    """Return the injections in the file beside a history, with the columns of FAULT."""
    path = injections.file(history)
    there = path.exists() and path.stat().st_size
    return pl.read_ndjson(path, schema=FAULT) if there else None


@dataclass(frozen=True)
class Boot:
    """A worker from its first answer to its last, in seconds since the first start: the value it
    `told` first, the `highest`, and how many increments it acknowledged."""

    label: str
    worker: int | None
    boot: str | None
    first: float
    last: float
    told: int | None
    highest: int | None
    acknowledged: int

    @property
    def name(self) -> str:
        """As servers know it: "worker 4242, boot b7e1"."""
        parts = (("worker", self.worker), ("boot", self.boot))
        return ", ".join(f"{what} {which}" for what, which in parts if which is not None)


class Seen:
    """The last run of a history, as its pictures need it.

    Where the history is only the end of a run, `workers` are those of the whole: clock, boot and
    worker, in the order of their first requests. `faults` are as FAULT says.
    """

    def __init__(
        self,
        history: pl.DataFrame,
        workers: pl.DataFrame | None = None,
        faults: pl.DataFrame | None = None,
    ) -> None:
        self.history = history
        self.run = Run(history)
        self.known = workers
        self.done = pl.DataFrame(schema=FAULT) if faults is None else faults

    @classmethod
    def read(cls, path: Path) -> Seen:
        """A history, and the faults that stand beside it."""
        return cls(read(path), faults=faults_of(path))

    @classmethod
    def of(cls, history: pl.DataFrame | Seen) -> Seen:
        return history if isinstance(history, Seen) else cls(history)

    @cached_property
    def rows(self) -> pl.DataFrame:
        """The operations, with the `label` of their worker; they were `sent` and answered `at`
        seconds after the first start on their clock."""
        rows = self.run.rows.drop("row", "item", "items").collect()
        rows = rows.join(self.first, on="clock", nulls_equal=True, maintain_order="left")
        sent, at = (((pl.col(name) - pl.col("first")) / 1e9).round(4) for name in ("start", "end"))
        rows = rows.with_columns(sent=sent, at=at).join(
            self.workers, on=WORKER, how="left", nulls_equal=True, maintain_order="left"
        )
        return rows.with_columns(pl.col("label").fill_null(UNLABELLED))

    @cached_property
    def told(self) -> pl.DataFrame:
        """The acknowledged increments in the order of their answers."""
        return self.rows.filter(op=COUNTER.write, outcome="ok").sort("end", "value")

    @cached_property
    def faults(self) -> pl.DataFrame:
        """The injections during the load, sorted: fault, what, since, till.

        `since` and `till` are seconds after the first start. An injection that was not undone
        lasts to the end.
        """
        ns = self.first["first"].min()
        last = pl.lit(self.rows["at"].max())
        since, till = (((pl.col(name) - ns) / 1e9).round(4) for name in ("start", "end"))
        during = self.done.select("fault", "what", since=since, till=till.fill_null(last)).filter(
            pl.col("since") <= last, pl.col("till") >= 0
        )
        within = pl.col("since").clip(lower_bound=0), pl.col("till").clip(upper_bound=last)
        return during.with_columns(*within).sort("since")

    @cached_property
    def boots(self) -> list[Boot]:
        """The workers that answered for the count, in the order of their first answers."""
        counted = self.rows.filter(pl.col("op").is_in(COUNTER.ops), outcome="ok")
        named = counted.filter(pl.col("label") != UNLABELLED).sort("end")
        each = named.group_by("label", "worker", "boot", maintain_order=True).agg(
            first=pl.col("at").first(),
            last=pl.col("at").last(),
            told=pl.col("value").drop_nulls().first(),
            highest=pl.col("value").max(),
            acknowledged=(pl.col("op") == COUNTER.write).sum(),
        )
        return [Boot(**row) for row in each.iter_rows(named=True)]

    @cached_property
    def replaced(self) -> list[tuple[Boot, Boot | None]]:
        """Each boot that first answered after the first fault began, and the one that had fallen
        silent last before, for good, if there is one left."""
        if self.faults.is_empty():
            return []
        began, gone, pairs = self.faults["since"][0], list(self.boots), []
        for new in self.boots:
            if new.first > began:
                silent = [boot for boot in gone if boot.last < new.first]
                before = max(silent, key=lambda boot: boot.last, default=None)
                gone = [boot for boot in gone if boot is not before]
                pairs.append((new, before))
        return pairs

    @cached_property
    def first(self) -> pl.DataFrame:
        """Clock, and the `first` start on it."""
        return self.history.group_by("clock").agg(first=pl.col("start").min())

    @cached_property
    def workers(self) -> pl.DataFrame:
        """In the order of their first requests: clock, boot and worker as in the history, and
        `label`, which is "worker 1", "worker 2" …"""
        known = self.known
        if known is None:
            named = pl.col("worker").is_not_null() | pl.col("boot").is_not_null()
            rows = self.run.rows.filter(named).group_by(WORKER).agg(pl.col("start").min())
            known = rows.sort("start", "worker", "boot").collect()
        return known.select(*WORKER, label=pl.format("worker {}", pl.int_range(1, pl.len() + 1)))

    def label(self, operation: Operation) -> str:
        """The label of the worker that answered it."""
        return self.labels.get(tuple(getattr(operation, each) for each in WORKER), UNLABELLED)

    @cached_property
    def labels(self) -> dict[tuple[Any, ...], str]:
        return {tuple(worker): label for *worker, label in self.workers.iter_rows()}


def unaccounted(told: pl.DataFrame, of: Owner, before: pl.DataFrame | None = None) -> pl.DataFrame:
    """`lost` after each of these increments, which are in the order of their answers.

    For every copy of the state: the increments that it acknowledged so far, less the highest
    value that it told so far, if that is positive. Summed over the copies; `of` says what has one.
    `before` counts the increments of each worker that a history without its beginning lacks:
    clock, boot, worker, acknowledged.
    """
    earlier = pl.lit(0)
    if before is not None and of == "worker":
        before = before.select(*WORKER, earlier="acknowledged")
        told = told.join(before, on=WORKER, how="left", nulls_equal=True, maintain_order="left")
        earlier = pl.col("earlier").fill_null(0)
    elif before is not None and of != "thread":
        earlier = pl.lit(before["acknowledged"].sum())
    acknowledged = earlier + pl.int_range(1, pl.len() + 1)
    if of == "request":
        return told.select("at", lost=acknowledged)
    behind = (acknowledged - pl.col("value").cum_max()).clip(0)
    more = (behind - behind.shift(1, fill_value=0)).over(LEVELS[of] if of in LABELS else pl.lit(0))
    return told.select("at", lost=more.cum_sum())


def inside(operation: Operation) -> str:
    """Describe the values a write must have read and written, going by its answer."""
    if operation.outcome != "ok" or operation.value is None:
        return ""
    if operation.op == COUNTER.write:
        return f"somewhere inside: from {operation.value - 1:,} to {operation.value:,}"
    if operation.op == LIST.write:
        before = number(operation.value - 1, "item")
        return f"somewhere inside: after {before}, as number {operation.value:,}"
    return ""


def thin(history: pl.DataFrame, limit: int, keep: Iterable[Operation] = ()) -> pl.DataFrame:
    """`limit` rows, evenly taken from those of each worker, and all of `keep` besides.

    The same rows every time, in the order that they had.
    """
    if history.height <= limit:
        return history
    rows = history.with_row_index("row")
    by_worker = rows.sort("boot", "worker", maintain_order=True)["row"]
    taken = by_worker.gather([n * rows.height // limit for n in range(limit)])
    kept = rows.join(keys(keep), on=KEY, how="semi", nulls_equal=True)["row"]
    return rows.filter(pl.col("row").is_in(pl.concat([taken, kept]).implode())).drop("row")


def keys(operations: Iterable[Operation]) -> pl.DataFrame:
    """Return the columns that identify these operations in their history."""
    return frame(operations).select(KEY).unique()


def evenly(rows: pl.DataFrame, limit: int) -> pl.DataFrame:
    """At most `limit` rows, the first and the last among them."""
    last = rows.height - 1
    if last < limit:
        return rows
    return rows[[n * last // (limit - 1) for n in range(limit)]]
