"""Measurements on the answers of a run: each refutes some divisions of the state, or allows them.

`by` is a list of columns that name an owner of a copy (LEVELS); no columns mean one copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from loadtest.checker.division.copies import LABELLED, LEVELS, Owner

IMPOSSIBLE = 1 << 62  # more values than any number of unknown writes can explain
FIRST = 20_000  # answers; a division that is not refuted by so many is not refuted at all


@dataclass(frozen=True)
class Evidence:
    """The answers of a run on one counter or list.

    answered   the ok operations: write (or a read), value, start, end, client, clock, boot,
               worker, thread
    audit      those of them that are final reads
    unknown    the number of unknown writes, which may happen as late as during the final reads
    gone       the boots that answered no more
    """

    what: str
    answered: pl.DataFrame
    audit: pl.DataFrame
    unknown: int
    gone: frozenset[str]

    @cached_property
    def written(self) -> pl.DataFrame:
        """The acknowledged writes."""
        return self.answered.filter("write")

    @cached_property
    def unlabelled(self) -> int:
        """The number of acknowledged writes that name no worker."""
        return self.written.filter(~LABELLED).height

    @cached_property
    def threads_hidden(self) -> bool:
        """An answer names its worker and not its thread, so that threads may have their own."""
        hidden = LABELLED & pl.col("thread").is_null()
        return bool(self.answered.select(hidden.any()).item())

    @cached_property
    def spans(self) -> pl.DataFrame:
        """The time in which each worker was surely there: clock, boot, worker, since, until.

        That is from the end of its first answer to the start of its last one. Of a worker that
        gave one answer, `since` comes after `until`: it was there at some moment between.
        """
        clock = pl.col("clock").to_physical().cast(pl.Int64).fill_null(-1)
        boots = self.answered.filter(LABELLED).with_columns(clock, pl.col("boot").cast(pl.String))
        boots = boots.filter(~pl.col("boot").is_in(list(self.gone)).fill_null(False))
        return boots.group_by("clock", *LEVELS["worker"]).agg(
            since=pl.col("end").min(), until=pl.col("start").max()
        )

    def at_once(self, owners: dict[tuple[str | None, int | None], int]) -> int:
        """Return the most owners that were surely there at one time.

        `owners` are those of (boot, worker).
        """
        spans = [
            (clock, since, until, owners[boot, worker])
            for clock, boot, worker, since, until in self.spans.iter_rows()
            if (boot, worker) in owners
        ]
        most = 1
        for clock, since, until, owner in spans:
            # all of a time between two answers, or the beginning of a longer span
            first, last = (since, since) if since <= until else (until, since)
            there = {o for c, s, u, o in spans if c == clock and s <= first and last <= u}
            most = max(most, len({*there, owner}))
        return most

    @property
    def read(self) -> int:
        """The highest final read, 0 if that is negative."""
        return max(0, highest(self.audit["value"]))

    @property
    def one_clock(self) -> bool:
        """Every operation was timed by the same clock."""
        return self.answered["clock"].n_unique() <= 1

    def labelled(self, frame: pl.DataFrame, owner: Owner) -> bool:
        """Return True if every reply names its worker, and for threads its thread, too."""
        if owner == "client":
            return True
        labelled = LABELLED
        if owner == "thread":
            labelled = labelled & pl.col("thread").is_not_null()
        return bool(frame.select(labelled.all()).item())

    @cached_property
    def first_answers(self) -> pl.DataFrame:
        """The answers that came first (`early`), and all that had begun by then."""
        over = self.answered["end"].bottom_k(FIRST).max()
        begun = self.answered.filter(pl.col("start") <= over)
        return begun.with_columns(pl.col("boot").cast(pl.String), early=pl.col("end") <= over)

    def refuted(self, by: list[str], *, times: int = 1) -> bool:
        """Return True if some copy answered what no state that is read and then written answers.

        Writes whose value nobody knows may explain an answer each, and a state that went back to
        an earlier one explains one each time: so many `times` are not believed. Several clocks
        refute nothing.
        """
        if not self.one_clock:
            return False
        answers, nobody_knows = (
            self.first_answers,
            self.unknown + self.written["value"].null_count(),
        )
        if by in (LEVELS["worker"], LEVELS["thread"]):
            answers = answers.filter(LABELLED)
            nobody_knows += self.unlabelled
        count = unexplained(answers, by)
        if times > 1 and count >= IMPOSSIBLE:
            count += 1 - IMPOSSIBLE
        return count >= nobody_knows + times

    def agree(self, by: list[str]) -> bool:
        """Return True if the final reads of each copy are reads of one state.

        Only unknown writes still change it.
        """
        keys = [pl.col(name) for name in by] or [pl.lit(0).alias("all")]
        audit = self.audit.with_columns(keys).sort("value", "start")
        names = by or ["all"]
        spread = audit.group_by(names).agg(spread=pl.col("value").max() - pl.col("value").min())
        larger = pl.col("end").cum_min(reverse=True).shift(-1)
        larger_ended = larger.over(list(dict.fromkeys([*names, "clock"])))
        stale = (larger_ended < pl.col("start")).fill_null(False)
        return bool(
            total(spread["spread"]) <= self.unknown
            and not audit.select(stale.any()).item()
            and _begin_alike(audit, names)
        )

    def within_bounds(self, owner: Owner) -> bool:
        """Return True if the final reads agree, and no copy counts more than it was asked for.

        Unknown writes, and such without a label, may have gone to any copy.
        """
        by = LEVELS[owner]
        if not (self.labelled(self.audit, owner) and self.agree(by)):
            return False
        without = self.written.filter(~owner_known(by)).height
        return self._excess(by) <= self.unknown + without

    def _excess(self, by: list[str]) -> int:
        """Count answers and reads above what each copy had been asked for by then."""
        labelled = self.answered.filter(pl.col(by[-1]).is_not_null() | pl.col(by[0]).is_not_null())
        begun = labelled.filter("write").sort("start")
        begun = begun.select(*by, at="start", asked=pl.int_range(1, pl.len() + 1).over(by))
        # a null is no key to join by
        key = _key(by)
        begun = begun.select("at", pl.col("asked").cast(pl.Int64), key=key)
        valued = labelled.select("value", at="end", key=key).drop_nulls("value").sort("at")
        if self.one_clock:
            over = valued.join_asof(begun, on="at", by="key", check_sortedness=False)
        else:  # several clocks: when is not known, but how many in all
            begun = begun.group_by("key").agg(pl.col("asked").max())
            over = valued.join(begun, on="key", how="left")
        over = over.group_by("key").agg(
            over=(pl.col("value") - pl.col("asked").fill_null(0)).max().clip(0)
        )
        return total(over["over"])

    def all_read(self, owner: Owner) -> bool:
        """Return True if there are several copies, and each holds what it was asked for."""
        by = LEVELS[owner]
        if not self.labelled(self.answered, owner):
            return False
        asked = self.written.group_by(by).agg(n=pl.len().cast(pl.Int64))
        reads = self.audit.group_by(by).agg(read=pl.col("value").max())
        copies = asked.join(reads, on=by, how="full", coalesce=True, nulls_equal=True)
        n, read = pl.col("n").fill_null(0), pl.col("read")
        return bool(
            copies.height > 1
            and copies.select((read.is_null() | (n <= read)).all()).item()
            and total(copies.select((read - n).clip(0)).to_series()) <= self.unknown
        )

    def counts_up(self, owner: Owner) -> bool:
        """Return True if several copies answered exactly 1, 2, 3 … up to their final read."""
        by, written = LEVELS[owner], self.written
        if not self.all_read(owner):
            return False
        value = pl.col("value")
        answers = written.group_by(by).agg(
            n=pl.len().cast(pl.Int64),
            twice=value.drop_nulls().is_duplicated().any(),
            highest=value.max().fill_null(0),
            lowest=value.min().fill_null(1),
        )
        above = answers.select((pl.col("highest") - pl.col("n")).clip(0)).to_series()
        return bool(
            answers.select((~pl.col("twice") & (pl.col("lowest") > 0)).all()).item()
            and total(above) <= self.unknown
        )

    def shared_evenly(self) -> bool:
        """Return True if copies shared by several workers each may have answered just this.

        Every number up to the final read was then answered equally often.
        """
        if self.written.select(LEVELS["worker"]).n_unique() == 1 and self.labelled(
            self.written, "worker"
        ):
            return False
        times = self.written["value"].drop_nulls().value_counts()
        copies = highest(times["count"])
        if self.written["value"].has_nulls():
            copies = -(-self.written.height // self.read)
        missing = copies * self.read - self.written.height
        return copies > 1 and 0 <= missing <= self.unknown and highest(times["value"]) <= self.read


def owner_known(by: list[str]) -> pl.Expr:
    """The answer names the owner of its copy."""
    return pl.any_horizontal(pl.col(name).is_not_null() for name in by[:2])


def unexplained(answered: pl.DataFrame, by: Sequence[str]) -> int:
    """Count the values that a copy shows too early or too late for one state.

    A value counts if no write of the copy had been answered with it by then, or if another write
    had come after it.

    A write that was answered v read v − 1. One state, however much its writes undo one another,
    shows none of these unless it is set back, but for one for each write whose value nobody knows;
    none at all of 0, which nobody writes.
    """
    key = _key(by) if by else pl.lit("all")
    answered = answered.select("start", "end", "value", "write", "early", key=key)
    valued = answered.drop_nulls("value")
    read = valued.filter("early").with_columns(pl.col("value") - pl.col("write")).sort("end")
    if read.is_empty():
        return 0
    tops = read.group_by("key").agg(top=pl.col("value").max().clip(0))
    written = valued.filter("write").sort("start")
    began = written.select(
        "key", "value", at="start", last=pl.col("end").cum_max().over("key", "value")
    )
    ended = answered.filter("write").sort("end")
    ended = ended.select("key", at="end", since=pl.col("start").cum_max().over("key"))
    on: dict[str, Any] = {"right_on": "at", "check_sortedness": False}
    read = read.join_asof(began, left_on="end", by=["key", "value"], **on)
    read = read.sort("start").join_asof(
        ended, left_on="start", by="key", allow_exact_matches=False, **on
    )
    # an empty state was written by nobody
    fresh = pl.when(pl.col("value") > 0).then(
        pl.col("last").is_not_null() & (pl.col("last") >= pl.col("since")).fill_null(True)
    )
    read = read.filter(~fresh.otherwise(pl.col("since").is_null()))
    none = IMPOSSIBLE if read.select((pl.col("value") < 1).any()).item() else 0
    values = valued.filter("write").select("key", "value").unique()
    again = read.select("key", "value").unique().join(values, on=["key", "value"], how="semi")
    # to whoever has v, somebody wrote each number up to v
    written = values.filter(pl.col("value") > 0).join(tops, on="key")
    never = total(tops["top"]) - written.filter(pl.col("value") <= pl.col("top")).height
    return none + again.height + never


def total(values: pl.Series) -> int:
    """Return their sum. A few of the largest answers are more than a column can hold."""
    return sum(values.drop_nulls().to_list())


def highest(values: pl.Series) -> int:
    """Return the highest of these whole numbers, or 0."""
    largest = values.max()
    return largest if isinstance(largest, int) else 0


def _key(by: Sequence[str]) -> pl.Expr:
    """The owner as one text, as a null is no key to join by."""
    return pl.concat_str(
        [pl.col(name).cast(pl.String) for name in by], separator="/", ignore_nulls=True
    )


def _begin_alike(reads: pl.DataFrame, names: list[str]) -> bool:
    """Return True if each copy's reads of a list are beginnings of its longest.

    The reads come in the order of their lengths.
    """
    reads = reads.select(*names, "items").filter(pl.col("items").list.len() > 0)
    longest = reads.group_by(names, maintain_order=True).agg(longest=pl.col("items").last())
    length = pl.col("longest").list.len().cast(pl.Int64)
    begins = longest.select(*names, begin=length.cum_sum() - length)
    # the longest is not put beside each read: that would be as many items as reads times items
    position = pl.int_ranges(0, pl.col("items").list.len().cast(pl.Int64))
    items = reads.join(begins, on=names, nulls_equal=True).select("items", "begin", at=position)
    items = items.explode("items", "at")
    other = longest["longest"].explode().gather(items["begin"] + items["at"])
    return bool((items["items"] == other).all())
