"""Could one counter, or one list, have given these answers? Exact, and without a search.

Herlihy & Wing 1990: a history is linearizable if every operation can take effect at one instant
between its start and its end, in an order that explains all answers. In general that order has
to be searched for. Here the answers force it: increment 1, the reads of 1, increment 2, the
reads of 2 … (the ranks of `run`). What is left to decide:

- A number that was answered to nobody, below one that was seen, belongs to an increment that was
  unknown or blind. It could be any of which nothing that counts higher had ended before it began,
  and nothing that counts lower began after it ended: each has a window of numbers. Number by
  number, of those whose window has begun, the one whose window ends first takes it (earliest
  deadline first: exchange two others and nothing gets worse). Unknown ones left over did not
  happen; blind ones left over did, after all the others.
- In that order, nothing may end before something of a smaller rank begins: one running minimum.
- A read of the list names the first positions. All reads have to be beginnings of the longest.

With one clock, counter and list are linearizable together if each is (Herlihy & Wing's locality).
The same check in the order of each client alone, without time between clients, is sequential
consistency (Lamport 1979), of each by itself: both together need one look more, as do several
clocks.

That unique answers make this easy was known: Gibbons & Korach 1997 check a history in which each
read says which write it read, in O(n log n). Here even the order of writes is known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Any, Literal

import polars as pl

from loadtest.checker.run import NEVER, Run, State
from loadtest.checker.words import answer, number, quoted, sentence, where, whose, yet
from loadtest.kinds.counter import COUNTER
from loadtest.kinds.list import LIST

Within = Literal["clock", "client"]
MANY_BLIND = 1_000  # writes, of which every two are compared


@dataclass(frozen=True)
class Contradiction:
    """Why no order explains a history: rows of it, and the sentence about them."""

    rows: tuple[int, ...]
    why: str


def contradiction(run: Run, state: State, within: Within | None = None) -> Contradiction | None:
    """The shortest reason why no order explains the answers; None if one does.

    `within` is the column whose operations have an order in time: those of one clock
    (linearizability, the default), or those of one client only (sequential consistency).
    """
    if state.kind is LIST:
        named = _named(run)
        if isinstance(named, Contradiction):
            return named
        state = named
    within = within or run.within
    return (
        _impossible(run, state)
        or _equal_writes(run, state)
        or _too_early(run, state, within)
        or _without_value(run, state, within)
    )


def jointly(run: Run, within: Within) -> Contradiction | bool:
    """Of counter and list, each of which an order explains by itself: whether one order explains
    both together, within the order of each client or clock. Else why not; False if that is unknown,
    because unknown or blind writes may have happened at several places.

    Both orders are forced, so a contradiction is a circle through them: some of the one state,
    then something of the other, then of the one again, and less than before. A longer circle has
    a shorter one in it, as of two places in a forced order one comes first.
    """
    if len(run.states) < 2:
        return True
    named = _named(run)
    assert isinstance(named, State)
    counter, items = forced(run.counter, within), forced(named, within)
    if counter is None or items is None:
        return False
    columns = ["row", "rank", "start", "end", within]
    ones, others = (state.answered.select(columns) for state in (counter, items))
    others = _after(others, ones, "rank", within)
    smaller = others.group_by("rank").agg(top=pl.col("seen").max()).sort("rank")
    smaller = smaller.select("rank", top=pl.col("top").cum_max().shift(1, fill_value=0))
    others = others.join(smaller, on="rank").with_columns(top=pl.max_horizontal("top", "seen"))
    again = _after(ones, others, "top", within).filter(pl.col("seen") > pl.col("rank"))
    if again.is_empty():
        return True
    last = again.sort("end", "row").row(0, named=True)
    ended = (pl.col("end") < last["start"]) & (pl.col(within) == last[within])
    third = others.filter(ended & (pl.col("top") == last["seen"])).row(0, named=True)
    up_to = (pl.col("rank") < third["rank"]) | (pl.col("row") == third["row"])
    second = others.filter(up_to & (pl.col("seen") == last["seen"])).row(0, named=True)
    ended = (pl.col("end") < second["start"]) & (pl.col(within) == second[within])
    first = ones.filter(ended & (pl.col("rank") == last["seen"])).row(0, named=True)
    rows = tuple(dict.fromkeys(each["row"] for each in (first, second, third, last)))
    values = {each["row"]: each["rank"] // 2 for each in (first, second, third, last)}
    one, *between, other = zip(run.operations(*rows), map(values.get, rows), strict=True)
    why = f"{whose(one[0])} {answer(*one)} and ended before {whose(between[0][0])} began, "
    if len(between) > 1:
        why += f"which {answer(*between[0])}, so that it comes before {whose(between[1][0])}, "
    why += f"which {answer(*between[-1])} and ended before {whose(other[0])} began"
    why += f", yet that {answer(*other)}"
    return Contradiction(rows, sentence(why))


def forced(state: State, within: Within) -> State | None:
    """Return the counter or list with a number for each write; None if there is a choice.

    A blind write has one number if no two blind writes can swap theirs. That is enough: numbers and
    windows are a convex bipartite graph, which is chordal, so that a second matching would differ
    from the first in a cycle, and the shortest such cycle is a swap. An unknown write is a choice
    as soon as a number is missing, because it need not have happened.
    """
    if state.blind.is_empty():
        return state if state.most <= state.writes.height else None
    placed = _placed(state, within)
    if state.unknown.height or isinstance(placed, Misfit) or state.blind.height > MANY_BLIND:
        return None
    windows = _windows(state, within).select("row", "floor", "ceiling").join(placed, on="row")
    numbered = windows.select("rank", "floor", "ceiling").sort("rank").rows()
    for at, (low, _, ceiling) in enumerate(numbered):
        for high, floor, _ in numbered[at + 1 :]:
            if high < ceiling and floor < low:
                return None
    written = state.blind.join(placed.select("row", "rank"), on="row")
    written = written.with_columns(value=pl.col("rank") // 2, write=pl.lit(True))
    answered = pl.concat([state.answered, written.select(state.answered.columns)])
    blind = state.blind.clear()
    return replace(state, answered=answered.sort("rank", "start"), blind=blind)


def _after(ops: pl.DataFrame, earlier: pl.DataFrame, what: str, within: Within) -> pl.DataFrame:
    """The operations with `seen`: the most of `what` among those that ended before each began."""
    ended = earlier.filter(pl.col("end") < NEVER).sort("end")
    ended = ended.select(within, at="end", seen=pl.col(what).cum_max().over(within))
    return (
        ops.sort("start")
        .join_asof(
            ended,
            left_on="start",
            right_on="at",
            by=within,
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .with_columns(pl.col("seen").fill_null(0))
    )


def _named(run: Run) -> State | Contradiction:
    """Return the list as a counter, with each append in the place where it was read."""
    longest = run.longest
    if run.forks.height:
        row, at = run.forks.sort("at", "row").row(0)
        one, other = run.operations(row, longest["row"][0])
        its, others = ((o.items or ())[at - 1] for o in (one, other))
        why = f"at {at:,} {whose(one)} has {quoted(its)}, and {whose(other)} has {quoted(others)}"
        return Contradiction((row, longest["row"][0]), sentence(why))
    twice = longest.filter(pl.col("item").is_duplicated())["item"].head(1)
    stands = longest.join(run.appends, on="item", how="left", suffix="_append").sort("at")
    for item in twice:
        (read,) = run.operations(longest["row"][0])
        why = f"{whose(read)} has {quoted(item)} twice, {sending(run, item)[1]}"
        return Contradiction((longest["row"][0],), sentence(why))
    for item in stands.filter(pl.col("ok").is_null())["item"].head(1):
        rows, sent = sending(run, item)
        (*_, read) = run.operations(*rows, longest["row"][0])
        why = f"{whose(read)} has {quoted(item)}, {sent}"
        return Contradiction((*rows, longest["row"][0]), sentence(why))
    moved = stands.filter(pl.col("ok") & (pl.col("value") != pl.col("at"))).head(1)
    if moved.height:
        rows = (moved["row_append"][0], moved["row"][0])
        append, read = run.operations(*rows)
        why = f"{whose(append)} {answer(append)}, and {whose(read)} has it at {moved['at'][0]:,}"
        return Contradiction(rows, sentence(why))
    place = pl.col("ok") & pl.col("value").is_between(1, longest.height)
    absent = run.appends.filter(place).join(longest, on="item", how="anti").sort("end").head(1)
    if absent.height:
        rows = (absent["row"][0], longest["row"][0])
        append, read = run.operations(*rows)
        other = (read.items or ())[absent["value"][0] - 1]
        why = f"{whose(append)} {answer(append)}, and {whose(read)} has {quoted(other)} there"
        return Contradiction(rows, sentence(why))
    seen = stands.filter(~pl.col("ok") | pl.col("value").is_null())
    seen = seen.select(row="row_append", value="at")
    pending = [run.items.unknown.with_columns(end=pl.lit(NEVER)), run.items.blind]
    columns = run.items.blind.columns
    placed = pl.concat([part.select(columns) for part in pending]).join(seen, on="row")
    placed = placed.with_columns(write=pl.lit(True), rank=2 * pl.col("value"))
    answered = pl.concat([run.items.answered, placed.select(run.items.answered.columns)])
    return replace(
        run.items,
        answered=answered.sort("rank", "start"),
        unknown=run.items.unknown.join(seen, on="row", how="anti"),
        blind=run.items.blind.join(seen, on="row", how="anti"),
    )


def sending(run: Run, item: str) -> tuple[tuple[int, ...], str]:
    """Return the row that sent an unexpected item, if any, and half a sentence about it."""
    sent = run.history.lazy().with_row_index("row").filter(op=LIST.write, item=item)
    rows = sent.select("row", "outcome").collect()
    here = rows.join(run.appends, on="row", how="semi")
    before = rows.filter(pl.col("outcome") != "fail").join(here, on="row", how="anti")
    if here.height:
        since = " after the create" if before.height else ""
        return (here["row"][0],), f"and it was sent once{since}"
    if before.height:
        return (before["row"][0],), "and it was sent before the create"
    if rows.height:
        refused = "append was" if rows.height == 1 else "appends were"
        return (rows["row"][0],), f"although its {refused} refused"
    return (), "and nobody sent it"


def _impossible(run: Run, state: State) -> Contradiction | None:
    """An increment answered less than 1, or a read of less than 0."""
    rows = state.answered.filter(pl.col("rank") < 1).sort("end", "row")["row"].head(1)
    if rows.is_empty():
        return None
    (operation,) = run.operations(*rows)
    least = 0 if operation.op == COUNTER.read else 1
    why = f"{whose(operation)} {answer(operation)}, and the lowest possible answer is {least}"
    return Contradiction(tuple(rows), sentence(why))


def _equal_writes(run: Run, state: State) -> Contradiction | None:
    """Two writes with one answer."""
    pair = same_value(state).head(1)
    if pair.is_empty():
        return None
    rows = (pair["first"][0], pair["row"][0])
    one, other = run.operations(*rows)
    why = f"{whose(one)} and {whose(other)} were both answered {one.value:,}{where(one, other)}"
    return Contradiction(rows, sentence(why))


def same_value(state: State) -> pl.DataFrame:
    """Return writes whose answer repeats another's, earliest first: row, first, value."""
    valued = state.writes.select("row", "value", "end", first=pl.col("row").shift(1))
    again = valued.filter(pl.col("value") == pl.col("value").shift(1))
    return again.sort("end", "row").select("row", "first", "value")


def end_above(within: Within | None, above: pl.Expr | None = None) -> pl.Expr:
    """For operations by rank and start: the earliest end among those of a larger rank (if
    `above`). Nobody of the same rank who comes later in this order ends before one begins."""
    end = pl.col("end") if above is None else pl.when(above).then("end").otherwise(NEVER)
    earliest = end.cum_min(reverse=True).shift(-1, fill_value=NEVER)
    return earliest.over(within) if within else earliest


def _too_early(run: Run, state: State, within: Within | None) -> Contradiction | None:
    """Something ended before something of a smaller rank began."""
    late = state.answered.with_columns(ended=end_above(within))
    late = late.filter(pl.col("ended") < pl.col("start"))
    late = late.sort("ended", "start", "row").head(1)
    if late.is_empty():
        return None
    higher = pl.col("rank") > late["rank"][0]
    if within:
        higher &= pl.col(within) == late[within][0]
    early = state.answered.filter(higher & (pl.col("end") == late["ended"][0])).head(1)
    rows = (early["row"][0], late["row"][0])
    one, other = run.operations(*rows)
    ended, began = run.moments((one, one.end), (other, other.start))
    why = yet(one, other, ended, began, late["value"][0])
    return Contradiction(rows, sentence(why))


def _without_value(run: Run, state: State, within: Within | None) -> Contradiction | None:
    """More numbers have no owner than unknown and blind writes can have taken, or fewer."""
    placed = _placed(state, within)
    if isinstance(placed, pl.DataFrame):
        return None
    return _crowded(run, state, placed) if placed.ends < NEVER else _gap(run, state, placed)


@dataclass(frozen=True)
class Misfit:
    """The place where earliest deadline first fails.

    Either nobody can take the number of this `rank`, or a blind write's window `ends` before it
    got a number. `windows` holds all of them.
    """

    rank: int
    ends: int
    windows: pl.DataFrame
    within: Within


def _gap(run: Run, state: State, misfit: Misfit) -> Contradiction:
    """Nobody can have taken a number."""
    taken = state.writes["value"]
    missing = state.most - taken.len()
    able = misfit.windows.height
    gap = misfit.rank // 2
    if missing > able:
        other = (taken != pl.int_range(1, taken.len() + 1, eager=True)).arg_true()
        gap = 1 + (taken.len() if other.is_empty() else other[0])
    alone = missing <= able and state.blind.is_empty()
    seen, late = pl.lit(True), misfit.windows.clear()
    if alone:
        earlier = gap - 1 - taken.filter(taken < gap).len()
        late = misfit.windows[earlier : earlier + 1]
        seen = pl.col(misfit.within) == late[misfit.within][0]
    higher = state.answered.filter(seen & (pl.col("rank") > 2 * gap)).sort("end", "row").head(1)
    rows = (higher["row"][0], *late["row"])
    one, *unknown = run.operations(*rows)
    why = f"{whose(one)} {answer(one, higher['value'][0])}, yet nobody was answered {gap:,}"
    if unknown:
        ended, began = run.moments((one, one.end), (unknown[0], unknown[0].start))
        why += f": it ended at {ended}, and {whose(unknown[0])}, unknown, began later, at {began}"
    elif able and missing > able:
        kind = "unknown" if state.blind.is_empty() else "unknown or blind"
        takers = number(able, f"{kind} {state.write}")
        why += f" (numbers missing: {missing:,}, with {takers} to take them)"
    elif able:
        why += f", and too few {state.write}s without a value can have been it, or one near it"
    return Contradiction(rows, sentence(why))


def _crowded(run: Run, state: State, misfit: Misfit) -> Contradiction:
    """More blind writes than free numbers between what had been answered before and after them."""
    taken = state.writes["value"].sort()
    top = (misfit.ends - 1) // 2
    jobs = misfit.windows.filter(pl.col("ceiling") <= misfit.ends)
    jobs = jobs.sort("floor", descending=True).with_columns(
        n=pl.int_range(1, pl.len() + 1, dtype=pl.Int64), least=pl.col("floor") // 2 + 1
    )
    up_to = int((taken <= top).sum())
    below = taken.search_sorted(jobs["least"], "left").cast(pl.Int64)
    jobs = jobs.with_columns(free=top - pl.col("least") + 1 - (up_to - below))
    # all of one beginning together
    full = jobs.group_by("floor", maintain_order=True).last().filter(pl.col("n") > pl.col("free"))
    floor, least, n = full.select("floor", "least", "n").row(0)
    job = jobs.filter(pl.col("floor") >= floor).sort("end", "row").tail(1)
    seen = state.answered.filter(pl.col(misfit.within) == job[misfit.within][0])
    before = seen.filter((pl.col("rank") >= floor) & (pl.col("end") < job["start"][0]))
    before = before.sort("end", "row").head(1 if floor else 0)
    after = seen.filter((pl.col("rank") <= misfit.ends) & (pl.col("start") > job["end"][0]))
    after = after.sort("start", "row").tail(1)
    rows = (*before["row"], job["row"][0], *after["row"])
    *earlier, one, later = run.operations(*rows)
    began = f"began after {whose(earlier[0])} {answer(earlier[0])} and " if earlier else ""
    why = f"{whose(one)} {began}ended before {whose(later)} began, which {answer(later)}"
    if top < least:
        return Contradiction(rows, sentence(f"{why}, so that no number is left for it"))
    which = f"number {least:,}" if top == least else f"one of the numbers {least:,} to {top:,}"
    why += f": it was {which}"
    if n > 1:
        others = number(n - 1, f"other {state.write}")
        why += f", and so {'was' if n == 2 else 'were'} {others} answered without the count"
    if given := up_to - int((taken < least).sum()):
        why += f", of which {given:,} {'was' if given == 1 else 'were'} answered to others"
    return Contradiction(rows, sentence(why))


def _windows(state: State, within: Within) -> pl.DataFrame:
    """The writes without a number, and the ranks between which each has its own: row, start,
    end, clock, blind, floor (the highest of what had ended before it began, or 0),
    ceiling (the lowest of what began after it ended, or NEVER). By floor and start."""
    place = ["row", "start", "end", *{"clock", within}]
    unknown = state.unknown.with_columns(end=pl.lit(NEVER)).select(*place, blind=False)
    pending = pl.concat([unknown, state.blind.select(*place, blind=True)])
    on: dict[str, Any] = {
        "right_on": "at",
        "by": within,
        "allow_exact_matches": False,
        "check_sortedness": False,
    }
    ended = state.answered.filter(pl.col("end") < NEVER).sort("end")
    ended = ended.select(within, at="end", floor=pl.col("rank").cum_max().over(within))
    pending = pending.sort("start").join_asof(ended, left_on="start", **on)
    if state.blind.is_empty():
        pending = pending.with_columns(ceiling=pl.lit(NEVER))
    else:
        lowest = pl.col("rank").cum_min(reverse=True).over(within)
        begun = state.answered.sort("start").select(within, at="start", ceiling=lowest)
        pending = pending.sort("end").join_asof(begun, left_on="end", strategy="forward", **on)
    filled = (pl.col("floor").fill_null(0), pl.col("ceiling").fill_null(NEVER))
    pending = pending.select(*place, "blind", *filled)
    return pending.sort("floor", "start", "row")


def _placed(state: State, within: Within | None) -> pl.DataFrame | Misfit:
    """The numbers without an owner, and the unknown or blind write that takes each: rank, row,
    start, clock."""
    within = within or "clock"
    windows = _windows(state, within)
    place = ["row", "start", "clock"]
    # that far there is one gap too many, and whoever says 10¹² wants no 10¹² numbers looked at
    enough = min(state.most, state.writes.height + windows.height + 1)
    ranks = pl.DataFrame({"rank": pl.int_range(1, enough + 1, eager=True) * 2})
    gaps = ranks.join(state.writes, on="rank", how="anti").sort("rank")
    if gaps.height > windows.height:
        return Misfit(gaps["rank"][windows.height], NEVER, windows, within)
    if state.blind.is_empty():  # no window ends
        filled = pl.concat([gaps, windows.head(gaps.height)], how="horizontal")
        late = filled.filter(pl.col("floor") > pl.col("rank"))
        return (
            Misfit(late["rank"][0], NEVER, windows, within)
            if late.height
            else filled.select("rank", *place)
        )
    floors, ends, starts = (windows[name].to_list() for name in ("floor", "ceiling", "start"))
    ready: list[tuple[int, int, int]] = []
    chosen, at = [], 0
    for rank in gaps["rank"]:
        while at < len(floors) and floors[at] < rank:
            heappush(ready, (ends[at], starts[at], at))
            at += 1
        if not ready or ready[0][0] < rank:
            return Misfit(rank, ready[0][0] if ready else NEVER, windows, within)
        chosen.append(heappop(ready)[2])
    left = windows.with_row_index().filter(~pl.col("index").is_in(chosen), "blind").sort("start")
    first = min(left["ceiling"], default=NEVER)
    if first < NEVER:
        return Misfit(2 * state.most + 2, first, windows, within)
    filled = pl.concat([gaps, windows[chosen].select(place)], how="horizontal")
    beyond = 2 * (state.most + pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    return pl.concat([filled, left.select(beyond.alias("rank"), *place)])


def numbers(state: State) -> dict[int, int]:
    """The number that each unknown or blind write would have to take, by its row; none if they
    cannot take those that nobody was answered."""
    placed = _placed(state, None)
    if isinstance(placed, Misfit):
        return {}
    return dict(placed.select("row", pl.col("rank") // 2).iter_rows())


def order(run: Run) -> pl.DataFrame | None:
    """The certificate: the operations in an order that explains every answer, or None.

    The history's columns, and `at`: an instant between start and end, in this order. (Of
    several clocks: the counter first, then the list, as instants of two clocks have no order.)
    Left out are failed operations, unknown reads, and unknown writes that need not have
    happened.
    """
    orders = []
    for state in run.states:
        if contradiction(run, state) is not None:
            return None
        named = _named(run) if state.kind is LIST else state
        assert isinstance(named, State)
        columns = ["row", "rank", "start", "clock"]
        placed = _placed(named, None)
        assert isinstance(placed, pl.DataFrame)
        ranked = pl.concat([named.answered.select(columns), placed.select(columns)])
        at = pl.col("start").cum_max().over("clock")
        orders.append(ranked.sort("rank", "start").select("row", at=at))
    empty = pl.DataFrame(schema={"row": pl.UInt32, "at": pl.Int64})
    both = pl.concat([empty, *orders])
    if run.within is None:
        both = both.sort("at", maintain_order=True)
    return run.history[both["row"]].with_columns(both["at"])
