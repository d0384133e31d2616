"""The last run of a history as tables for pictures, thinned to what an eye can see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from loadtest.checker.division import Owner
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
    """A worker from its first answer to its last, in seconds since the first start: its `earliest`
    value and its `highest`, and how many increments it acknowledged."""

    label: str
    worker: int | None
    boot: str | None
    first: float
    last: float
    earliest: int | None
    highest: int | None
    acknowledged: int

    @property
    def name(self) -> str:
        """As servers know it: "worker 4242, boot b7e1"."""
        parts = (("worker", self.worker), ("boot", self.boot))
        return ", ".join(f"{what} {which}" for what, which in parts if which is not None)


class DrawnRun:
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
    def read(cls, path: Path) -> DrawnRun:
        """A history, and the faults that stand beside it."""
        return cls(read(path), faults=faults_of(path))

    @classmethod
    def of(cls, history: pl.DataFrame | DrawnRun) -> DrawnRun:
        return history if isinstance(history, DrawnRun) else cls(history)

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
    def increments(self) -> pl.DataFrame:
        """The acknowledged increments in the order of their answers, with the `place` of each."""
        increments = self.rows.filter(op=COUNTER.write, outcome="ok").sort("end", "value")
        return increments.join(
            self.places, on=WORKER, how="left", nulls_equal=True, maintain_order="left"
        )

    @cached_property
    def span(self) -> tuple[float, float]:
        """The seconds of the first and the last answer."""
        at = self.rows["at"].drop_nulls().to_list() or [0.0]
        return min(at), max(at)

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
            earliest=pl.col("value").drop_nulls().first(),
            highest=pl.col("value").max(),
            acknowledged=(pl.col("op") == COUNTER.write).sum(),
        )
        return [Boot(**row) for row in each.iter_rows(named=True)]

    def acknowledged(self, boot: Boot) -> int:
        """Return the increments that a worker acknowledged, in the whole run if that is known."""
        if self.known is None:
            return boot.acknowledged
        (whole,) = self.known.filter(pl.col("boot").eq_missing(boot.boot))["acknowledged"]
        return int(whole)

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
    def places(self) -> pl.DataFrame:
        """The place of each worker: clock, boot, worker, `place`.

        A worker that came for one that is gone has the place of that one.
        """
        place = {label: n for n, label in enumerate(self.workers["label"])}
        for new, gone in self.replaced:
            if gone:
                place[new.label] = place[gone.label]
        number = [place[label] for label in self.workers["label"]]
        return self.workers.select(*WORKER, place=pl.Series(number, dtype=pl.Int64))

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


def unaccounted(
    history: DrawnRun, of: Owner, before: pl.DataFrame | None = None, final: int | None = None
) -> pl.DataFrame:
    """`lost` after each acknowledged increment, in the order of their answers: at, lost.

    For every copy of the state: the increments that it acknowledged so far, less the count that it
    answers now. That is the highest of its last answers, as many as there are clients, because so
    many may be answered out of order. Summed over the copies; `of` is the owner of a copy. A new
    worker has the copy of the one that it replaces, so that the curve steps where a worker ended.
    What a later answer shows to be there is not lost, so the curve does not fall; nor does it
    exceed `final`, what was lost in the end, if that is known.
    `before` counts the increments of each worker that a history without its beginning lacks:
    clock, boot, worker, acknowledged.
    """
    increments = history.increments
    copy = {"worker": ["place"], "thread": ["place", "thread"]}.get(of, [])
    earlier = pl.lit(0)
    if before is not None and of != "thread":
        missing = before.join(history.places, on=WORKER, how="left", nulls_equal=True)
        missing = missing.group_by(copy or pl.lit(0)).agg(earlier=pl.col("acknowledged").sum())
        if copy:
            increments = increments.join(
                missing, on=copy, how="left", nulls_equal=True, maintain_order="left"
            )
            earlier = pl.col("earlier").fill_null(0)
        else:
            earlier = pl.lit(missing["earlier"].sum())
    acknowledged = earlier + pl.int_range(1, pl.len() + 1)
    if of == "request":
        return increments.select("at", lost=acknowledged)
    clients = max(1, increments["client"].n_unique())
    # a new worker's first answer shows at once what went with the one before
    within = [*copy, "boot"] if copy else [pl.lit(0)]
    now = pl.col("value").rolling_max(clients, min_samples=1).over(within)
    increments = increments.with_columns(now=now)
    behind = (acknowledged - pl.col("now").forward_fill()).clip(0)
    later = behind.reverse().cum_min().reverse()
    more = (later - later.shift(1, fill_value=0)).over(copy or pl.lit(0))
    lost = more.cum_sum()
    return increments.select("at", lost=lost if final is None else lost.clip(upper_bound=final))


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
