"""One run, cut out of a history and laid out once, as every check wants it.

The counter and the list are laid out alike: positions in a list are counts whose numbers have
names. An increment answered v, or an append put at v, has rank 2v; a read of v, or of v items,
has rank 2v + 1. If they happened on one counter, they happened in that order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import polars as pl

from loadtest import history as h
from loadtest.checker.division import LEVELS, Division, divide
from loadtest.kinds import CREATE, Kind
from loadtest.kinds.counter import COUNTER
from loadtest.kinds.list import LIST

NEVER = (1 << 63) - 1
ELEMENTS = 4_000_000  # items of list reads looked at together


@dataclass(frozen=True)
class State:
    """The counter or the list.

    answered   its ok operations with a value, by (rank, start): row, start, clock, client, end,
               value, write, rank; `row` is the row of the history
    blind      its acknowledged writes without a value: row, start, clock, client, end
    unknown    its unknown writes: row, start, clock, client
    audit      its reads of the phase audit, but none that began before the last acknowledged
               write had ended: row, start, clock, client, end, value, items, boot, worker, thread.
               Of several clocks, those on the clock of every acknowledged write, or all of them if
               each read as many as there are
    """

    kind: Kind
    answered: pl.DataFrame
    blind: pl.DataFrame
    unknown: pl.DataFrame
    audit: pl.DataFrame

    @property
    def name(self) -> str:
        """The name of its kind: counter or list."""
        return self.kind.name

    @property
    def write(self) -> str:
        """The name of its writes: increment or append."""
        return self.kind.write

    @cached_property
    def writes(self) -> pl.DataFrame:
        """The acknowledged writes with a value, by value and start."""
        return self.answered.filter("write")

    @cached_property
    def reads(self) -> pl.DataFrame:
        """The reads, by value and start."""
        return self.answered.filter(~pl.col("write"))

    @property
    def acknowledged(self) -> int:
        """The number of acknowledged writes."""
        return int(self.answered["write"].sum()) + self.blind.height

    @cached_property
    def ends(self) -> pl.DataFrame:
        """The ends of acknowledged writes: row, clock, at."""
        parts = (self.writes, self.blind)
        return pl.concat([part.select("row", "clock", at="end") for part in parts])

    @cached_property
    def begins(self) -> pl.DataFrame:
        """The starts of writes that may have happened: clock, at."""
        parts = (self.writes, self.blind, self.unknown)
        return pl.concat([part.select("clock", at="start") for part in parts])

    @property
    def asked(self) -> bool:
        """True if there was any operation on it."""
        return any(part.height for part in (self.answered, self.blind, self.unknown))

    @property
    def most(self) -> int:
        """The highest value in any answer."""
        most = self.answered["value"].max()
        return most if isinstance(most, int) else 0


class Run:
    """The operations of the last run in a history: those after the last create has ended.

    What ended before that create began is an earlier run. An unknown operation that began
    before it may still happen after it, and so belongs to this run. With several clocks, a
    create is compared with the operations of its own.
    """

    def __init__(self, history: pl.DataFrame, workers: int | None = None) -> None:
        self.history = history
        self.workers = workers  # how many there are, if that is known
        self.within: Literal["clock"] | None = "clock" if history["clock"].n_unique() > 1 else None
        rows = history.lazy().with_row_index("row")
        creates = rows.filter((pl.col("op") == CREATE.name) & (pl.col("outcome") != "fail"))
        ended = pl.when(outcome="ok").then("end").otherwise(NEVER)
        begun = creates.select("clock", begins=pl.col("start"), ends=ended).sort("ends", "begins")
        last = begun.unique("clock", keep="last").collect()
        self.undecided: bool = self.within is not None and last.height > 0
        """With several clocks: whether what one of them timed came before a create on another
        cannot be known."""
        rows = rows.filter(pl.col("op") != CREATE.name)
        overlap = pl.lit(False)
        if last.height:
            begins, ends = pl.col("begins"), pl.col("ends")
            if self.within:
                rows = rows.join(last.lazy(), on="clock", how="left", nulls_equal=True)
            else:  # the same for all, and a join would be done anew by whoever asks for some rows
                begins, ends = (pl.lit(last[name][0]) for name in ("begins", "ends"))
            apart = (pl.col("start") > ends) | (pl.col("end") < begins)
            overlap = ~apart.fill_null(True)
        overlaps = rows.filter((pl.col("outcome") == "ok") & overlap).select(pl.len() > 0)
        self.overlaps_create: bool = overlaps.collect().item()
        if last.height:
            after = ends.is_null() | (pl.col("start") > ends)
            rows = rows.filter(after | (pl.col("outcome") == "unknown"))
            rows = rows.select("row", *history.columns)
        self.rows: pl.LazyFrame = rows
        """The run's operations, a query; `row` is the row of the history."""

        twice = self.appends.filter(pl.col("item").is_duplicated()).sort("item", "row").head(2)
        self.sent_twice: tuple[h.Operation, ...] = self.operations(*twice["row"])
        """Two appends of one item, if there are any: then the list is left out of the run, since
        no one can tell which of them was read."""
        if self.sent_twice:
            self.rows = self.rows.filter(~pl.col("op").is_in(LIST.ops))
            del self.appends

    @cached_property
    def counter(self) -> State:
        """The counter's increments and reads."""
        return self._state(COUNTER)

    @cached_property
    def items(self) -> State:
        """The list's appends and reads."""
        return self._state(LIST)

    @property
    def states(self) -> tuple[State, ...]:
        """The counter and the list, if anything was asked of them."""
        both = (self.counter, self.items)
        return tuple(each for each in both if each.asked)

    def _state(self, kind: Kind) -> State:
        clock = pl.col("clock").to_physical().cast(pl.Int64).fill_null(-1)
        client = pl.col("client").cast(pl.Int64)
        if self.within:  # a number is one client on one machine only
            client = client + (clock + 1) * 2**32
        place = ["row", "start", clock, client]
        written = pl.col("op") == kind.write
        rank = 2 * pl.col("value") + (~written).cast(pl.Int64)
        ok = self.rows.filter(pl.col("op").is_in(kind.ops), outcome="ok")
        has_value = pl.col("value").is_not_null()
        answered = ok.filter(has_value).select(*place, "end", "value", write=written, rank=rank)
        blind = ok.filter(~has_value).select(*place, "end")
        unknown = self.rows.filter((pl.col("outcome") == "unknown") & written).select(*place)
        audit = self.rows.filter(op=kind.read, outcome="ok", phase="audit").select(
            *place, "end", "value", "items", *LEVELS["thread"]
        )
        queries = (answered, blind, unknown, audit)
        unsorted, blind_writes, unanswered, audited = pl.collect_all(queries)
        # as a part of the query it takes twice the time
        ranked = unsorted.sort("rank", "start")
        ends = pl.concat(
            [part.select("clock", "end") for part in (ranked.filter("write"), blind_writes)]
        )
        whole = audited.select((pl.col("value") >= ends.height).all()).item()
        if ends.height and not (self.within and whole):
            late = (pl.col("start") > ends["end"].max()) & (pl.col("clock") == ends["clock"][0])
            audited = audited.filter(late if ends["clock"].n_unique() == 1 else pl.lit(False))
        return State(kind, ranked, blind_writes, unanswered, audited)

    @cached_property
    def appends(self) -> pl.DataFrame:
        """Appends that are ok or unknown: row, item, value, start, end (or NEVER), clock, ok."""
        ok = pl.col("outcome") == "ok"
        end = pl.when(ok).then("end").otherwise(NEVER).alias("end")
        return (
            self.rows.filter((pl.col("op") == LIST.write) & (pl.col("outcome") != "fail"))
            .select("row", "item", "value", "start", end, "clock", ok=ok)
            .collect()
        )

    @cached_property
    def longest(self) -> pl.DataFrame:
        """The longest read of the list, the earliest of them, item by item: row, item, at (from
        1). No row if every read was empty."""
        reads = self.items.reads
        row = (
            reads.filter(pl.col("value") == pl.col("value").max()).sort("end", "row")["row"].head(1)
        )
        return self._item_by_item(row)

    @cached_property
    def forks(self) -> pl.DataFrame:
        """The reads of the list that are no beginning of the longest: row, at (where they part)."""
        longest = self.longest["item"]
        parts = [pl.DataFrame(schema={"row": pl.UInt32, "at": pl.Int64})]
        for items in self._batches(self.items.reads):
            other = items["item"] != longest.gather(items["at"] - 1)
            parts.append(items.filter(other).group_by("row").agg(pl.col("at").min()))
        return pl.concat(parts)

    def different_reads(self) -> Iterator[pl.DataFrame]:
        """The longest read and all that are no beginning of it, item by item, some at a time:
        row, item, at (from 1). What is wrong in any read is wrong in one of these."""
        yield self.longest
        yield from self._batches(self.items.reads.join(self.forks, on="row", how="semi"))

    def _batches(self, reads: pl.DataFrame) -> Iterator[pl.DataFrame]:
        batch = (reads["value"].cum_sum() // ELEMENTS).alias("batch")
        for part in reads.select("row", batch).partition_by("batch", maintain_order=True):
            yield self._item_by_item(part["row"])

    def _item_by_item(self, rows: pl.Series) -> pl.DataFrame:
        items = self.history.select(item="items")[rows].select(rows.alias("row"), "item")
        items = items.filter(pl.col("item").list.len() > 0)
        at = pl.int_ranges(1, pl.col("item").list.len().cast(pl.Int64) + 1)
        return items.with_columns(at=at).explode("item", "at")

    @cached_property
    def counter_division(self) -> Division | None:
        """The division of the counter."""
        return self._divide(self.counter)

    @cached_property
    def items_division(self) -> Division | None:
        """The division of the list."""
        return self._divide(self.items)

    def _divide(self, state: State) -> Division | None:
        asked = pl.col("op").is_in(state.kind.ops)
        answered = self.rows.filter(asked, outcome="ok").select(
            *("start", "end", "value", "client", "clock", *LEVELS["thread"]),
            write=pl.col("op") == state.write,
        )
        audit = state.audit.drop("client", "clock")
        whose = self.history.select("client", "clock")[audit["row"]]
        audit = pl.concat([audit, whose], how="horizontal")
        return divide(
            state.name, answered.collect(), audit, state.unknown.height, set(self.resets["before"])
        )

    @cached_property
    def boots(self) -> pl.DataFrame:
        """The worker starts that answered, a row each.

        Columns: clock, boot, first and last (the ends of its first and last answer), audited
        (True if a final read reached it).
        """
        answered = self.rows.filter((pl.col("outcome") == "ok") & pl.col("boot").is_not_null())
        return (
            answered.group_by("clock", "boot")
            .agg(
                first=pl.col("end").min(),
                last=pl.col("end").max(),
                audited=(pl.col("phase") == "audit").any(),
            )
            .with_columns(pl.col("boot").cast(pl.String))
            .sort("first", "boot")
            .collect()
        )

    @cached_property
    def gone(self) -> frozenset[str]:
        """The boots that answered no more: the audit heard of as many others as there are workers.
        None where that is not known, since those others may only have been slower to answer, or
        where another clock may have timed answers after that audit."""
        heard = self.boots.filter("audited")
        if self.within or self.workers is None or heard["boot"].n_unique() < self.workers:
            return frozenset()
        return frozenset(self.boots["boot"]) - frozenset(heard["boot"])

    @cached_property
    def resets(self) -> pl.DataFrame:
        """Boots that answered more than one that came after them begins with: before, after,
        row and other (of what proves it), by the time of the other.

        The first answer of the one ended after the last of the other. Its count is below only if
        it was asked for after the other had answered more.
        """
        if not self.gone:
            rows = {"row": pl.UInt32, "other": pl.UInt32}
            return pl.DataFrame(schema={"before": pl.String, "after": pl.String, **rows})
        first_answers = self.boots.select("clock", "first", after="boot").sort("first")
        last_answers = self.boots.filter(pl.col("boot").is_in(self.gone))
        pairs = first_answers.join_asof(
            last_answers.select("clock", "last", before="boot").sort("last"),
            left_on="first",
            right_on="last",
            by="clock" if self.within else None,
            allow_exact_matches=False,
            check_sortedness=False,
        )
        # it came after the latest of those that went, and each of these is followed once
        pairs = pairs.drop_nulls("before").sort("first").unique("before", keep="first")
        counter = self.rows.filter(pl.col("op").is_in(COUNTER.ops), outcome="ok")
        has_value = pl.col("value").is_not_null() & pl.col("boot").is_not_null()
        answers = counter.filter(has_value).with_columns(pl.col("boot").cast(pl.String)).collect()
        most = answers.sort(["value", "end"], descending=[True, False])
        most = most.unique(["clock", "boot"], keep="first", maintain_order=True)
        most = most.select("clock", "row", "value", "end", before="boot")
        base = pl.col("value") - (pl.col("op") == COUNTER.write).cast(pl.Int64)
        after = answers.select("clock", "start", base=base, other="row", after="boot")
        below = (
            pairs.select("clock", "before", "after")
            .join(most, on=["clock", "before"], nulls_equal=True)
            .join(after, on=["clock", "after"], nulls_equal=True)
            .filter((pl.col("start") > pl.col("end")) & (pl.col("base") < pl.col("value")))
        )
        shown = below.sort("start", "other").unique("before", keep="first", maintain_order=True)
        return shown.select("before", "after", "row", "other")

    def operations(self, *rows: int) -> tuple[h.Operation, ...]:
        """These rows of the history."""
        return tuple(h.operations(self.history[list(rows)]))

    @cached_property
    def _origins(self) -> dict[str | None, int]:
        firsts = self.rows.group_by("clock").agg(pl.col("start").min()).collect()
        return dict(firsts.iter_rows())

    def moments(self, *moments: tuple[h.Operation, int | None]) -> list[str]:
        """Moments of operations in words, counted from the first start on the same clock, and
        exact enough to tell them apart."""
        since = [(ns or 0) - self._origins[operation.clock] for operation, ns in moments]
        if max(since) < 10_000:
            return [f"{ns:,} ns" for ns in since]
        for digits in range(1, 7):
            shown = [f"{ns / 1e6:,.{digits}f} ms" for ns in since]
            if len(set(shown)) == len(set(since)):
                break
        return shown
