"""Claims of items of which at most LIMIT may succeed; one is refused only when all are taken.

Claims that are acknowledged (value 1) were taken. Those that are unknown may have been taken, or
not; they are never counted as sold, and they excuse a refusal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field

import polars as pl

from loadtest.checker.failures import Failure
from loadtest.checker.kind_verdict import KindVerdict, Limit, clean
from loadtest.checker.run import NEVER, Run
from loadtest.checker.words import number, quoted, sentence, where, who

OPS = ("claim",)
FIELDS = ("row", "item", "value", "start", "end", "outcome", "clock")


@dataclass(frozen=True)
class Claim:
    """A claim: its row in the history, and when it can have happened."""

    row: int
    start: int
    end: int
    clock: str | None


@dataclass
class Item:
    """The claims of one item."""

    taken: list[Claim] = field(default_factory=list)
    refused: list[Claim] = field(default_factory=list)
    unknown: list[Claim] = field(default_factory=list)

    def early(self, limit: int) -> list[Claim]:
        """The refusals that ended when fewer than `limit` places can have been taken."""
        begun: dict[str | None, list[int]] = defaultdict(list)
        for each in (*self.taken, *self.unknown):
            begun[each.clock].append(each.start)
        for starts in begun.values():
            starts.sort()
        many = len(self.taken) + len(self.unknown)

        def possible(refusal: Claim) -> int:
            # of another clock nobody knows when it was
            here = begun[refusal.clock]
            return many - len(here) + bisect_right(here, refusal.end)

        return [each for each in self.refused if possible(each) < limit]

    def unexplained(self, limit: int, claimed_before: bool) -> tuple[Claim, ...]:
        """Return the claims that no order explains; none if some order explains all answers.

        All places are taken when the first refusal happens, so whatever takes one must begin
        before any refusal has ended. Unknown claims that begin later cannot fill a place.
        """
        first: dict[str | None, Claim] = {}
        for each in sorted(self.refused, key=lambda refusal: refusal.end):
            first.setdefault(each.clock, each)

        def late(each: Claim) -> bool:
            return each.clock in first and first[each.clock].end < each.start

        for each in self.taken:
            if late(each):
                return first[each.clock], each
        filled = len(self.taken) + sum(not late(each) for each in self.unknown)
        return tuple(first.values()) if filled < limit and not claimed_before else ()


def check(run: Run, limits: Limit) -> KindVerdict:
    """Judge whether at most so many claims of each item succeed, and none is refused too soon.

    What was claimed before the run may have taken any number of the places.
    """
    limit, claimed_before = limits.claims, limits.claimed_before
    items = _items(run)
    taken = sum(len(each.taken) for each in items.values())
    refused = sum(len(each.refused) for each in items.values())
    over = {name: len(each.taken) - limit for name, each in items.items()}
    oversold = {name: more for name, more in over.items() if more > 0}
    early = {name: found for name, each in items.items() if (found := each.early(limit))}
    early = {} if claimed_before else early
    named = {Failure.OVERSELLS: bool(oversold), Failure.TURNS_AWAY: bool(early)}
    evidence: tuple[Claim, ...] = ()
    if oversold:
        name = max(oversold, key=lambda item: oversold[item])
        evidence = _one_too_many(items[name].taken, limit)
        why = _oversold(run, evidence, oversold, limit, taken)
    elif early:
        name = next(iter(early))
        evidence = (min(early[name], key=lambda refusal: refusal.end),)
        why = _early(run, evidence[0], items[name], limit)
    else:
        doubts = (each.unexplained(limit, claimed_before) for each in items.values())
        evidence = next((claims for claims in doubts if claims), ())
        why = _either(run, evidence, limit) if evidence else ""
    if not evidence:
        return clean("claim", taken + refused, "claim", _missing(items, limit))
    return KindVerdict(
        kind="claim",
        verdict="violated",
        why=why,
        failures=frozenset(failure for failure, found in named.items() if found),
        evidence=run.operations(*sorted(each.row for each in evidence)),
        judged=taken + refused,
        wrong=sum(oversold.values()) + sum(map(len, early.values())) or 1,
    )


def _items(run: Run) -> dict[str, Item]:
    """Return the claims by item, in the order of their ends."""
    items: dict[str, Item] = defaultdict(Item)
    rows = run.rows.filter(pl.col("op") == "claim", pl.col("outcome") != "fail")
    for row, name, value, start, end, outcome, clock in (
        rows.select(FIELDS).sort("end", "row").collect().iter_rows()
    ):
        item = items[name]
        group = item.unknown if outcome == "unknown" else item.taken if value else item.refused
        group.append(Claim(row, start, NEVER if end is None else end, clock))
    return items


def _one_too_many(taken: list[Claim], limit: int) -> tuple[Claim, ...]:
    """Return the first claim beyond the limit, and one before it: one that overlaps it, if any."""
    *before, one_more = taken[: limit + 1]
    overlapping = [
        each for each in before if each.clock == one_more.clock and each.end >= one_more.start
    ]
    return (*before[-1:], *overlapping)[-1], one_more


def _oversold(
    run: Run, evidence: tuple[Claim, ...], oversold: dict[str, int], limit: int, taken: int
) -> str:
    first, second = run.operations(*(each.row for each in evidence))
    name = quoted(first.item or "")
    most = oversold[first.item or ""] + limit
    times = "once" if limit == 1 else f"{limit:,} times"
    one = f"{name} may be claimed {times}, and {most:,} claims were acknowledged"
    one += f", {most - limit:,} too many" if most > limit + 1 or limit > 1 else ""
    pair = f"{who(first)} and {who(second)} both got a place{where(first, second)}"
    if len(oversold) > 1:
        more = sum(oversold.values())
        one = (
            f"{more:,} of {number(taken, 'claim')} are too many, of {len(oversold):,} items; {one}"
        )
    return sentence(f"{one}: {pair}")


def _early(run: Run, refusal: Claim, item: Item, limit: int) -> str:
    (operation,) = run.operations(refusal.row)
    begun = sum(each.start <= refusal.end for each in (*item.taken, *item.unknown))
    return sentence(
        f"{who(operation)}'s claim of {quoted(operation.item or '')} was refused"
        f"{where(operation)} when at most {begun:,} of {number(limit, 'place')} were taken"
    )


def _either(run: Run, evidence: tuple[Claim, ...], limit: int) -> str:
    refusal, *_ = operations = run.operations(*(each.row for each in evidence))
    name = quoted(refusal.item or "")
    later = f", and {who(operations[1])} got a place later" if operations[-1].value else ""
    return sentence(
        f"{who(refusal)}'s claim of {name} was refused{later}: a place was left then, or an "
        f"unknown claim has one and more than {number(limit, 'claim')} succeeded"
    )


def _missing(items: dict[str, Item], limit: int) -> list[str]:
    """Return what claims with nothing wrong in them lack to show anything."""
    missing = []
    if not any(each.taken for each in items.values()):
        missing.append("no claim succeeded")
    if not any(each.refused for each in items.values()):
        most = max((len(each.taken) for each in items.values()), default=0)
        missing.append(f"no claim was refused ({most:,} of at most {limit:,} succeeded)")
    if not any(_overlap(each) for each in items.values()):
        missing.append("no two claims of one item overlapped")
    return missing


def _overlap(item: Item) -> bool:
    """Return True if two claims of an item overlapped on one clock."""
    ended: dict[str | None, int] = {}
    for each in sorted((*item.taken, *item.refused, *item.unknown), key=lambda claim: claim.start):
        if each.clock in ended and each.start <= ended[each.clock]:
            return True
        ended[each.clock] = max(each.end, ended.get(each.clock, each.end))
    return False
