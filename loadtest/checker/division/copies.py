"""A division: the copies of a state, what each of them holds, and the sentence about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from loadtest.checker.words import both, number
from loadtest.kinds.counter import COUNTER

Owner = Literal["none", "worker", "thread", "group", "client", "request", "unclear"]
"""The owner of a copy: nobody in particular (there is one state), a worker, …, or not known."""

LEVELS: dict[Owner, list[str]] = {
    "worker": ["boot", "worker"],
    "thread": ["boot", "worker", "thread"],
    "client": ["clock", "client"],
}
"""The columns that name an owner."""
LABELS: tuple[Owner, ...] = ("worker", "thread")
LABELLED = pl.col("boot").is_not_null() | pl.col("worker").is_not_null()
"""The answer names the worker that gave it."""


@dataclass(frozen=True)
class Copy:
    """One copy of the state.

    acknowledged   the writes that it acknowledged
    audited        the highest final read of it; None if no final read reached it
    lost           acknowledged writes that are certainly gone; an unknown write never counts
    late           answers that repeat another one there, although no write can be gone
    gone           its boot answered no more
    """

    label: str
    boot: str | None
    worker: int | None
    thread: int | None
    acknowledged: int
    audited: int | None
    lost: int
    late: int = 0
    gone: bool = False


@dataclass(frozen=True)
class Division:
    """A division: the owner of each copy.

    what       the divided state: the counter or the list
    at_least   the least number of copies, where it is unclear how many there are
    in_turn    True if one copy may have followed the other, as where a worker was replaced
    """

    of: Owner
    copies: tuple[Copy, ...]
    sentence: str
    what: str = COUNTER.name
    at_least: int = 1
    in_turn: bool = False

    @property
    def lost(self) -> int:
        """Acknowledged there − audited there, summed over the copies."""
        return sum(copy.lost for copy in self.copies)

    @property
    def forgotten(self) -> int:
        """Acknowledged by copies that are gone with their boot."""
        return sum(copy.acknowledged for copy in self.copies if copy.gone)

    @property
    def not_audited(self) -> tuple[str, ...]:
        """The copies that acknowledged and that no audit has reached, though they may live."""
        return tuple(copy.label for copy in self.copies if copy.audited is None and not copy.gone)

    @property
    def whole(self) -> bool:
        """It is unclear how many copies there are, and nothing is missing from the final read."""
        (copy, *others) = self.copies
        read = -1 if others or copy.audited is None else copy.audited
        return self.of == "unclear" and copy.acknowledged <= read

    @property
    def divided(self) -> bool:
        """There are several copies at one time."""
        several = sum(not copy.gone for copy in self.copies) > 1
        if self.in_turn:
            return False
        return self.at_least > 1 or (several and self.of in ("worker", "thread", "group", "client"))


def describe(
    what: str,
    owner: Owner,
    copies: tuple[Copy, ...],
    written: int,
    unknown: int = 0,
    *,
    in_turn: bool = False,
) -> str:
    """Return the sentence about several copies, of all `written` acknowledged writes."""
    whole = "total" if what == COUNTER.name else "whole"
    acknowledged = sum(copy.acknowledged for copy in copies)
    gone = [copy for copy in copies if copy.gone]
    title = f"{len(copies)} {what}s, one per {owner}: "
    if owner == "group":
        title = f"{len(copies)} {what}s: {', '.join(copy.label for copy in copies)}: "
    if in_turn:
        title = f"{len(copies)} {what}s, one per {owner}, perhaps one after the other: "
    if len(copies) - len(gone) == 1:
        title = f"{len(copies)} {what}s, one after the other: "
    parts = _sum([copy.acknowledged for copy in copies])
    if owner == "client":
        return f"{title}{parts} = {acknowledged:,} acknowledged. No answer is the {whole}."
    unlabelled = written - acknowledged
    rest = f", and {unlabelled:,} without a label" if unlabelled else ""
    no_total = f"no answer is the {whole}"
    missing = _missing(copies)
    if not missing:
        begin = f"{title}{parts} = {acknowledged:,} acknowledged{rest}."
        if unlabelled:
            audited = sum(copy.audited or 0 for copy in copies)
            return f"{begin} The copies hold {audited:,}, and {no_total}."
        # an unknown write may stand for an acknowledged one that is gone
        nothing = "Nothing is certainly lost" if unknown else "Nothing lost"
        return f"{begin} {nothing}, but {no_total}."
    if all(copy.audited is None for copy in copies):
        return f"{title}{parts} = {acknowledged:,} acknowledged{rest}. None was read at the end."
    present = [min(c.acknowledged, c.audited) for c in copies if c.audited is not None]
    addends = f"{_sum(present)} = " if len(present) > 1 else ""
    begin = f"{title}{addends}{sum(present):,} left of {acknowledged:,} acknowledged{rest}."
    if len(copies) - len(gone) > 1:
        missing.append(no_total)
    *clauses, last = missing
    return f"{begin} {', '.join(clauses)}, and {last}." if clauses else f"{begin} {last}."


def _missing(copies: tuple[Copy, ...]) -> list[str]:
    """Return a clause for each reason why acknowledged writes are missing from the copies."""
    lost = sum(copy.lost for copy in copies)
    clauses = [f"{lost:,} lost"] if lost else []
    doubtful = sum(
        copy.acknowledged - copy.lost - (copy.audited or 0)
        for copy in copies
        if copy.audited is not None and copy.acknowledged > copy.audited
    )
    if doubtful > 0:
        more = " more" if lost else ""
        clauses.append(f"{doubtful:,}{more} lost, or in a copy of another thread")
    if gone := [copy for copy in copies if copy.gone]:
        forgotten = sum(copy.acknowledged for copy in gone)
        clauses.append(f"{forgotten:,} forgotten by {_named(gone)}, which answered no more")
    if missed := [copy for copy in copies if copy.audited is None and not copy.gone]:
        count = sum(copy.acknowledged for copy in missed)
        clauses.append(f"{count:,} not audited, of {_named(missed)}")
    return clauses


def _named(copies: list[Copy]) -> str:
    names = [copy.label for copy in copies]
    return both(names if len(names) <= 4 else [*names[:3], number(len(names) - 3, "other")])


def _sum(numbers: list[int]) -> str:
    shown = [f"{each:,}" for each in numbers]
    return " + ".join(shown if len(shown) <= 8 else [*shown[:4], "…", shown[-1]])
