"""The anomalies, one function each: a run → how many there are, and the operations that prove it.

The first words of a docstring are the anomaly's name, then its meaning; `table` reads them. In
all of them n increments were acknowledged and m are unknown, and "a before b" means that a ended
before b began, on one clock. A function returns None where there is nothing to find.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from loadtest.division import LEVELS
from loadtest.history import Operation
from loadtest.linearizability import contradiction
from loadtest.run import Run
from loadtest.words import Whose, where, whose


@dataclass(frozen=True)
class Anomaly:
    """What went wrong, how often, and the few operations that prove it, earliest first."""

    name: str
    count: int
    witness: tuple[Operation, ...]
    why: str


@dataclass(frozen=True)
class Found:
    """How many, the rows that prove it, and a plain sentence or two about them."""

    count: int
    witness: tuple[Operation, ...]
    why: str


def lost_update(run: Run) -> Found | None:
    """lost update: the audit reads fewer increments than were acknowledged.

    Of several copies each is compared with what was acknowledged there. Unknown increments are
    never counted as lost. Source: P4 of Berenson et al. 1995; Adya 1999, Elle (Kingsbury &
    Alvaro 2020).

        A  |-- increment → 1 --|
        B      |-- increment → 1 --|
        C                              |-- read → 1 --|      one of the two is gone
    """
    division = run.counter_division
    if division is None or division.lost == 0:
        return None
    lost, acknowledged = division.lost, run.counter.acknowledged
    rest = f"{lost:,} of {acknowledged:,} acknowledged increments are lost."
    again = (pl.col("value") == pl.col("value").shift(1)) | (
        pl.col("value") == pl.col("value").shift(-1)
    )
    told = run.counter.answered.filter("write").filter(again)
    told = told.with_columns(run.history[told["row"]].select("boot", "worker", "thread"))
    one_worker = ["value", "boot", "worker"]
    one_copy = {"worker": one_worker, "thread": [*one_worker, "thread"]}.get(division.of)
    for same in [one_copy] if one_copy else [one_worker, ["value"]]:
        pairs = told.with_columns(first=pl.col("row").shift(1).over(same)).drop_nulls("first")
        if pairs.is_empty():
            continue
        row, first = pairs.sort("end", "row").select("row", "first").row(0)
        one, other = run.operations(first, row)
        assert one.value is not None
        why = (
            f"{Whose(one)} and {whose(other)} were both told {one.value:,}{where(one, other)}: "
            f"both read {one.value - 1:,} and wrote {one.value:,}, so one is gone. {rest}"
        )
        return Found(lost, (one, other), why)
    last = run.counter.answered.filter("write").sort("end").tail(1)["row"]
    audit = run.rows.filter(op="read", outcome="ok", phase="audit").select("row", "value").collect()
    row = audit.sort("value").tail(1)["row"][0]
    one, read = run.operations(*last, row)
    return Found(lost, (one, read), f"{Whose(read)} in the audit was told {read.value:,}. {rest}")


def duplicate_value(run: Run) -> Found | None:
    """duplicate value: one value is answered to two increments.

    Counted: answers that repeat one. Source: Jepsen's unique-ids checker.

        A  |-- increment → 1 --|
        B                          |-- increment → 1 --|
    """
    again = pl.col("value") == pl.col("value").shift(1)
    told = run.counter.answered.filter("write")
    told = told.with_columns(first=pl.col("row").shift(1)).filter(again)
    if told.is_empty():
        return None
    row, first = told.sort("end", "row").select("row", "first").row(0)
    one, other = run.operations(first, row)
    why = f"{Whose(one)} and {whose(other)} were both told {one.value:,}{where(one, other)}."
    return Found(told.height, (one, other), why)


def lost_item(run: Run) -> Found | None:
    """lost item: an append was acknowledged, and no audit has its item.

    Source: Jepsen's set-full checker ("lost").

        A  |-- append x → 1 --|
        B                         |-- items → [] --|
    """
    audited = run.rows.filter(op="items", outcome="ok", phase="audit")
    audit = audited.select("row", "items", *LEVELS["thread"]).collect()
    appends = run.appends.filter("ok")
    if audit.is_empty():
        return None
    absent = appends.join(audit.select(item="items").explode("item"), on="item", how="anti")
    division = run.items_division
    if division is not None and division.of in LEVELS:  # a copy that nobody audited is not lost
        by = LEVELS[division.of]
        absent = absent.with_columns(run.history[absent["row"]].select(by))
        absent = absent.join(audit, on=by, how="semi", nulls_equal=True)
    if absent.is_empty():
        return None
    one, read = run.operations(absent.sort("end")["row"][0], audit["row"][0])
    why = f"{Whose(one)} was acknowledged{where(one)}, and no audit has {one.item}."
    return Found(absent.height, (one, read), why)


def not_linearizable(run: Run) -> Found | None:
    """not linearizable: no order in which the operations could have happened explains the answers.

    Counted: the counter and the list, each at most once. Source: Herlihy & Wing 1990.

        A  |-- increment → 2 --|
        B                          |-- increment → 1 --|
    """
    found = [contradiction(run, thing) for thing in (run.counter, run.items)]
    contradictions = [c for c in found if c is not None]
    if not contradictions:
        return None
    first = contradictions[0]
    return Found(len(contradictions), run.operations(*first.rows), first.why)


TABLE: tuple[Callable[[Run], Found | None], ...] = (
    lost_update,
    duplicate_value,
    lost_item,
    not_linearizable,
)


_HEAD = re.compile(r"(?P<name>[^:]+): (?P<meaning>.*?\.)(?:\s|$)", re.DOTALL)
_SOURCE = re.compile(r"Source: (?P<source>.*?)\n\n", re.DOTALL)


def table() -> list[tuple[str, str, str]]:
    """Name, meaning and source of every anomaly, read from the docstrings above."""
    rows = []
    for check in TABLE:
        doc = inspect.getdoc(check) or ""
        head, source = _HEAD.match(doc), _SOURCE.search(doc)
        if head is None or source is None:
            raise ValueError(f"{check.__name__} does not say its name, meaning and source")
        words = (head["name"], head["meaning"], source["source"])
        rows.append(tuple(" ".join(part.split()).rstrip(".") for part in words))
    return rows  # type: ignore[return-value]


def find(run: Run) -> tuple[Anomaly, ...]:
    """Every anomaly of a run that there is, in the order of the table."""
    found = [(name, check(run)) for (name, _, _), check in zip(table(), TABLE, strict=True)]
    return tuple(Anomaly(name, f.count, f.witness, f.why) for name, f in found if f is not None)
