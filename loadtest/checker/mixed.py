"""Find workers that answer with each other's replies: a connection that was opened before a fork.

While nothing is written, one thread has one state to read. If its answers go back and forth all
the same, they are not its own.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from loadtest.checker.verdict import Verdict
from loadtest.checker.words import both
from loadtest.kinds.counter import COUNTER


def amend(verdict: Verdict, history: pl.DataFrame) -> Verdict:
    """Return the verdict on workers that were forked from one process, led by mixed replies."""
    values = back_and_forth(history)
    if not values:
        return verdict
    seen = both(f"{value:,}" for value in values)
    why = (
        f"The workers answer with each other's replies: while nothing was written, one thread "
        f"answered {seen}, one after the other. Do they share a connection that was opened before "
        "the fork?"
    )
    if not verdict.anomalies:
        return replace(verdict, verdict="violated", why=why, missing=(), mixed_replies=True)
    return replace(verdict, why=f"{why} {verdict.why}", mixed_replies=True)


def back_and_forth(history: pl.DataFrame) -> tuple[int, ...]:
    """Return three answers of one thread, one after the other at rest, that go back; or nothing."""
    reads = history.filter(phase="audit", op=COUNTER.read, outcome="ok")
    reads = reads.drop_nulls(["value", "boot", "thread"]).sort("start")
    for _, mine in reads.group_by("boot", "thread", maintain_order=True):
        values: list[int] = []
        ended = -1
        for start, end, value in mine.select("start", "end", "value").iter_rows():
            if start > ended and value != (values[-1] if values else None):
                values.append(value)
                ended = end
                if len(values) >= 3 and values[-1] == values[-3]:
                    return tuple(values[-3:])
    return ()
