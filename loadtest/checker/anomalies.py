"""The anomalies, one function each: a run → how many there are, and the operations that prove it.

What is known of an anomaly stands above its function, and how it is counted below. In all of them
n increments were acknowledged and m are unknown, and "a before b" means: a ended before b began,
on one clock. Each function returns None where there is nothing to find.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from loadtest.checker.division import LABELLED, LABELS, LEVELS, Division
from loadtest.checker.linearizability import (
    Contradiction,
    contradiction,
    end_above,
    jointly,
    same_value,
    sending,
)
from loadtest.checker.run import NEVER, Run, State
from loadtest.checker.words import (
    answer,
    number,
    quoted,
    sentence,
    where,
    where_each,
    who,
    whose,
    yet,
)
from loadtest.history import SCHEMA, Operation
from loadtest.kinds.list import LIST


@dataclass(frozen=True)
class Anomaly:
    """An anomaly: its name, how often it happened, and the earliest case that proves it."""

    name: str
    count: int
    witness: tuple[Operation, ...]
    why: str


@dataclass(frozen=True)
class Finding:
    """A finding: a number, the operations that prove it, and a sentence or two about them."""

    count: int
    witness: tuple[Operation, ...]
    why: str


@dataclass(frozen=True)
class Definition:
    """The definition of an anomaly.

    source    who defined it
    final     no later answer can undo it; the others may only seem so as long as requests are
              under way or an audit is still to come
    explains  the state itself is wrong, and answers that follow from it are, too
    find      its definition
    """

    name: str
    meaning: str
    source: str
    final: bool
    explains: bool
    find: Callable[[Run], Finding | None]


def anomaly(
    name: str, meaning: str, *, source: str, final: bool = False, explains: bool = False
) -> Callable[[Callable[[Run], Finding | None]], Definition]:
    """The anomaly that the function below finds."""
    return lambda find: Definition(name, meaning, source, final, explains, find)


@anomaly(
    "lost update",
    "two increments of a copy that loses some overlap and are answered the same",
    source="P4 of Berenson et al. 1995; Elle (Kingsbury & Alvaro 2020)",
    explains=True,
)
def lost_update(run: Run) -> Finding | None:
    """Which increments are gone is not known: two equal answers show how, and the audit that.
    Counted: answers that repeat one like this.

        A@1.1    |-- increment → 1 --|
        B@1.2        |-- increment → 1 --|
        audit@1.3                            |-- read → 1 --|
    """
    division = run.counter_division
    if division is None or division.lost == 0 or division.of not in ("none", "worker", "thread"):
        return None
    by = LEVELS.get(division.of, [])
    losing = pl.DataFrame(
        [[copy.boot, copy.worker, copy.thread] for copy in division.copies if copy.lost],
        schema={name: SCHEMA[name] for name in LEVELS["thread"]},
        orient="row",
    )
    same = pl.col("value") == pl.col("value").shift(1)
    equal = run.counter.writes.filter(same | same.shift(-1))
    equal = equal.with_columns(run.history.select(LEVELS["thread"])[equal["row"]])
    if by:
        equal = equal.join(losing, on=by, how="semi", nulls_equal=True)
    before = pl.col("row", "end", "boot", "worker").shift(1).over("value", *by)
    pairs = equal.sort("value", "start").with_columns(before.name.prefix("first_"))
    pairs = pairs.drop_nulls("first_row")
    # where something is lost, one clock timed all increments
    pairs = pairs.filter(pl.col("first_end") >= pl.col("start")).sort("end", "row")
    if pairs.is_empty():
        return None
    # in one process it is easier to follow
    one_worker = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(f"first_{name}")) for name in LEVELS["worker"]
    )
    shown = pairs.filter(one_worker) if pairs.select(one_worker.any()).item() else pairs
    one, other = run.operations(*shown.select("first_row", "row").row(0))
    why = (
        f"{whose(one)} and {whose(other)} overlapped and were both answered {one.value or 0:,}"
        f"{where(one, other)}"
    )
    return Finding(pairs.height, (one, other), f"{sentence(why)} {_losses(run, division)}")


def _only(count: int, noun: str) -> str:
    return f"only {number(count, noun)}" if count else f"no {noun}"


def _losses(run: Run, division: Division) -> str:
    acknowledged = number(run.counter.acknowledged, "acknowledged increment")
    return f"{division.lost:,} of {acknowledged} {'is' if division.lost == 1 else 'are'} lost."


@anomaly(
    "lost increment",
    "the audit reads fewer increments than were acknowledged",
    source="Jepsen's counter checker",
    explains=True,
)
def lost_increment(run: Run) -> Finding | None:
    """Count acknowledged increments that are missing from the state.

    With several copies, each copy is compared with the increments acknowledged there. Unknown
    increments are never lost.

        A@1      |-- increment → 1 --|
        B@1          |-- increment → 2 --|
        audit@1                              |-- read → 1 --|       one of the two is gone
    """
    division = run.counter_division
    if division is None or division.lost == 0:
        return None
    copy = max(division.copies, key=lambda copy: copy.lost)
    audit, ends, there = run.counter.audit, run.counter.ends, ""
    if copy.audited is not None:
        audit = audit.filter(pl.col("value").clip(0) == copy.audited)
    if by := LEVELS[division.of] if division.of in LABELS else []:
        here = pl.all_horizontal(
            pl.col(name).cast(pl.String).eq_missing(pl.lit(label).cast(pl.String))
            for name, label in zip(by, (copy.boot, copy.worker, copy.thread), strict=False)
        )
        audit, there = audit.filter(here), f" there, at {copy.label}"
        ends = ends.with_columns(run.history.select(by)[ends["row"]]).filter(here)
    one, read = run.operations(ends.sort("at")["row"][-1], audit.sort("end")["row"][-1])
    known = division.of in ("none", "request", *LABELS)
    before = f", and {number(ends.height, 'increment')} had been acknowledged{there}"
    why = sentence(f"{whose(read)} {answer(read)}{before if known else ''}")
    return Finding(division.lost, (one, read), f"{why} {_losses(run, division)}")


@anomaly("over-count", "a value above n + m is answered", source="Jepsen's counter checker")
def over_count(run: Run) -> Finding | None:
    """Counted: such answers.

    A  |-- increment → 2 --|                      there was one increment, and it says 2
    """
    counter = run.counter
    begun = counter.acknowledged + counter.unknown.height
    above = counter.answered.filter(pl.col("value") > begun).sort("end", "row")
    if above.is_empty():
        return None
    (one,) = run.operations(above["row"][0])
    why = f"{whose(one)} {answer(one)}{where(one)}, and {_only(begun, 'increment')} ever began"
    return Finding(above.height, (one,), sentence(why))


@anomaly(
    "duplicate value",
    "one value is answered to two increments",
    source="Jepsen's unique-ids checker",
    final=True,
)
def duplicate_value(run: Run) -> Finding | None:
    """Counted: answers that repeat one.

    A  |-- increment → 1 --|
    B                          |-- increment → 1 --|
    """
    pairs = same_value(run.counter)
    if pairs.is_empty():
        return None
    shown = pairs
    if run.counter_division is not None and run.counter_division.of == "worker":
        a, b = (run.history.select(LEVELS["worker"])[pairs[name]] for name in ("first", "row"))
        two_workers = pairs.filter(
            a["boot"].ne_missing(b["boot"]) | a["worker"].ne_missing(b["worker"])
        )
        shown = two_workers if two_workers.height else pairs
    one, other = run.operations(shown["first"][0], shown["row"][0])
    why = f"{whose(one)} and {whose(other)} were both answered {one.value:,}{where(one, other)}"
    return Finding(pairs.height, (one, other), sentence(why))


@anomaly(
    "skipped value",
    "more gaps below the highest answer than unanswered increments can explain",
    source="counting networks (Aspnes, Herlihy & Shavit 1994)",
)
def skipped_value(run: Run) -> Finding | None:
    """Counted: the missing ones beyond those.

    A  |-- increment → 1 --|
    B                          |-- increment → 3 --|          nobody was answered 2
    """
    before = pl.col("value").shift(1, fill_value=0)
    answers = run.counter.writes.filter(pl.col("value") > 0).select(
        "row", before=before, first=pl.col("row").shift(1), missing=pl.col("value") - before - 1
    )
    gaps = answers.filter(pl.col("missing") > 0)
    missing = int(gaps["missing"].sum())
    without = run.counter.unknown.height + run.counter.blind.height
    if missing <= without:
        return None
    gap = gaps.head(1)
    rows = [row for row in (gap["first"][0], gap["row"][0]) if row is not None]
    operations = run.operations(*rows)
    why = (
        f"nobody was answered {gap['before'][0] + 1:,}, yet {whose(operations[-1])} "
        f"{answer(operations[-1])}; missing in all: {number(missing, 'value')}"
    )
    if without:
        why += f", increments without a value: {without:,}"
    return Finding(missing - without, operations, sentence(why))


@anomaly(
    "real-time inversion",
    "of two increments, a before b, yet a is answered as much as b or more",
    source="Herlihy & Wing 1990",
    final=True,
)
def real_time_inversion(run: Run) -> Finding | None:
    """Counted: increments that come too late.

    A  |-- increment → 2 --|
    B                          |-- increment → 1 --|
    """
    ends = pl.col("end").cum_min(reverse=True)
    new = pl.col("value").ne_missing(pl.col("value").shift(1))
    # the earliest end of all that were answered as much or more, equals included
    ended = pl.when(new).then(ends).forward_fill()
    writes = run.counter.writes
    late = writes.with_columns(ended=ended.over(run.within) if run.within else ended)
    late = late.filter(pl.col("ended") < pl.col("start")).sort("end", "row")
    if late.is_empty():
        return None
    b = late.row(0, named=True)
    more = (pl.col("end") == b["ended"]) & (pl.col("value") >= b["value"])
    first = writes.filter(more & (pl.col("clock") == b["clock"]))["row"][0]
    return Finding(late.height, *_yet(run, first, b["row"]))


def _yet(run: Run, first: int, second: int) -> tuple[tuple[Operation, ...], str]:
    """Return two operations, one before the other, and the answers that contradict it."""
    one, other = run.operations(first, second)
    ended, began = run.moments((one, one.end), (other, other.start))
    return (one, other), sentence(yet(one, other, ended, began))


@anomaly(
    "stale read",
    "a read below the writes acknowledged before it began, or below a value seen",
    source="Jepsen's counter and set-full checkers",
    final=True,
)
def stale_read(run: Run) -> Finding | None:
    """A read of the list counts by its length. Counted: such reads.

    A  |-- increment → 1 --|
    B                          |-- read → 0 --|
    """
    found = []
    for state in run.states:
        reads = state.answered.with_columns(ended=end_above(run.within)).filter(~pl.col("write"))
        reads = _counted(run, reads, "start", state.ends, exact=False)
        below = (pl.col("value") < pl.col("before")) | (pl.col("ended") < pl.col("start"))
        found.append((state, reads.filter(below)))
    earliest = _earliest(found)
    if earliest is None:
        return None
    count, state, read = earliest
    clock = pl.col("clock") == read["clock"]
    if read["ended"] < read["start"]:
        higher = (pl.col("end") == read["ended"]) & (pl.col("rank") > read["rank"])
        first = state.answered.filter(higher & clock)["row"][0]
        return Finding(count, *_yet(run, first, read["row"]))
    before = state.ends.filter(clock & (pl.col("at") < read["start"])).sort("at")["row"]
    *last, one = run.operations(*before.tail(1), read["row"])
    why = (
        f"{whose(one)} {answer(one)}{where(one)}, and {number(read['before'], state.write)} had "
        f"been acknowledged before it began"
    )
    if last:
        why += f", the last of them {whose(last[0])}"
    return Finding(count, (*last, one), sentence(why))


@anomaly(
    "future read",
    "a read above all the writes that had begun when it ended",
    source="Jepsen's counter checker",
)
def future_read(run: Run) -> Finding | None:
    """A read of the list counts by its length. Counted: such reads.

    A  |-- read → 1 --|
    B                     |-- increment → 1 --|
    """
    found = []
    for state in run.states:
        begun = state.begins
        reads = _counted(run, state.reads, "end", begun, exact=True)
        if run.within:  # what another clock has timed may have begun
            reads = reads.join(begun.group_by("clock").len("here"), on="clock", how="left")
            elsewhere = begun.height - pl.col("here").fill_null(0).cast(pl.Int64)
            reads = reads.with_columns(pl.col("before") + elsewhere)
        found.append((state, reads.filter(pl.col("value") > pl.col("before"))))
    earliest = _earliest(found)
    if earliest is None:
        return None
    count, state, read = earliest
    (one,) = run.operations(read["row"])
    (ended,) = run.moments((one, one.end))
    why = (
        f"{whose(one)} {answer(one)}{where(one)}, and {_only(read['before'], state.write)} "
        f"{'can have' if run.within else 'had'} begun when it ended at {ended}"
    )
    return Finding(count, (one,), sentence(why))


def _counted(
    run: Run,
    reads: pl.DataFrame,
    on: Literal["start", "end"],
    moments: pl.DataFrame,
    *,
    exact: bool,
) -> pl.DataFrame:
    """The reads with `before`: how many of the moments (clock, at) are before the read's start
    or end on its clock, or `exact`ly then."""
    moments = moments.sort("at")
    if not run.within:
        side: Literal["left", "right"] = "right" if exact else "left"
        before = moments["at"].search_sorted(reads[on], side).cast(pl.Int64)
        return reads.with_columns(before=before)
    nth = pl.int_range(1, pl.len() + 1).over(run.within)
    return (
        reads.sort(on)
        .join_asof(
            moments.select("clock", "at", before=nth),
            left_on=on,
            right_on="at",
            by=run.within,
            allow_exact_matches=exact,
            check_sortedness=False,
        )
        .with_columns(pl.col("before").fill_null(0))
    )


def _earliest(
    found: list[tuple[State, pl.DataFrame]],
) -> tuple[int, State, dict[str, Any]] | None:
    """Count the rows, and find the layout and the row that ended first."""
    firsts = [
        (row["end"], n, state, row)
        for n, (state, rows) in enumerate(found)
        for row in rows.sort("end", "row").head(1).iter_rows(named=True)
    ]
    if not firsts:
        return None
    _, _, state, row = min(firsts, key=lambda first: first[:2])
    return sum(rows.height for _, rows in found), state, row


@anomaly(
    "non-monotonic read",
    "one client reads, then reads less",
    source="monotonic reads (Terry et al. 1994; Viotti & Vukolić 2016)",
    final=True,
)
def non_monotonic_read(run: Run) -> Finding | None:
    """A read of the list counts by its length. Counted: reads that are less than an earlier one of
    their client.

        A  |-- read → 2 --|  |-- read → 1 --|
    """
    return _less_than_before(run, pl.lit(True), lambda state: state.reads)


@anomaly(
    "read-your-writes",
    "one client's write is answered v, then it reads less than v",
    source="read your writes (Terry et al. 1994; Viotti & Vukolić 2016)",
    final=True,
)
def read_your_writes(run: Run) -> Finding | None:
    """A read of the list counts by its length. Counted: such reads.

    A  |-- increment → 2 --|  |-- read → 1 --|
    """
    return _less_than_before(run, pl.col("write"), lambda state: state.answered)


def _less_than_before(
    run: Run, above: pl.Expr, of: Callable[[State], pl.DataFrame]
) -> Finding | None:
    """Reads of less than something (`above`) that the same client was answered before."""
    found = []
    for state in run.states:
        less = of(state).with_columns(ended=end_above("client", above))
        found.append((state, less.filter(~pl.col("write") & (pl.col("ended") < pl.col("start")))))
    earliest = _earliest(found)
    if earliest is None:
        return None
    count, state, read = earliest
    higher = of(state).filter(
        above
        & (pl.col("client") == read["client"])
        & (pl.col("rank") > read["rank"])
        & (pl.col("end") < read["start"])
    )
    one, other = run.operations(higher.sort("end")["row"][-1], read["row"])
    at, then_at = where_each(one, other)
    first, then = (who(one), "") if who(one) == who(other) else (whose(one), f"{whose(other)} ")
    why = f"{first} {answer(one)}{at}, and then {then}{answer(other)}{then_at}"
    return Finding(count, (one, other), sentence(why))


@anomaly(
    "reset",
    "a worker or a store lost its state: the count restarts below a value already answered",
    source="durability (Härder & Reuter 1983); a worker that is restarted forgets its memory",
    explains=True,
)
def reset(run: Run) -> Finding | None:
    """Find a boot that went, of which no audit heard, while those after it count again below.

    Or else one copy went back to an earlier state, while no request was under way that may have
    written back what it read before; or one thread of a boot counts from 1 again. Counted: boots
    that went, or such answers.

    A, boot 1      |-- increment → 1 --|
    B, boot 2                              |-- increment → 1 --|
    audit, boot 2                                                 |-- read → 1 --|
    """
    for state, division, resets in (
        (run.counter, run.counter_division, run.resets),
        (run.items, run.items_division, run.items_resets),
    ):
        if division and division.of in ("request", "client"):
            continue
        if not resets.is_empty():
            return _went(run, division, resets)
        for copy in division.copies if division else ():
            if division is None or division.of not in ("none", "worker") or not copy.lost:
                continue
            drops = run.drops(state, copy if division.of == "worker" else None)
            if not drops.is_empty():
                return _went_back(run, drops)
    return _from_one_again(run)


def _went_back(run: Run, drops: pl.DataFrame) -> Finding:
    """One copy shows less than it held at a moment when no write was under way."""
    one, other = run.operations(*drops.select("other", "row").row(0))
    why = (
        f"{whose(one)} {answer(one)}{where(one)}, and later {whose(other)} {answer(other)}"
        f"{where(other)}, though no request was under way in between that may have written back "
        "what it read before: the state went back to an earlier one"
    )
    return Finding(drops.height, (one, other), sentence(why))


def _went(run: Run, division: Division | None, resets: pl.DataFrame) -> Finding:
    """A boot went, and its count with it."""
    old, new, *rows = resets.row(0)
    one, other = run.operations(*rows)
    at, then_at = where(one), where(other)
    why = sentence(
        f"{whose(one)} {answer(one)}{at} (boot {old}), which later answered no more; "
        f"then {whose(other)} {answer(other)}{then_at} (boot {new})"
    )
    if division is not None and division.forgotten:
        acknowledged = number(division.forgotten, f"acknowledged {run.write_of(division.what)}")
        why += f" {acknowledged} {'is' if division.forgotten == 1 else 'are'} forgotten."
    return Finding(resets.height, (one, other), why)


def _from_one_again(run: Run) -> Finding | None:
    """Find an increment that was answered 1 after its thread had answered others.

    Nobody was under way then who may write back what they read before all of them.

    Of copies per thread each has its own 1."""
    division = run.counter_division
    if division is None or division.of not in ("none", "worker") or division.not_audited:
        return None
    if any(copy.acknowledged - copy.lost > (copy.audited or 0) for copy in division.copies):
        return None
    labels = run.history.select("boot", pl.col("thread").fill_null(-1))
    writes = run.counter.writes
    writes = writes.with_columns(labels[writes["row"]]).drop_nulls("boot")
    here = ["boot", "clock", "thread"]
    ended = writes.sort("end").select(*here, "end", before="row")
    again = (
        writes.filter(value=1)
        .sort("start")
        .select(*here, "start", "row")
        .join_asof(
            ended,
            left_on="start",
            right_on="end",
            by=here,
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .drop_nulls("before")
    )
    if again.is_empty():
        return None
    firsts = writes.group_by("boot", "clock").agg(first=pl.col("end").min())
    clock = pl.col("clock").to_physical().cast(pl.Int64).fill_null(-1)
    until = pl.when(outcome="unknown").then(NEVER).otherwise("end")
    under_way = run.rows.select(clock, "start", until=until).collect()
    early = firsts.join(under_way, on="clock").filter(pl.col("start") <= pl.col("first"))
    early = early.group_by("boot", "clock").agg(pl.col("until").max())
    again = again.join(early, on=["boot", "clock"])
    again = again.filter(pl.col("start") > pl.col("until"))
    if again.is_empty():
        return None
    one, other = run.operations(*again.select("before", "row").row(0))
    why = f"{whose(one)} {answer(one)}{where(one)}, and later {whose(other)} {answer(other)} there"
    return Finding(again.height, (one, other), sentence(why))


@anomaly(
    "lost item",
    "an append was acknowledged, and no audit has its item",
    source="Jepsen's set-full checker (lost)",
    explains=True,
)
def lost_item(run: Run) -> Finding | None:
    """Appends to a copy of the list that no audit has reached are not counted.

    A@1      |-- append x → 1 --|
    B@1          |-- append y → 2 --|
    audit@1                             |-- items → [y] --|
    """
    audit, division = run.items.audit, run.items_division
    if division is None or division.of in ("unclear", "client") or run.threads_hidden(run.items):
        return None
    audits = run.rows.filter(op=LIST.read, outcome="ok", phase="audit")
    present = audits.select(item="items").collect().explode("item")
    absent = run.appends.filter("ok").join(present, on="item", how="anti")
    absent = absent.with_columns(run.history.select(LEVELS["thread"])[absent["row"]])
    by = ["clock"] if run.within else []
    audit = audit.with_columns(run.history.select("clock")[audit["row"]])
    if division.of not in ("none", "request") or not division.lost:
        # it may be in a copy that was not reached; and where none is missing, in that of a thread
        absent = absent.filter(LABELLED) if division.of != "none" else absent
        by += LEVELS["worker" if division.lost and division.of != "thread" else "thread"]
    by = by or ["all"]
    absent, audit = (part.with_columns(all=pl.lit(0)) for part in (absent, audit))
    last = audit.sort("start").group_by(by, maintain_order=True).last()
    last = last.select(*by, read="row", began="start")
    absent = absent.join(last, on=by, nulls_equal=True).filter(pl.col("began") > pl.col("end"))
    if absent.is_empty():
        return None
    one, read = run.operations(*absent.sort("end", "row").select("row", "read").row(0))
    why = f"{whose(one)} {answer(one)}{where(one)}, and no audit has it"
    return Finding(absent.height, (one, read), sentence(why))


@anomaly(
    "duplicated item",
    "an item stands twice in one read, and it was sent once",
    source="Jepsen's set-full checker (duplicated)",
    final=True,
    explains=True,
)
def duplicated_item(run: Run) -> Finding | None:
    """Counted: such items.

    A  |-- append x → 1 --|
    B                         |-- items → [x, x] --|
    """
    if run.longest.is_empty():
        return None
    again = pl.struct("row", "item").is_duplicated()
    twice = _in_reads(run, lambda reads: reads.filter(again))
    return _in_a_read(run, twice, " twice,")


@anomaly(
    "unexpected item",
    "a read has an item that nobody sent, or whose append was refused",
    source="Jepsen's set checker (unexpected)",
    explains=True,
)
def unexpected_item(run: Run) -> Finding | None:
    """Counted: such items.

    A  |-- items → [y] --|                                        nobody ever sent y
    """
    if run.longest.is_empty():
        return None
    sent = run.appends.select("item")
    unsent = _in_reads(run, lambda reads: reads.join(sent, on="item", how="anti"))
    return _in_a_read(run, unsent, ",")


def _in_reads(run: Run, wrong: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
    """Collect what is wrong in reads of the list, a part of the reads at a time."""
    return pl.concat(wrong(reads) for reads in run.different_reads())


def _in_a_read(run: Run, wrong: pl.DataFrame, how: str) -> Finding | None:
    """Items that should not stand in a read as they do."""
    if wrong.is_empty():
        return None
    ends = run.items.reads.select("row", "end")
    item, row = wrong.join(ends, on="row").sort("end", "row", "at").select("item", "row").row(0)
    rows, sent = sending(run, item)
    *appends, read = run.operations(*rows, row)
    why = f"{whose(read)} has {quoted(item)}{how} {sent}"
    return Finding(wrong["item"].n_unique(), (*appends, read), sentence(why))


@anomaly(
    "fork",
    "of two reads of the list, neither is the beginning of the other",
    source="Elle (incompatible order)",
    final=True,
)
def fork(run: Run) -> Finding | None:
    """Counted: reads that are not a beginning of the longest.

    A  |-- items → [x] --|
    B                        |-- items → [y, z] --|
    """
    if run.longest.is_empty():
        return None
    if run.forks.is_empty():
        return None
    ends = run.items.reads.select("row", "end")
    row, at = run.forks.join(ends, on="row").sort("end", "row").select("row", "at").row(0)
    one, other = run.operations(row, run.longest["row"][0])
    its, others = ((read.items or ())[at - 1] for read in (one, other))
    why = (
        f"at position {at:,} {whose(one)} has {quoted(its)}, "
        f"and {whose(other)} has {quoted(others)}"
    )
    if at_ := where(one, other):
        why += f"; they were answered{at_}"
    return Finding(run.forks.height, (one, other), sentence(why))


@anomaly(
    "reordered item",
    "append a before append b, yet b stands before a in a read",
    source="Elle (G0-realtime)",
    final=True,
)
def reordered_item(run: Run) -> Finding | None:
    """Counted: items that stand too early.

    A  |-- append x → 1 --|
    B                         |-- append y → 2 --|
    C                                                |-- items → [y, x] --|
    """
    if run.longest.is_empty():
        return None
    within = ["row", run.within] if run.within else ["row"]
    appends = run.appends.select("item", "start", "end", "clock", append="row")
    ended = pl.col("end").cum_min(reverse=True).shift(-1).over(within)

    def too_early(reads: pl.DataFrame) -> pl.DataFrame:
        placed = reads.join(appends, on="item").sort("row", "at").with_columns(ended=ended)
        return placed.filter(pl.col("ended") < pl.col("start"))

    early = _in_reads(run, too_early)
    if early.is_empty():
        return None
    b = early.sort("ended", "start", "row").row(0, named=True)
    (read,) = run.operations(b["row"])
    behind = pl.Series(list((read.items or ())[b["at"] :]), dtype=pl.String)
    its = (pl.col("end") == b["ended"]) & pl.col("clock").eq_missing(b["clock"])
    a = appends.filter(its & pl.col("item").is_in(behind.implode()))
    one, other = run.operations(a["append"][0], b["append"])
    ended_, began = run.moments((one, one.end), (other, other.start))
    why = (
        f"{whose(one)} ended at {ended_} before {whose(other)} began at {began}, "
        f"yet {whose(read)} has {quoted(other.item or '')} before {quoted(one.item or '')}"
    )
    return Finding(early["append"].n_unique(), (one, other, read), sentence(why))


@anomaly(
    "misplaced item",
    "an append is answered position i, and a read has its item elsewhere",
    source="offset checks of Kafka's clients and of Jepsen's Kafka test",
)
def misplaced_item(run: Run) -> Finding | None:
    """Counted: such appends.

    A  |-- append x → 1 --|
    B                         |-- items → [y, x] --|
    """
    if run.longest.is_empty():
        return None
    appends = run.appends.filter("ok").select("item", "value", "end", append="row")
    elsewhere = pl.col("value") != pl.col("at")
    moved = _in_reads(run, lambda reads: reads.join(appends, on="item").filter(elsewhere))
    if moved.is_empty():
        return None
    append, row, at = moved.sort("end", "append", "row").select("append", "row", "at").row(0)
    one, read = run.operations(append, row)
    why = f"{whose(one)} {answer(one)}{where(one)}, and {whose(read)} has it at {at:,}"
    return Finding(moved["append"].n_unique(), (one, read), sentence(why))


@anomaly(
    "not linearizable",
    "no order in which the operations could have happened explains the answers",
    source="Herlihy & Wing 1990",
)
def not_linearizable(run: Run) -> Finding | None:
    """Counted: the counter and the list, each at most once.

    A      |-- read → 1 --|
    B                         |-- increment → 1 --|
    C  |-- increment → 2 ---------------------------|
    """
    found = [contradiction(run, state) for state in run.states]
    reasons = [reason for reason in found if reason is not None]
    if not reasons and run.within:
        both = jointly(run, run.within)
        reasons = [both] if isinstance(both, Contradiction) else []
    if not reasons:
        return None
    return Finding(len(reasons), run.operations(*reasons[0].rows), reasons[0].why)


TABLE: tuple[Definition, ...] = (
    reset,
    lost_update,
    lost_increment,
    duplicate_value,
    over_count,
    skipped_value,
    real_time_inversion,
    stale_read,
    future_read,
    non_monotonic_read,
    read_your_writes,
    lost_item,
    duplicated_item,
    unexpected_item,
    fork,
    reordered_item,
    misplaced_item,
    not_linearizable,
)
"""All of them. Of several that there are, the first that explains others is what to look at."""


def find(run: Run) -> tuple[Anomaly, ...]:
    """Every anomaly that there is in a run, in the order of the table."""
    found = [(each.name, each.find(run)) for each in TABLE]
    return tuple(Anomaly(name, f.count, f.witness, f.why) for name, f in found if f is not None)
