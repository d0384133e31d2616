"""Count answered requests by kind, their latency, and the longest gap without an answer."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from loadtest.checker.run import Run


@dataclass(frozen=True)
class Answered:
    """The outcomes of the requests of one kind.

    Times are milliseconds to an answer of any outcome, None if there was no answer.
    """

    op: str
    ok: int
    refused: int
    unknown: int
    median: float | None
    p99: float | None
    longest: float | None

    @property
    def asked(self) -> int:
        return self.ok + self.refused + self.unknown


def answered(run: Run) -> tuple[Answered, ...]:
    """Of the load alone: an audit finds a server that has nothing else to do."""
    took = pl.col("end") - pl.col("start")
    load = run.rows.filter(phase="load").select("op", "outcome", took=took).collect()
    kinds = load.partition_by("op", as_dict=True, include_key=False)  # faster than a group_by
    return tuple(_of(str(op), kind) for (op,), kind in sorted(kinds.items()))


def silence(run: Run) -> float:
    """The longest time of the load, in milliseconds, in which nobody was answered ok."""
    load = run.rows.filter(phase="load", outcome="ok").select("clock", "end").collect()
    before = pl.col("end").shift()
    before = before.over("clock") if run.within else before
    longest: int | None = load.sort("end").select((pl.col("end") - before).max()).item()
    return round((longest or 0) / 1e6, 3)


def unread(run: Run) -> int:
    """Count the final reads that got no answer."""
    asked = run.rows.filter(pl.col("outcome") != "ok", phase="audit")
    return asked.select(pl.len()).collect().item()


def _of(op: str, requests: pl.DataFrame) -> Answered:
    outcomes = dict(requests.group_by("outcome").len().iter_rows())
    counts = (outcomes.get(outcome, 0) for outcome in ("ok", "fail", "unknown"))
    took = requests["took"].drop_nulls().cast(pl.Float64) / 1e6
    times = (took.quantile(share) for share in (0.5, 0.99, 1.0))
    return Answered(op, *counts, *(None if time is None else round(time, 3) for time in times))
