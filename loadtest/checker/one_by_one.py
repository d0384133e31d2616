"""Judge requests sent one at a time, each on a connection of its own, while nobody else asks.

Nothing overlaps, so no increment can be lost. An answer that goes back to an earlier value comes
from another copy of the state, or from a state that ends with its request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import polars as pl

from loadtest.checker.anomalies import Anomaly
from loadtest.checker.division import MANY, Copy, Division
from loadtest.checker.failures import Failure
from loadtest.checker.verdict import Verdict
from loadtest.checker.words import where
from loadtest.history import Operation
from loadtest.history.chains import copies, steps
from loadtest.kinds.counter import COUNTER

UNLIKELY = 1e-4
"""A loss is reported if the copies that would explain the answers are missed in fewer tries."""
TWICE = ("lost update", "duplicate value")
"""The anomalies that are two equal answers."""
ANYWHERE = ("duplicate value", "real-time inversion", "non-monotonic read", "read-your-writes")
"""The anomalies that need no common count at the beginning of a run."""


@dataclass(frozen=True)
class Evidence:
    """The findings of requests that are made one at a time.

    copies       the fewest copies of the state that can have given these answers
    tries        the requests, each of which could have met another copy
    answers      the values answered to increments, in their order; the different values answered
                 to reads if increments have none
    pair         two operations, one before the other, with answers that go back; else empty
    per_request  True if every increment was answered as if it were the first
    counts       True if some copy went on counting; a toggle does not
    """

    copies: int
    tries: int
    answers: tuple[int, ...]
    pair: tuple[Operation, ...]
    per_request: bool = False
    counts: bool = True

    @property
    def missed(self) -> float:
        """The chance that one more copy, with an equal share, answered none of them."""
        return self.missed_of(self.copies + 1)

    def missed_of(self, copies: int) -> float:
        """The chance that of so many copies, with equal shares, only these answered."""
        return (self.copies / copies) ** self.tries if copies > self.copies else 1.0

    @property
    def most(self) -> int:
        """The most copies there can be, if it is not believed that so many were missed."""
        copies = max(1, self.copies)
        while self.missed_of(copies + 1) >= UNLIKELY:
            copies += 1
        return copies

    @property
    def shown(self) -> str:
        """The first answers, in words."""
        first = self.answers[:12]
        rest = " …" if len(self.answers) > len(first) else ""
        return ", ".join(f"{value:,}" for value in first) + rest


def percent(share: float) -> str:
    """Return a chance in words."""
    return "less than 0.01 %" if share < 0.0001 else f"{100 * share:.2g} %"


def evidence(operations: Sequence[Operation]) -> Evidence:
    """Weigh increments one at a time, and reads that were sent after them."""
    answered = [each for each in operations if each.outcome == "ok" and each.value is not None]
    written = [each for each in answered if each.op == COUNTER.write]
    read = [each for each in answered if each.op == COUNTER.read]
    answers = tuple(each.value or 0 for each in written)
    highest = max((each.value or 0 for each in read), default=0)
    same = len(set(answers)) == 1 and highest <= answers[0]
    if same and len(answers) >= MANY:
        return Evidence(1, len(answers), answers, back(written), per_request=True)
    if answers:
        counts = max(steps(answers)) > 2
        return Evidence(copies(answers), len(answers), answers, back(written), counts=counts)
    values = [each.value or 0 for each in read]
    return Evidence(len(set(values)), len(values), tuple(dict.fromkeys(values)), back(read))


def back(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Return the first two, one before the other, whose answers go back; else nothing."""
    for one, other in combinations(sorted(operations, key=lambda each: each.start), 2):
        if one.end is None or one.end >= other.start:
            continue
        low = (other.value or 0) - (one.value or 0)
        if low < 0 or (low == 0 and one.op == COUNTER.write):
            return one, other
    return ()


def amend(verdict: Verdict, operations: Sequence[Operation], load: pl.DataFrame) -> Verdict:
    """Return the verdict on a load, with what requests one at a time had shown before it.

    They show what answers without labels leave open: how many copies there are at the least, or
    that there is one, as far as one can be sure.
    """
    found = evidence(operations)
    division = verdict.division
    if division is not None and division.divided and division.of != "unclear":
        return verdict
    if found.per_request:
        return of_requests(verdict, found)
    if found.copies > 1:
        return of_copies(verdict, found, load)
    unclear = division is not None and division.of == "unclear" and not division.divided
    return of_one(verdict, found) if unclear and found.missed < UNLIKELY else verdict


def of_requests(verdict: Verdict, found: Evidence) -> Verdict:
    """Every increment was answered as if it were the first: the state ends with its request."""
    sentence = (
        f"A counter per request: {found.tries} increments one at a time were each answered "
        f"{found.answers[0]:,}, and no read shows more."
    )
    n = verdict.acknowledged
    copy = Copy("each request", None, None, None, n, 0, n)
    return violated(verdict, found, Division("request", (copy,), sentence), n)


def of_copies(verdict: Verdict, found: Evidence, load: pl.DataFrame) -> Verdict:
    """Several copies answer; they lose if the load's answers need many more than there can be."""
    counted = found.pair[0].op == COUNTER.write if found.pair else True
    sent = (
        "increments one at a time, which cannot lose anything,"
        if counted
        else "reads, while nobody incremented,"
    )
    sentence = (
        f"At least {found.copies} counters, and no answer is the total: {found.tries} {sent} were "
        f"answered {found.shown}."
    )
    writes = load.filter(op=COUNTER.write, outcome="ok", phase="load").drop_nulls("value")
    equal = writes.group_by("value").len().sort("len", "value")
    lost = 0
    if counted and not equal.is_empty():
        value, needed = equal.row(-1)
        lost = sum(max(0, times - found.most) for times in equal["len"])
        if lost:
            sentence += (
                f" They lose, too: under load {needed} increments were answered {value:,}, and "
                f"{needed} copies would have been missed in {percent(found.missed_of(needed))} of "
                "tries."
            )
    copy = Copy("all counters", None, None, None, verdict.acknowledged, None, lost)
    division = Division("unclear", (copy,), sentence, at_least=found.copies)
    return violated(verdict, found, division, lost)


def of_one(verdict: Verdict, found: Evidence) -> Verdict:
    """One copy answered every time, so that what is missing is lost."""
    assert verdict.division is not None
    (copy,) = verdict.division.copies
    if copy.audited is None or copy.audited >= copy.acknowledged:
        return verdict
    lost = copy.acknowledged - copy.audited
    sentence = (
        f"1 counter: {copy.acknowledged:,} acknowledged, {copy.audited:,} read. {lost:,} lost. One "
        f"copy answered {found.tries} requests one at a time; a second with an equal share would "
        f"have been missed in {percent(found.missed)} of tries."
    )
    division = Division("none", (replace(copy, lost=lost),), sentence)
    anomalies = tuple(map(as_lost_update, verdict.anomalies))
    return replace(verdict, why=sentence, division=division, lost=lost, anomalies=anomalies)


def without_total(verdict: Verdict) -> Verdict:
    """Return the verdict on increments whose total no request reads: a number given twice.

    Nothing shows that something is gone: two invoices with one number are both there.
    """
    failures = verdict.failures
    if Failure.LOSES not in failures or failures & {Failure.DIVIDED, Failure.FORGETS}:
        return verdict
    twice = [as_duplicate(each) for each in verdict.anomalies if each.name in TWICE]
    if not twice:
        return verdict
    kept = [each for each in verdict.anomalies if each.name == "real-time inversion"]
    count = twice[0].count
    why = (
        f"{count:,} of {verdict.acknowledged:,} increments were answered a number that another "
        "was answered, too. No request reads a total, so nothing shows whether anything is gone."
    )
    return replace(
        verdict,
        why=why,
        anomalies=(twice[0], *kept),
        division=None,
        lost=0,
        audited=None,
        total_unread=True,
        guarantees={k: v for k, v in verdict.guarantees.items() if k != "eventual total"},
    )


def as_duplicate(anomaly: Anomaly) -> Anomaly:
    """Return two equal answers without a word about what is lost."""
    one, other = anomaly.witness
    why = f"Two increments were both answered {one.value:,}{where(one, other)}."
    return replace(anomaly, name="duplicate value", why=why)


def as_lost_update(anomaly: Anomaly) -> Anomaly:
    """Two increments of one copy that overlapped and were answered alike are a lost update."""
    if anomaly.name != "duplicate value":
        return anomaly
    one, other = anomaly.witness
    apart = one.end is not None and one.end < other.start
    return anomaly if apart else replace(anomaly, name="lost update")


def violated(verdict: Verdict, found: Evidence, division: Division, lost: int) -> Verdict:
    """Return the verdict that follows from requests one at a time."""
    kept = [each for each in verdict.anomalies if each.name in ANYWHERE]
    if found.pair:
        one, other = found.pair
        reads = one.op == COUNTER.read
        name = "non-monotonic read" if reads else "real-time inversion"
        why = f"One {one.op} was answered {one.value:,}, and a later one {other.value:,}."
        kept = [each for each in kept if each.name != name]
        kept.insert(0, Anomaly(name, 1, found.pair, why))
    guarantees = {
        name: holds
        for name, holds in verdict.guarantees.items()
        if name in ("monotonic reads", "read your writes") or not holds
    }
    return replace(
        verdict,
        verdict="violated",
        why=division.sentence,
        anomalies=tuple(kept),
        division=division,
        audited=None,
        lost=lost,
        forgotten=0,
        guarantees=guarantees,
        missing=(),
        bounds={},
        late=False,
    )
