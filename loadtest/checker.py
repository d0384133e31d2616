"""A history → its verdict: what was lost, how the state is divided, and what proves it.

    judge(history) -> Verdict        history: a DataFrame of `history.read` or `history.frame`
    order(history) -> DataFrame      the certificate of a linearizable history

Pure: no files, no clock, nothing of the project but what a history is.
"""

from __future__ import annotations

import html
import textwrap
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import polars as pl

from loadtest import anomalies, linearizability
from loadtest.anomalies import Anomaly as Anomaly
from loadtest.division import Copy as Copy
from loadtest.division import Division as Division
from loadtest.run import Run
from loadtest.words import timeline


@dataclass(frozen=True)
class Verdict:
    """What a history shows.

    verdict       linearizable · violated · inconclusive (nothing is wrong, but it proves nothing)
    why           one sentence
    anomalies     in the table's order, only those that there are
    division      what each copy of the state belongs to; None if that cannot be told
    operations    how many the run has; of its increments `acknowledged`, `unknown`, `failed`
    audited       what the audit read; None if the copies differ or there was no audit
    lost          acknowledged increments that are certainly gone, summed over the copies
    appended      acknowledged appends
    guarantees    what still holds, by name; a guarantee that cannot be told is left out
    missing       what an inconclusive history would have needed
    bound         of a clean run: 3/N, N its acknowledged writes
    """

    verdict: Literal["linearizable", "violated", "inconclusive"]
    why: str
    anomalies: tuple[Anomaly, ...]
    division: Division | None
    operations: int
    acknowledged: int
    unknown: int
    failed: int
    audited: int | None
    lost: int
    appended: int
    guarantees: dict[str, bool] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    bound: float | None = None

    def __str__(self) -> str:
        lines = [*_wrapped(f"{self.verdict}: {self.why}")]
        if self.division is not None and self.division.sentence != self.why:
            lines += ["", *_wrapped(self.division.sentence, 2)]
        for anomaly in self.anomalies:
            lines += ["", f"  {anomaly.name:<24}{anomaly.count:>8,}"]
            lines += ["      " + bar for bar in timeline(anomaly.witness, 74)]
            lines += _wrapped(anomaly.why, 6)
        for title, what in (("holds", True), ("does not hold", False)):
            names = [name for name, holds in self.guarantees.items() if holds == what]
            if names and self.verdict == "violated":
                lines += ["", *_wrapped(f"{title}: {', '.join(names)}", 2)]
        lines += ["", *_wrapped("missing: " + "; ".join(self.missing), 2)] if self.missing else []
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def to_json(self) -> dict[str, Any]:
        """The verdict as one JSON object: the fields of this class by name.

        anomalies   [{name, count, why, witness: [operation as in a history]}]; a list of more
                    than 20 items is left out of an operation, its `value` is its length
        division    null or {what, of, sentence, copies: [{label, boot, worker, thread,
                    acknowledged, audited, lost}]}
        guarantees  {name: true or false}
        """
        fields = asdict(self)
        for anomaly in fields["anomalies"]:
            for operation in anomaly["witness"]:
                if operation["items"] is not None and len(operation["items"]) > 20:
                    operation["items"] = None
        return fields


def _wrapped(text: str, indent: int = 0) -> list[str]:
    pad = " " * indent
    return textwrap.wrap(text, 80, initial_indent=pad, subsequent_indent=pad)


def judge(
    history: pl.DataFrame, *, workers: int | None = None, threads: int | None = None
) -> Verdict:
    """The verdict on the last run in a history.

    With `workers` and `threads` a run in which fewer of them answered is inconclusive.
    """
    run = Run(history)
    found = () if run.overlaps_create else anomalies.find(run)
    division = None if run.overlaps_create else _main_division(run)
    missing = _missing(run, workers, threads)
    acknowledged, appended = run.counter.acknowledged, run.items.acknowledged
    writes = acknowledged + appended
    bound = None
    if found:
        verdict: Literal["linearizable", "violated", "inconclusive"] = "violated"
        why = found[0].why
        if division is not None and division.of != "none":
            why = division.sentence
    elif missing:
        verdict, why = "inconclusive", f"Nothing is wrong, but it proves nothing: {missing[0]}."
    else:
        verdict, bound = "linearizable", 3 / writes
        why = f"0 in {writes:,}: under {300 / writes:.2g} % at 95 %."
    counters = run.counter_division
    return Verdict(
        verdict=verdict,
        why=why,
        anomalies=found,
        division=division,
        operations=run.rows.select(pl.len()).collect().item(),
        acknowledged=acknowledged,
        unknown=run.counter.unknown.height,
        failed=run.rows.filter(op="increment", outcome="fail").select(pl.len()).collect().item(),
        audited=counters.copies[0].audited if counters and len(counters.copies) == 1 else None,
        lost=counters.lost if counters else 0,
        appended=appended,
        missing=missing,
        bound=bound,
    )


def order(history: pl.DataFrame) -> pl.DataFrame | None:
    """The operations in an order that explains every answer, each with the instant `at` which it
    can have happened; None if there is no such order. See `linearizability.order`."""
    return linearizability.order(Run(history))


def _main_division(run: Run) -> Division | None:
    both = [
        division
        for thing, division in (
            (run.counter, run.counter_division),
            (run.items, run.items_division),
        )
        if thing.acknowledged or division is not None
    ]
    divided = [division for division in both if division is not None and division.of != "none"]
    return (divided or both or [None])[0]


def _missing(run: Run, workers: int | None, threads: int | None) -> tuple[str, ...]:
    missing = []
    if run.overlaps_create:
        missing.append("a create overlaps another operation, and no count can be followed across")
    if not run.counter.acknowledged + run.items.acknowledged:
        missing.append("nothing was acknowledged")
    return tuple(missing)
