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
from loadtest.checker.division import LABELLED, LEVELS, Copy, Division, divide
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

    def known_rows(self, labels: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of writes, final reads, and reads of those who answered one of these.

        `labels` are row, boot, worker and thread of the whole history.
        """
        own = [*LEVELS["thread"]]
        sure = pl.concat([self.ends.select("row"), self.audit.select("row")])
        owners = labels.join(sure, on="row", how="semi").filter(LABELLED).select(own).unique()
        reads = labels.join(self.reads.select("row"), on="row", how="semi")
        reads = reads.join(owners, on=own, how="semi", nulls_equal=True)
        return pl.concat([sure, reads.select("row")]).unique()

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

    def division_of(self, state: State) -> Division | None:
        """The division of the counter or the list."""
        return self.counter_division if state.kind is COUNTER else self.items_division

    def all_had_it(self, state: State) -> bool:
        """Return True if whoever answered a read also acknowledged a write or was audited."""
        labels = self.history.select(LEVELS["thread"]).with_row_index("row")
        return state.reads.join(state.known_rows(labels), on="row", how="anti").is_empty()

    def overlapped(self, state: State) -> bool:
        """Return True if another request may have been under way during an acknowledged write.

        A read, too, may write back what it read, as a session does.
        """
        if self.within:
            return True
        parts = ((state.writes, True), (state.blind, True), (state.reads, False))
        asked = pl.concat([part.select("start", "end", write=pl.lit(w)) for part, w in parts])
        before = pl.col("end").cum_max().shift(1)
        written = pl.when("write").then("end").cum_max().forward_fill().shift(1)
        meets = (pl.col("write") & (pl.col("start") <= before)) | (pl.col("start") <= written)
        return bool(asked.sort("start").select(meets.fill_null(False).any()).item())

    def labelled(self, state: State) -> bool:
        """Return True if every operation is answered, by a worker and a thread that are known."""
        labels = self.history.select("clock", *LEVELS["thread"])
        answered = labels[pl.concat([state.answered["row"], state.blind["row"]])]
        known = answered.select((LABELLED & pl.col("thread").is_not_null()).all()).item()
        return bool(known and state.unknown.is_empty() and not self.within)

    def threads_hidden(self, state: State) -> bool:
        """Return True if an answer names its worker and not its thread."""
        labels = self.history.select(LEVELS["thread"])[state.answered["row"]]
        return bool(labels.select((LABELLED & pl.col("thread").is_null()).any()).item())

    def write_of(self, what: str) -> str:
        """Return the name of the operation that writes to the counter or the list."""
        return self.counter.write if what == self.counter.name else self.items.write

    def _divide(self, state: State) -> Division | None:
        resets = self.resets if state.kind is COUNTER else self.items_resets
        asked = pl.col("op").is_in(state.kind.ops)
        answered = self.rows.filter(asked, outcome="ok").select(
            *("start", "end", "value", "client", "clock", *LEVELS["thread"]),
            write=pl.col("op") == state.write,
        )
        audit = state.audit.drop("client", "clock")
        whose = self.history.select("client", "clock")[audit["row"]]
        audit = pl.concat([audit, whose], how="horizontal")
        return divide(
            state.name, answered.collect(), audit, state.unknown.height, set(resets["before"])
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
        """The boots whose count a later boot did not take over: see `_resets`."""
        return self._resets(self.counter)

    @cached_property
    def items_resets(self) -> pl.DataFrame:
        """The boots whose list a later boot did not take over: see `_resets`."""
        return self._resets(self.items)

    def _resets(self, state: State) -> pl.DataFrame:
        """Return the boots that answered more than those that came after them begin with.

        Columns: before, after, row and other (of what proves it), by the time of the other.

        A boot came after another if its first answer ended after the other's last one. Its count
        is below only if it was asked for after the other had answered more; and if one that came
        after goes on where the other ended, nothing is forgotten.
        """
        if not self.gone:
            rows = {"row": pl.UInt32, "other": pl.UInt32}
            return pl.DataFrame(schema={"before": pl.String, "after": pl.String, **rows})
        own = self.rows.filter(pl.col("op").is_in(state.kind.ops), outcome="ok")
        has_value = pl.col("value").is_not_null() & pl.col("boot").is_not_null()
        answers = own.filter(has_value).with_columns(pl.col("boot").cast(pl.String)).collect()
        base = pl.col("value") - (pl.col("op") == state.write).cast(pl.Int64)
        after = answers.select("start", base=base, other="row", after="boot")
        begun = after.group_by("after").agg(pl.col("start").min(), lowest=pl.col("base").min())
        first_answers = self.boots.select("first", after="boot").join(begun, on="after")
        last_answers = self.boots.filter(pl.col("boot").is_in(self.gone))
        last_answers = last_answers.select("last", before="boot").sort("last")
        pairs = first_answers.sort("first").join_asof(
            last_answers,
            left_on="first",
            right_on="last",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        # it came after the latest of those that went, and each of these is followed once
        pairs = pairs.drop_nulls("before").sort("first").unique("before", keep="first")
        most = answers.sort(["value", "end"], descending=[True, False])
        most = most.unique("boot", keep="first", maintain_order=True)
        most = most.select("row", "value", "end", before="boot")
        heirs = pairs.select("before", "last").join(most, on="before")
        heirs = heirs.join(first_answers.select("first", "lowest"), how="cross")
        heirs = heirs.filter(
            (pl.col("first") > pl.col("last")) & (pl.col("lowest") >= pl.col("value"))
        )
        below = (
            pairs.select("before", "after")
            .join(heirs, on="before", how="anti")
            .join(most, on="before")
            .join(after, on="after")
            .filter((pl.col("start") > pl.col("end")) & (pl.col("base") < pl.col("value")))
        )
        shown = below.sort("start", "other").unique("before", keep="first", maintain_order=True)
        return shown.select("before", "after", "row", "other")

    def drops(self, state: State, copy: Copy | None = None) -> pl.DataFrame:
        """Return the writes that found less than one copy held, so that it went back.

        Columns: row, other (an earlier write, of which `row` found less), by the time of `row`. The
        rows are those of a worker's copy, or all of them. Reads do not count: they may come from an
        old copy, such as a cache.

        After a moment in which no request is under way, the state is what one of the last writes
        wrote: one that ended after all the others had begun. Whatever losing updates does, no
        later write goes below the lowest of these, so that a lower answer later comes from a state
        that was set back. A blind write among them added one, at the least.
        """
        place = self.history.select(LEVELS["thread"]).with_row_index("row")
        place = place.with_columns(pl.col("boot").cast(pl.String))
        rows = state.ends.select("row")
        if copy is not None:
            here = pl.col("boot").eq_missing(pl.lit(copy.boot, dtype=pl.String))
            here &= pl.col("worker").eq_missing(pl.lit(copy.worker, dtype=pl.UInt32))
            rows = rows.join(place.filter(here), on="row", how="semi")
        answered = state.writes.join(rows, on="row", how="semi")
        columns = ["row", "start", "end", "value"]
        blind = state.blind.join(rows, on="row", how="semi")
        blind = blind.select("row", "start", "end", value=pl.lit(None, dtype=pl.Int64))
        writes = pl.concat([answered.select(columns), blind.select(columns)])
        found = answered.with_columns(base=pl.col("value") - 1)
        if self.within or writes.is_empty():
            return found.clear().select("row", other="row")
        # an unknown write may write as late as it likes, so that no later moment is quiet
        over = min(state.unknown["start"].to_list(), default=NEVER)
        until = pl.when(outcome="unknown").then(NEVER).otherwise("end")
        asked = self.rows.select("row", "start", until=until).sort("start").collect()
        new = pl.col("start") > pl.col("until").cum_max().shift(1)
        asked = asked.with_columns(cluster=new.fill_null(True).cum_sum())
        last = pl.col("until") >= pl.col("start").max().over("cluster")
        ends = asked.group_by("cluster").agg(at=pl.col("until").max()).filter(pl.col("at") < over)
        # a read among them may write back what it read before, as a session does
        ends = ends.join(
            asked.filter(last).join(writes, on="row", how="anti"), on="cluster", how="anti"
        )
        writes = writes.join(asked.filter(last).select("row", "cluster"), on="row")
        quiet = (
            writes.sort("start")
            .group_by("cluster")
            .agg(pl.col("value").min(), blind=pl.col("value").has_nulls(), row=pl.col("row").last())
        )
        quiet = quiet.join(ends, on="cluster").sort("at")
        least, other, lows = 0, None, []
        for value, blind_too, row in quiet.select("value", "blind", "row").iter_rows():
            low = least + 1 if blind_too else max(least, value)
            other = row if low > least else other
            least = low
            lows.append((least, other))
        lowest = pl.DataFrame(lows, schema={"least": pl.Int64, "other": pl.UInt32}, orient="row")
        found = found.sort("start").join_asof(
            quiet.select("at").hstack(lowest),
            left_on="start",
            right_on="at",
            allow_exact_matches=False,
        )
        return found.filter(pl.col("base") < pl.col("least")).sort("end").select("row", "other")

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
