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

NEVER = (1 << 63) - 1
ELEMENTS = 4_000_000  # items of list reads looked at together


@dataclass(frozen=True)
class Thing:
    """The counter or the list.

    answered   its ok operations that were told a value, by (rank, start): row, start, clock,
               client, end, value, write, rank; `row` is the row of the history
    blind      its acknowledged writes that were told none: row, start, clock, client, end
    unknown    its unknown writes: row, start, clock, client
    audit      its reads of the phase audit, but none that began before the last acknowledged
               write had ended (on its clock): row, start, clock, client, end, value, items, boot,
               worker, thread
    """

    name: Literal["counter", "list"]
    write: Literal["increment", "append"]
    answered: pl.DataFrame
    blind: pl.DataFrame
    unknown: pl.DataFrame
    audit: pl.DataFrame

    @cached_property
    def writes(self) -> pl.DataFrame:
        """The acknowledged writes that were told a value, by value and start."""
        return self.answered.filter("write")

    @cached_property
    def reads(self) -> pl.DataFrame:
        """The reads, by value and start."""
        return self.answered.filter(~pl.col("write"))

    @property
    def acknowledged(self) -> int:
        """How many writes were acknowledged."""
        return int(self.answered["write"].sum()) + self.blind.height

    @cached_property
    def ends(self) -> pl.DataFrame:
        """When each acknowledged write ended: row, clock, at."""
        parts = (self.writes, self.blind)
        return pl.concat([part.select("row", "clock", at="end") for part in parts])

    @cached_property
    def begins(self) -> pl.DataFrame:
        """When each write began that may have happened: clock, at."""
        parts = (self.writes, self.blind, self.unknown)
        return pl.concat([part.select("clock", at="start") for part in parts])

    @property
    def asked(self) -> bool:
        """Whether anything was."""
        return any(part.height for part in (self.answered, self.blind, self.unknown))

    @property
    def most(self) -> int:
        """The highest value that anyone was told."""
        most = self.answered["value"].max()
        return most if isinstance(most, int) else 0


class Run:
    """The operations of the last run in a history: those after the last create has ended.

    What ended before that create began is an earlier run. An unknown operation that began
    before it may still happen after it, and so belongs to this run. With several clocks, a
    create is compared with the operations of its own.
    """

    def __init__(self, history: pl.DataFrame) -> None:
        self.history = history
        self.within: Literal["clock"] | None = "clock" if history["clock"].n_unique() > 1 else None
        rows = history.lazy().with_row_index("row")
        creates = rows.filter((pl.col("op") == "create") & (pl.col("outcome") != "fail"))
        ended = pl.when(outcome="ok").then("end").otherwise(NEVER)
        last = creates.select("clock", "start", ended=ended).sort("ended", "start")
        after, overlap = pl.lit(True), pl.lit(False)
        for clock, start, end in last.unique("clock", keep="last").collect().iter_rows():
            here = pl.col("clock").eq_missing(pl.lit(clock, pl.Categorical()))
            after &= ~here | (pl.col("start") > end) | (pl.col("outcome") == "unknown")
            overlap |= here & (pl.col("start") <= end) & (pl.col("end") >= start)
        rows = rows.filter(pl.col("op") != "create")
        overlaps = rows.filter((pl.col("outcome") == "ok") & overlap).select(pl.len() > 0)
        self.overlaps_create: bool = overlaps.collect().item()
        self.rows: pl.LazyFrame = rows.filter(after)
        """The run's operations, a query; `row` is the row of the history."""

        twice = self.appends.filter(pl.col("item").is_duplicated()).sort("item", "row").head(2)
        self.sent_twice: tuple[h.Operation, ...] = self.operations(*twice["row"])
        """Two appends of one item, if there are any: then the list is left out of the run, since
        no one can tell which of them was read."""
        if self.sent_twice:
            self.rows = self.rows.filter(pl.col("op").is_in(["increment", "read"]))
            del self.appends

    @cached_property
    def counter(self) -> Thing:
        """The counter's increments and reads."""
        return self._thing("counter", "increment", "read")

    @cached_property
    def items(self) -> Thing:
        """The list's appends and reads."""
        return self._thing("list", "append", "items")

    @property
    def things(self) -> tuple[Thing, ...]:
        """The counter and the list, if anything was asked of them."""
        both = (self.counter, self.items)
        return tuple(each for each in both if each.asked)

    def _thing(
        self, name: Literal["counter", "list"], write: Literal["increment", "append"], read: str
    ) -> Thing:
        clock = pl.col("clock").to_physical().cast(pl.Int64).fill_null(-1)
        client = pl.col("client").cast(pl.Int64)
        if self.within:  # a number is one client on one machine only
            client = client + (clock + 1) * 2**32
        place = ["row", "start", clock, client]
        written = pl.col("op") == write
        rank = 2 * pl.col("value") + (~written).cast(pl.Int64)
        ok = self.rows.filter(pl.col("op").is_in([write, read]), outcome="ok")
        told = pl.col("value").is_not_null()
        answered = ok.filter(told).select(*place, "end", "value", write=written, rank=rank)
        blind = ok.filter(~told).select(*place, "end")
        unknown = self.rows.filter((pl.col("outcome") == "unknown") & written).select(*place)
        audit = self.rows.filter(op=read, outcome="ok", phase="audit").select(
            *place, "end", "value", "items", *LEVELS["thread"]
        )
        queries = (answered.sort("rank", "start"), blind, unknown, audit)
        ranked, untold, unanswered, audited = pl.collect_all(queries)
        ends = pl.concat([part.select("clock", "end") for part in (ranked.filter("write"), untold)])
        over = ends.group_by("clock").agg(over=pl.col("end").max())
        late = pl.col("over").is_null() | (pl.col("start") > pl.col("over"))
        audited = audited.join(over, on="clock", how="left", maintain_order="left")
        return Thing(name, write, ranked, untold, unanswered, audited.filter(late).drop("over"))

    @cached_property
    def appends(self) -> pl.DataFrame:
        """Appends that are ok or unknown: row, item, value, start, end (or NEVER), clock, ok."""
        ok = pl.col("outcome") == "ok"
        end = pl.when(ok).then("end").otherwise(NEVER).alias("end")
        return (
            self.rows.filter((pl.col("op") == "append") & (pl.col("outcome") != "fail"))
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
        items = self.history[rows].select(rows.alias("row"), item="items")
        items = items.filter(pl.col("item").list.len() > 0)
        at = pl.int_ranges(1, pl.col("item").list.len().cast(pl.Int64) + 1)
        return items.with_columns(at=at).explode("item", "at")

    @cached_property
    def counter_division(self) -> Division | None:
        """What each counter belongs to."""
        return self._divide(self.counter)

    @cached_property
    def items_division(self) -> Division | None:
        """What each list belongs to."""
        return self._divide(self.items)

    def _divide(self, thing: Thing) -> Division | None:
        written = self.rows.filter(op=thing.write, outcome="ok").select(*LEVELS["thread"], "value")
        return divide(thing.name, written.collect(), thing.audit, thing.unknown.height)

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
