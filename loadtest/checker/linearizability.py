"""Could one counter, or one list, have given these answers? Exact, and without a search.

Herlihy & Wing 1990: a history is linearizable if every operation can take effect at one instant
between its start and its end, in an order that explains all answers. In general that order has
to be searched for. Here the answers force it: increment 1, the reads of 1, increment 2, the
reads of 2 … (the ranks of `run`). What is left to decide:

- A number that was told to nobody, below one that was seen, belongs to an unknown increment.
  Any of them could be it, if nothing that counts higher had ended before it began. Whoever may
  come earliest is best used earliest (exchange two others and nothing gets worse); those left
  over did not happen.
- In that order, nothing may end before something of a smaller rank begins: one running minimum.
- A read of the list names the first positions. All reads have to be beginnings of the longest.

The same check in the order of each client alone, without time between clients, is sequential
consistency (Lamport 1979) of the counter by itself, or of the list by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from loadtest.checker.run import NEVER, Run, Thing
from loadtest.checker.words import number, quoted, sentence, told, where, whose, yet

Within = Literal["clock", "client"]


@dataclass(frozen=True)
class Contradiction:
    """Why no order explains a history: rows of it, and the sentence about them."""

    rows: tuple[int, ...]
    why: str


def contradiction(run: Run, thing: Thing, within: Within | None = None) -> Contradiction | None:
    """The shortest reason why no order explains the answers; None if one does.

    `within` is the column whose operations have an order in time: those of one clock
    (linearizability, the default), or those of one client only (sequential consistency).
    """
    if thing.name == "list":
        named = _named(run)
        if isinstance(named, Contradiction):
            return named
        thing = named
    within = within or run.within
    return (
        _impossible(run, thing)
        or _told_twice(run, thing)
        or _too_early(run, thing, within)
        or _untold(run, thing, within)
    )


def _named(run: Run) -> Thing | Contradiction:
    """The list as a counter: unknown appends that were read stand where they were read."""
    longest = run.longest
    if run.forks.height:
        row, at = run.forks.sort("at", "row").row(0)
        one, other = run.operations(row, longest["row"][0])
        its, others = ((o.items or ())[at - 1] for o in (one, other))
        why = f"at {at:,} {whose(one)} has {quoted(its)}, and {whose(other)} has {quoted(others)}"
        return Contradiction((row, longest["row"][0]), sentence(why))
    twice = longest.filter(pl.col("item").is_duplicated())
    if twice.height:
        (read,) = run.operations(twice["row"][0])
        why = f"{whose(read)} has {quoted(twice['item'][0])} twice, and it was sent once"
        return Contradiction((twice["row"][0],), sentence(why))
    stands = longest.join(run.appends, on="item", how="left", suffix="_append").sort("at")
    unsent = stands.filter(pl.col("ok").is_null()).head(1)
    if unsent.height:
        (read,) = run.operations(unsent["row"][0])
        why = f"{whose(read)} has {quoted(unsent['item'][0])}, and nobody sent it"
        return Contradiction((unsent["row"][0],), sentence(why))
    moved = stands.filter(pl.col("ok") & (pl.col("value") != pl.col("at"))).head(1)
    if moved.height:
        rows = (moved["row_append"][0], moved["row"][0])
        append, read = run.operations(*rows)
        why = f"{whose(append)} {told(append)}, and {whose(read)} has it at {moved['at'][0]:,}"
        return Contradiction(rows, sentence(why))
    place = pl.col("ok") & pl.col("value").is_between(1, longest.height)
    absent = run.appends.filter(place).join(longest, on="item", how="anti").sort("end").head(1)
    if absent.height:
        rows = (absent["row"][0], longest["row"][0])
        append, read = run.operations(*rows)
        other = (read.items or ())[absent["value"][0] - 1]
        why = f"{whose(append)} {told(append)}, and {whose(read)} has {quoted(other)} there"
        return Contradiction(rows, sentence(why))
    seen = stands.filter(~pl.col("ok")).select(row="row_append", value="at")
    placed = run.items.unknown.join(seen, on="row").with_columns(
        end=pl.lit(NEVER), write=pl.lit(True), rank=2 * pl.col("value")
    )
    answered = pl.concat([run.items.answered, placed.select(run.items.answered.columns)])
    return replace(
        run.items,
        answered=answered.sort("rank", "start"),
        unknown=run.items.unknown.join(seen, on="row", how="anti"),
    )


def _impossible(run: Run, thing: Thing) -> Contradiction | None:
    """An increment told less than 1, or a read of less than 0."""
    rows = thing.answered.filter(pl.col("rank") < 1).sort("end", "row")["row"].head(1)
    if rows.is_empty():
        return None
    (operation,) = run.operations(*rows)
    least = 0 if operation.op == "read" else 1
    why = f"{whose(operation)} {told(operation)}, and the least it can be told is {least}"
    return Contradiction(tuple(rows), sentence(why))


def _told_twice(run: Run, thing: Thing) -> Contradiction | None:
    """Two writes told the same."""
    pair = same_value(thing).head(1)
    if pair.is_empty():
        return None
    rows = (pair["first"][0], pair["row"][0])
    one, other = run.operations(*rows)
    why = f"{whose(one)} and {whose(other)} were both told {one.value:,}{where(one, other)}"
    return Contradiction(rows, sentence(why))


def same_value(thing: Thing) -> pl.DataFrame:
    """The writes that were told what another was told before, earliest first, each with that
    other one: row, first, value."""
    told = thing.writes.select("row", "value", "end", first=pl.col("row").shift(1))
    again = told.filter(pl.col("value") == pl.col("value").shift(1))
    return again.sort("end", "row").select("row", "first", "value")


def end_above(within: Within | None, above: pl.Expr | None = None) -> pl.Expr:
    """For operations by rank and start: the earliest end among those of a larger rank (if
    `above`). Nobody of the same rank who comes later in this order ends before one begins."""
    end = pl.col("end") if above is None else pl.when(above).then("end").otherwise(NEVER)
    earliest = end.cum_min(reverse=True).shift(-1, fill_value=NEVER)
    return earliest.over(within) if within else earliest


def _too_early(run: Run, thing: Thing, within: Within | None) -> Contradiction | None:
    """Something ended before something of a smaller rank began."""
    late = thing.answered.with_columns(ended=end_above(within))
    late = late.filter(pl.col("ended") < pl.col("start"))
    late = late.sort("ended", "start", "row").head(1)
    if late.is_empty():
        return None
    higher = pl.col("rank") > late["rank"][0]
    if within:
        higher &= pl.col(within) == late[within][0]
    early = thing.answered.filter(higher & (pl.col("end") == late["ended"][0])).head(1)
    rows = (early["row"][0], late["row"][0])
    one, other = run.operations(*rows)
    ended, began = run.moments((one, one.end), (other, other.start))
    why = yet(one, other, ended, began, late["value"][0])
    return Contradiction(rows, sentence(why))


def _untold(run: Run, thing: Thing, within: Within | None) -> Contradiction | None:
    """More numbers were told to nobody than unknown writes can have taken in time."""
    taken = thing.writes["value"]
    missing = thing.most - taken.len()
    if missing <= 0:
        return None
    seen, too_late = pl.lit(True), []
    if missing > thing.unknown.height:
        other = (taken != pl.int_range(1, taken.len() + 1, eager=True)).arg_true()
        gap = 1 + (taken.len() if other.is_empty() else other[0])
    else:
        filled = _filled(thing, within)
        wrong = filled.filter(pl.col("floor") > pl.col("rank")).head(1)
        if wrong.is_empty():
            return None
        gap, too_late = wrong["rank"][0] // 2, wrong["row"].to_list()
        seen = pl.col("clock") == wrong["clock"][0]
    higher = thing.answered.filter(seen & (pl.col("rank") > 2 * gap)).sort("end", "row").head(1)
    rows = (higher["row"][0], *too_late)
    one, *unknown = run.operations(*rows)
    why = f"{whose(one)} {told(one, higher['value'][0])}, yet nobody was told {gap:,}"
    if unknown:
        ended, began = run.moments((one, one.end), (unknown[0], unknown[0].start))
        why += f": it ended at {ended}, and {whose(unknown[0])}, unknown, began later, at {began}"
    elif thing.unknown.height:
        able = number(thing.unknown.height, f"unknown {thing.write}")
        why += f" (numbers missing: {missing:,}, with {able} to take them)"
    return Contradiction(rows, sentence(why))


def _filled(thing: Thing, within: Within | None) -> pl.DataFrame:
    """The numbers told to nobody, and the unknown write that takes each: rank, row, start,
    clock, floor (the highest rank among what had ended before it began)."""
    within = within or "clock"
    ranks = pl.DataFrame({"rank": pl.int_range(1, thing.most + 1, eager=True) * 2})
    gaps = ranks.join(thing.writes, on="rank", how="anti").sort("rank")
    ended = thing.answered.filter(pl.col("end") < NEVER).sort("end")
    ended = ended.select(within, "end", floor=pl.col("rank").cum_max().over(within))
    able = (
        thing.unknown.sort("start")
        .join_asof(
            ended,
            left_on="start",
            right_on="end",
            by=within,
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .select("row", "start", "clock", pl.col("floor").fill_null(0))
        .sort("floor", "start", "row")
    )
    return pl.concat([gaps, able.head(gaps.height)], how="horizontal")


def numbers(thing: Thing) -> dict[int, int]:
    """The number that each unknown write would have to take, by its row; none if there are fewer
    unknown ones than numbers that nobody was told."""
    told = thing.writes["value"]
    missing = thing.most - told.filter(told > 0).n_unique()
    if not 0 < missing <= thing.unknown.height:
        return {}
    return dict(_filled(thing, None).select("row", pl.col("rank") // 2).iter_rows())


def order(run: Run) -> pl.DataFrame | None:
    """The certificate: the operations in an order that explains every answer, or None.

    The history's columns, and `at`: an instant between start and end, in this order. (Of
    several clocks: the counter first, then the list, as instants of two clocks have no order.)
    Left out are failed operations, unknown reads, and unknown writes that need not have
    happened.
    """
    orders = []
    for thing in run.things:
        if contradiction(run, thing) is not None:
            return None
        named = _named(run) if thing.name == "list" else thing
        assert isinstance(named, Thing)
        columns = ["row", "rank", "start", "clock"]
        ranked = pl.concat([named.answered.select(columns), _filled(named, None).select(columns)])
        at = pl.col("start").cum_max().over("clock")
        orders.append(ranked.sort("rank", "start").select("row", at=at))
    empty = pl.DataFrame(schema={"row": pl.UInt32, "at": pl.Int64})
    both = pl.concat([empty, *orders])
    if run.within is None:
        both = both.sort("at", maintain_order=True)
    return run.history[both["row"]].with_columns(both["at"])
