"""The verdict on one kind of state, beside that on the counter and the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadtest.checker.failures import Failure
from loadtest.checker.words import number, percent
from loadtest.history import Operation

KindWord = Literal["holds", "violated", "inconclusive"]


@dataclass(frozen=True)
class Limit:
    """The number of claims of an item that may succeed; some may have before the run."""

    claims: int = 1
    claimed_before: bool = False


@dataclass(frozen=True)
class KindVerdict:
    """The verdict on one kind.

    kind       its name
    verdict    holds · violated · inconclusive (nothing is wrong, but it proves nothing)
    why        one sentence
    failures   those that are certain; none if several explain the answers alike
    evidence   the requests that prove it, in the order of the history
    judged     how many answers could be wrong
    wrong      how many are
    """

    kind: str
    verdict: KindWord
    why: str
    failures: frozenset[Failure] = frozenset()
    evidence: tuple[Operation, ...] = ()
    judged: int = 0
    wrong: int = 0


def clean(kind: str, judged: int, unit: str, missing: list[str]) -> KindVerdict:
    """Return the verdict on answers with nothing wrong in them.

    It is inconclusive if something is `missing`; else it says how rare an error must be (rule of
    three, as for the counter).
    """
    if missing:
        why = f"Nothing is wrong, but nothing is shown: {missing[0]}."
        return KindVerdict(kind, "inconclusive", why, judged=judged)
    why = f"0 in {number(judged, unit)} (under {percent(min(1, 3 / judged))}), at 95 %."
    return KindVerdict(kind, "holds", why, judged=judged)
