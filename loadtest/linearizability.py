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

from dataclasses import dataclass
from typing import Literal

import polars as pl

from loadtest.history import Operation
from loadtest.run import NEVER, Run, Thing
from loadtest.words import Whose, where, whose

Within = Literal["clock", "client"]


@dataclass(frozen=True)
class Contradiction:
    """Why no order explains a history: rows of it, and the sentence about them."""

    rows: tuple[int, ...]
    why: str


def contradiction(run: Run, thing: Thing, within: Within = "clock") -> Contradiction | None:
    """The shortest reason why no order explains the answers; None if one does.

    `within` says whose operations have an order in time: those of one clock (linearizability)
    or those of one client only (sequential consistency).
    """
    placed = thing
    if thing.name == "list":
        found = _names(run)
        if isinstance(found, Contradiction):
            return found
        placed = found
    return (
        _impossible(run, placed)
        or _twice(run, placed)
        or _too_early(run, placed, within)
        or _nobodys(run, placed, within)
    )


def _names(run: Run) -> Thing | Contradiction:
    """The list as a counter: unknown appends that were read stand where they were read."""
    longest = run.longest
    if run.forks.height:
        row, at = run.forks.sort("at", "row").row(0)
        first, second = run.operations(row, longest["row"][0])
        return Contradiction(
            (row, longest["row"][0]),
            f"{Whose(first)} has {_item(first, at)} at position {at}, "
            f"{whose(second)} has {_item(second, at)} there.",
        )
    twice = longest.filter(pl.col("item").is_duplicated())
    if twice.height:
        (read,) = run.operations(longest["row"][0])
        return Contradiction(
            (longest["row"][0],),
            f"{Whose(read)} has {twice['item'][0]} twice, and it was sent once.",
        )
    stands = longest.join(run.appends, on="item", how="left", suffix="_append")
    elsewhere = pl.col("ok") & (pl.col("value") != pl.col("at"))
    wrong = stands.filter(pl.col("ok").is_null() | elsewhere)
    if wrong.height:
        wrong = wrong.sort("at")
        item, at, row = wrong["item"][0], wrong["at"][0], wrong["row_append"][0]
        if row is None:
            (read,) = run.operations(longest["row"][0])
            return Contradiction(
                (longest["row"][0],),
                f"{Whose(read)} has {item}, and nobody ever sent it.",
            )
        append, read = run.operations(row, longest["row"][0])
        return Contradiction(
            (row, longest["row"][0]),
            f"{Whose(append)} was told position {append.value}, "
            f"and {whose(read)} has {item} at {at}.",
        )
    absent = run.appends.filter(pl.col("ok") & pl.col("value").is_between(1, longest.height)).join(
        longest, on="item", how="anti"
    )
    if absent.height:
        row = absent.sort("end")["row"][0]
        append, read = run.operations(row, longest["row"][0])
        return Contradiction(
            (row, longest["row"][0]),
            f"{Whose(append)} was told position {append.value}, "
            f"and {whose(read)} has something else there.",
        )
    thing = run.items
    seen = thing.unknown.join(
        stands.filter(~pl.col("ok")).select(row="row_append", value="at"), on="row"
    ).with_columns(end=pl.lit(NEVER), write=pl.lit(True), rank=2 * pl.col("value"))
    return Thing(
        thing.name,
        thing.write,
        thing.read,
        pl.concat([thing.answered, seen.select(thing.answered.columns)]).sort("rank", "start"),
        thing.unknown.join(seen, on="row", how="anti"),
    )


def _item(read: Operation, at: int) -> str:
    return read.items[at - 1] if read.items and at <= len(read.items) else "nothing"


def _told(operation: Operation, value: int) -> str:
    if operation.outcome == "unknown":
        return f"stands at {value:,}"
    if operation.op == "items":
        return f"read {value:,} items"
    return f"was told {value:,}"


def _impossible(run: Run, thing: Thing) -> Contradiction | None:
    """An increment told less than 1, or a read of less than 0."""
    rows = thing.answered.filter(pl.col("rank") < 1).sort("end")["row"].head(1).to_list()
    if not rows:
        return None
    (operation,) = run.operations(*rows)
    least = 0 if operation.op == "read" else 1
    return Contradiction(
        tuple(rows),
        f"{Whose(operation)} was told {operation.value}, and the least it can be told is {least}.",
    )


def _twice(run: Run, thing: Thing) -> Contradiction | None:
    """Two writes told the same."""
    again = (pl.col("rank") == pl.col("rank").shift(1)) & pl.col("write")
    pairs = thing.answered.select("end", "row", first=pl.col("row").shift(1), again=again)
    pairs = pairs.filter("again").sort("end", "row").head(1)
    if pairs.is_empty():
        return None
    rows = (pairs["first"][0], pairs["row"][0])
    one, other = run.operations(*rows)
    return Contradiction(
        rows,
        f"{Whose(one)} and {whose(other)} were both told {one.value:,}{where(one, other)}.",
    )


def end_above(within: str | None, above: pl.Expr | None = None) -> pl.Expr:
    """For each operation, in order of rank and start: the earliest end of those of a larger rank
    (that are `above`). Among equals whoever comes later in this order ends later than this one
    begins, so that they need no care."""
    end = pl.col("end") if above is None else pl.when(above).then("end").otherwise(NEVER)
    earliest = end.cum_min(reverse=True).shift(-1, fill_value=NEVER)
    return earliest if within is None else earliest.over(within)


def _too_early(run: Run, thing: Thing, within: Within) -> Contradiction | None:
    """Something ended before something of a smaller rank began."""
    alone = within == "clock" and run.clocks == 1
    overtaken = thing.answered.with_columns(above=end_above(None if alone else within))
    overtaken = overtaken.filter(pl.col("above") < pl.col("start"))
    if overtaken.is_empty():
        return None
    late = overtaken.sort("above", "start", "row").row(0, named=True)
    early = thing.answered.filter(
        (pl.col("end") == late["above"])
        & (pl.col("rank") > late["rank"])
        & (pl.col(within) == late[within])
    ).row(0, named=True)
    first, second = run.operations(early["row"], late["row"])
    ended, began = run.moments((first, first.end), (second, second.start))
    return Contradiction(
        (early["row"], late["row"]),
        f"{Whose(first)} ended at {ended} before {whose(second)} began at {began}, "
        f"yet the first {_told(first, early['value'])} "
        f"and the second {_told(second, late['value'])}.",
    )


def _nobodys(run: Run, thing: Thing, within: Within) -> Contradiction | None:
    """More numbers were told to nobody than unknown writes could have taken in time."""
    told = thing.answered.filter("write")["value"]
    missing = _most(thing) - told.len()
    if missing <= 0:
        return None
    if missing > thing.unknown.height:
        unlike = told != pl.int_range(1, told.len() + 1, eager=True)
        gap = (unlike.arg_max() or 0) + 1 if unlike.any() else told.len() + 1
        late = []
    else:
        filled = _filled(thing, within)
        wrong = filled.filter(pl.col("floor") > pl.col("rank")).head(1)
        if wrong.is_empty():
            return None
        gap, late = wrong["rank"][0] // 2, wrong["row"].to_list()
    higher = thing.answered.filter(pl.col("rank") > 2 * gap).sort("end", "row").head(1)
    rows = (*higher["row"], *late)
    witness, *unknown = run.operations(*rows)
    why = f"{Whose(witness)} {_told(witness, higher['value'][0])}, and nobody was told {gap:,}: "
    if unknown:
        ended, began = run.moments((witness, witness.end), (unknown[0], unknown[0].start))
        why += f"it ended at {ended}, before {whose(unknown[0])}, unknown, began at {began}."
    else:
        why += (
            f"{missing:,} numbers are missing up to {_most(thing):,}, "
            f"with {thing.unknown.height:,} unknown {thing.write}s to take them."
        )
    return Contradiction(rows, why)


def _most(thing: Thing) -> int:
    most = thing.answered["value"].max()
    return most if isinstance(most, int) else 0


def _filled(thing: Thing, within: Within) -> pl.DataFrame:
    """The numbers told to nobody, each with the unknown write that takes it: rank, row, start,
    floor (the highest rank that had ended before it began)."""
    taken = thing.answered.filter("write").select("rank")
    numbers = pl.DataFrame({"rank": pl.int_range(1, _most(thing) + 1, eager=True) * 2})
    gaps = numbers.join(taken, on="rank", how="anti").sort("rank")
    ended = (
        thing.answered.filter(pl.col("end") < NEVER)
        .sort("end")
        .select(within, "end", floor=pl.col("rank").cum_max().over(within))
    )
    able = (
        thing.unknown.sort("start")
        .join_asof(ended, left_on="start", right_on="end", by=within, allow_exact_matches=False)
        .select("row", "start", pl.col("floor").fill_null(0))
        .sort("floor", "start")
    )
    return pl.concat([gaps, able.head(gaps.height)], how="horizontal")


def order(run: Run) -> pl.DataFrame | None:
    """The certificate: the operations in an order that explains every answer, or None.

    The history's columns, and `at`: an instant between start and end when it can have taken
    effect, in this order. (Of several machines' clocks: the counter first, then the list, as
    instants of two clocks have no order.) Failed operations, unknown reads and unknown writes
    that need not have happened are left out.
    """
    orders = []
    for thing in (run.counter, run.items):
        if contradiction(run, thing) is not None:
            return None
        placed = _names(run) if thing.name == "list" else thing
        assert isinstance(placed, Thing)
        columns = ["row", "rank", "start", "clock"]
        filled = _filled(placed, "clock").join(placed.unknown.select("row", "clock"), on="row")
        ranked = pl.concat([placed.answered.select(columns), filled.select(columns)])
        at = pl.col("start").cum_max().over("clock")
        orders.append(ranked.sort("rank", "start").select("row", at=at))
    both = pl.concat(orders)
    if run.clocks == 1:
        both = both.sort("at", maintain_order=True)
    return run.history[both["row"]].with_columns(both["at"])
