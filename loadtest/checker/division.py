"""What each copy of the state belongs to, read from the audit.

All workers read the same → `none`: there is one state. Each worker agrees with itself →
`worker`: each has its own. Each thread does → `thread`. And `request`: writes were
acknowledged, every one was told 1, and nobody can read any of them.

A copy holds no more than was asked of it: where an audit reads more, the division is
another one. Copies that happen to read the same are still copies when each was told
exactly 1, 2, 3 … up to what it reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

Of = Literal["none", "worker", "thread", "request"]
LEVELS: dict[Of, list[str]] = {"worker": ["boot", "worker"], "thread": ["boot", "worker", "thread"]}


@dataclass(frozen=True)
class Copy:
    """One copy of the state: how many writes it acknowledged, what the audit read there, and
    how many are certainly gone (never counting an unknown write)."""

    label: str
    boot: str | None
    worker: int | None
    thread: int | None
    acknowledged: int
    audited: int | None
    lost: int


@dataclass(frozen=True)
class Division:
    """What each copy belongs to; `what` is the thing that is divided."""

    of: Of
    copies: tuple[Copy, ...]
    sentence: str
    what: Literal["counter", "list"] = "counter"

    @property
    def lost(self) -> int:
        """Acknowledged there − audited there, summed over the copies."""
        return sum(copy.lost for copy in self.copies)


def divide(
    what: Literal["counter", "list"], written: pl.DataFrame, audit: pl.DataFrame, unknown: int
) -> Division | None:
    """How the counter or the list is divided; None: cannot be told.

    `written` are the acknowledged writes and `audit` the audit's reads, with their value, boot,
    worker and thread. Unknown writes may happen as late as during the audit: they widen what
    counts as agreement and are never called lost.
    """
    if audit.is_empty():
        return None
    highest = _most(audit)

    if written.height >= 2 and _most(written) == 1 and highest == 0:
        gone = Copy("each request", None, None, None, written.height, 0, written.height)
        return Division("request", (gone,), _say("request", (gone,), what), what)
    if _agree(audit, [], unknown):
        for of, by in LEVELS.items():
            if _alike_by_accident(written, audit, by, unknown):
                copies = _copies(written, audit, by)
                return Division(of, copies, _say(of, copies, what), what)
        lost = max(0, written.height - max(0, highest))
        one = Copy(f"the {what}", None, None, None, written.height, highest, lost)
        return Division("none", (one,), _say("none", (one,), what), what)
    for of, by in LEVELS.items():
        if not _named(audit, by):
            continue
        copies = _copies(written, audit, by)
        possible = all((copy.audited or 0) <= copy.acknowledged + unknown for copy in copies)
        if possible and _agree(audit, by, unknown):
            return Division(of, copies, _say(of, copies, what), what)
    return None


def _most(frame: pl.DataFrame) -> int:
    most = frame["value"].max()
    assert isinstance(most, int)
    return most


def _named(frame: pl.DataFrame, by: list[str]) -> bool:
    """Every reply says which worker, and for threads which thread, it came from."""
    worker = pl.col("boot").is_not_null() | pl.col("worker").is_not_null()
    thread = pl.col("thread").is_not_null() if "thread" in by else pl.lit(True)
    return bool(frame.select((worker & thread).all()).item())


def _agree(audit: pl.DataFrame, by: list[str], unknown: int) -> bool:
    """The reads of each group are reads of one state, which only unknown writes still change."""
    keys = [pl.col(name) for name in by] or [pl.lit(0).alias("all")]
    audit = audit.with_columns(keys).sort("value", "start")
    names = by or ["all"]
    spread = audit.group_by(names).agg(spread=pl.col("value").max() - pl.col("value").min())
    larger_ended = pl.col("end").cum_min(reverse=True).shift(-1).over([*names, "clock"])
    longest = pl.col("items").last().over(names)
    prefix = (longest.list.head(pl.col("value")) == pl.col("items")).fill_null(True)
    return bool(
        (spread["spread"] <= unknown).all()
        and audit.select(((larger_ended < pl.col("start")).fill_null(False)).not_().all()).item()
        and audit.select(prefix.all()).item()
    )


def _alike_by_accident(
    written: pl.DataFrame, audit: pl.DataFrame, by: list[str], unknown: int
) -> bool:
    """Copies that read the same, each having been told exactly 1, 2, 3 … up to what it reads.

    Copies that read 1 are left alone: two writes told 1 may be a lost update as well.
    """
    read = _most(audit)
    if read < 2 or not (_named(audit, by) and _named(written, by)):
        return False
    told = written.group_by(by).agg(
        n=pl.len(), distinct=pl.col("value").n_unique(), most=pl.col("value").max()
    )
    n = pl.col("n")
    exact = (n == pl.col("distinct")) & (pl.col("most") <= read) & (n + unknown >= read)
    return bool(
        written.height > read
        # what the copies lack, all together, must be unknown writes, each in one of them
        and read * told.height - written.height <= unknown
        and told.height > 1
        and audit.select(by).n_unique() > 1
        and told.select(exact.all()).item()
    )


def _copies(written: pl.DataFrame, audit: pl.DataFrame, by: list[str]) -> tuple[Copy, ...]:
    asked = written.group_by(by).agg(acknowledged=pl.len().cast(pl.Int64))
    read = audit.group_by(by).agg(audited=pl.col("value").max())
    both = asked.join(read, on=by, how="full", coalesce=True, nulls_equal=True)
    both = both.with_columns(pl.col("acknowledged").fill_null(0), pl.col("boot").cast(pl.String))
    copies = []
    for row in both.sort("worker", *by, nulls_last=True).iter_rows(named=True):
        worker, thread, audited = row["worker"], row.get("thread"), row["audited"]
        label = f"boot {row['boot']}" if worker is None else f"worker {worker}"
        label += "" if thread is None else f" thread {thread}"
        lost = 0 if audited is None else max(0, row["acknowledged"] - max(0, audited))
        copies.append(Copy(label, row["boot"], worker, thread, row["acknowledged"], audited, lost))
    return tuple(copies)


def _say(of: Of, copies: tuple[Copy, ...], what: str) -> str:
    acknowledged = sum(copy.acknowledged for copy in copies)
    lost = sum(copy.lost for copy in copies)
    total = "total" if what == "counter" else "whole"
    if of == "request":
        return (
            f"A {what} per request: {acknowledged:,} acknowledged, each told 1, and each gone "
            "with its request."
        )
    if of == "none":
        read = copies[0].audited or 0
        more = f" ({read - acknowledged:,} never acknowledged)" if read > acknowledged else ""
        rest = f"{lost:,} lost." if lost else "Nothing lost."
        return f"1 {what}: {acknowledged:,} acknowledged, {read:,} read{more}. {rest}"
    title = f"{len(copies)} {what}s, one per {of}: "
    if not lost:
        parts = _sum([copy.acknowledged for copy in copies])
        rest = f"Nothing lost, but nobody can read the {total}."
        return f"{title}{parts} = {acknowledged:,} acknowledged. {rest}"
    parts = _sum([copy.acknowledged - copy.lost for copy in copies])
    return (
        f"{title}{parts} = {acknowledged - lost:,} left of {acknowledged:,} acknowledged. "
        f"{lost:,} lost, and nobody can read the {total}."
    )


def _sum(numbers: list[int]) -> str:
    shown = [f"{number:,}" for number in numbers]
    return " + ".join(shown if len(shown) <= 8 else [*shown[:4], "…", shown[-1]])
