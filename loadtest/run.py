"""One run, cut out of a history and laid out once, as every check wants it.

The counter and the list are laid out alike: positions in a list are counts whose numbers have
names. An increment answered v, or an append put at v, has rank 2v; a read of v, or of v items,
has rank 2v + 1. In that order they must have happened, if they happened on one counter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import polars as pl

from loadtest import history as h
from loadtest.division import Division, divide

NEVER = (1 << 63) - 1
ELEMENTS = 4_000_000  # items of list reads compared at a time


@dataclass(frozen=True)
class Thing:
    """The counter or the list.

    answered   its ok operations by (rank, start): row, write, value, rank, start, end, clock,
               client; `row` is the row of the history
    unknown    its unknown writes: row, start, clock, client
    """

    name: Literal["counter", "list"]
    write: Literal["increment", "append"]
    read: Literal["read", "items"]
    answered: pl.DataFrame
    unknown: pl.DataFrame

    @property
    def acknowledged(self) -> int:
        """How many writes were acknowledged."""
        return int(self.answered["write"].sum())


class Run:
    """The operations of the last run in a history: those after the last create has ended.

    What ended before that create began is an earlier run. An unknown operation that began
    before it may still happen after it, and so belongs to this run.
    """

    def __init__(self, history: pl.DataFrame) -> None:
        self.history = history
        columns = ["op", "start", "end", "outcome", "clock"]
        creates = (
            history.lazy()
            .select(columns)
            .filter((pl.col("op") == "create") & (pl.col("outcome") != "fail"))
        )
        ended = pl.when(outcome="ok").then("end").otherwise(NEVER)
        last = (
            creates.select("clock", began="start", ended=ended)
            .sort("ended", "began")
            .unique("clock", keep="last", maintain_order=True)
            .collect()
        )
        self._after: pl.Expr = pl.lit(True)
        overlap: pl.Expr = pl.lit(False)
        for clock, began, over in last.iter_rows():
            here = pl.col("clock").eq_missing(pl.lit(clock, dtype=pl.Categorical()))
            self._after &= ~here | (pl.col("start") > over) | (pl.col("outcome") == "unknown")
            overlap |= here & (pl.col("start") <= over) & (pl.col("end") >= began)
        self.overlaps_create: bool = bool(
            history.lazy()
            .filter((pl.col("op") != "create") & (pl.col("outcome") == "ok") & overlap)
            .select(pl.len() > 0)
            .collect()
            .item()
        )

    @property
    def rows(self) -> pl.LazyFrame:
        """The run's operations as a query, numbered by their row in the history."""
        rows = self.history.lazy().with_row_index("row")
        return rows.filter((pl.col("op") != "create") & self._after)

    @cached_property
    def clocks(self) -> int:
        """How many machines' clocks there are."""
        return max(1, self.history["clock"].n_unique())

    @cached_property
    def counter(self) -> Thing:
        """The counter's increments and reads."""
        return self._thing("counter", "increment", "read")

    @cached_property
    def items(self) -> Thing:
        """The list's appends and reads."""
        return self._thing("list", "append", "items")

    def _thing(
        self,
        name: Literal["counter", "list"],
        write: Literal["increment", "append"],
        read: Literal["read", "items"],
    ) -> Thing:
        clock = pl.col("clock").to_physical().cast(pl.Int64).fill_null(-1)
        client = pl.col("client").cast(pl.Int64)
        if self.clocks > 1:  # a number is one client on one machine only
            client = (clock + 1) * 2**32 + client
        place = ["row", "start", clock, client]
        written = pl.col("op") == write
        value = pl.col("value")
        rank = 2 * value + (~written).cast(pl.Int64)
        answered = self.rows.filter(
            (pl.col("outcome") == "ok") & pl.col("op").is_in([write, read])
        ).select(*place, "end", "value", write=written, rank=rank)
        unknown = self.rows.filter((pl.col("outcome") == "unknown") & written).select(*place)
        return Thing(name, write, read, answered.sort("rank", "start").collect(), unknown.collect())

    @cached_property
    def appends(self) -> pl.DataFrame:
        """What was appended, or may have been: row, item, value, start, end (or NEVER), ok."""
        ok = pl.col("outcome") == "ok"
        end = pl.when(ok).then("end").otherwise(NEVER).alias("end")
        return (
            self.rows.filter((pl.col("op") == "append") & (pl.col("outcome") != "fail"))
            .select("row", "item", "value", "start", end, ok=ok)
            .collect()
        )

    @cached_property
    def longest(self) -> pl.DataFrame:
        """The longest read of the list (the earliest of them): row, at (from 1), item."""
        reads = self.items.answered.filter(~pl.col("write"))
        row = reads.filter(pl.col("rank") == pl.col("rank").max()).sort("end").head(1)["row"]
        items = self.history[row].select("items", row=row).explode("items")
        items = items.drop_nulls().select("row", item="items")
        return items.with_columns(at=pl.int_range(1, pl.len() + 1))

    @cached_property
    def forks(self) -> pl.DataFrame:
        """The reads of the list that are no beginning of the longest: row, at (where they part)."""
        reads = self.items.answered.filter(~pl.col("write") & (pl.col("value") > 0))
        longest = self.longest["item"]
        parts = [pl.DataFrame(schema={"row": pl.UInt32, "at": pl.Int64})]
        batch = reads["value"].cum_sum() // ELEMENTS
        for rows in reads.select("row", batch=batch).partition_by("batch"):
            items = self.history[rows["row"]].select("items", row=rows["row"]).explode("items")
            items = items.with_columns(at=pl.int_range(pl.len()).over("row"))
            other = items["items"] != longest.gather(items["at"])
            parts.append(items.filter(other).group_by("row").agg(pl.col("at").min() + 1))
        return pl.concat(parts)

    @cached_property
    def counter_division(self) -> Division | None:
        """What each counter belongs to."""
        return divide(self.rows, "counter")

    @cached_property
    def items_division(self) -> Division | None:
        """What each list belongs to."""
        return divide(self.rows, "list")

    def operations(self, *rows: int) -> tuple[h.Operation, ...]:
        """These rows of the history."""
        return tuple(h.operations(self.history[list(rows)]))

    @cached_property
    def _origins(self) -> dict[str | None, int]:
        firsts = self.history.lazy().group_by("clock").agg(pl.col("start").min()).collect()
        return dict(firsts.iter_rows())

    def moments(self, *moments: tuple[h.Operation, int | None]) -> list[str]:
        """Moments of operations in words, counted from the first start on the same clock, and
        exact enough to tell them apart."""
        since = [(ns or 0) - self._origins[operation.clock] for operation, ns in moments]
        if max(since) < 10_000:
            return [f"{ns} ns" for ns in since]
        for digits in range(1, 7):
            shown = [f"{ns / 1e6:,.{digits}f} ms" for ns in since]
            if len(set(shown)) == len(set(since)):
                break
        return shown
