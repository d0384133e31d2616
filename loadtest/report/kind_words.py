"""The verdict on one kind of state in words."""

from collections.abc import Iterator

from loadtest.cell import Cell
from loadtest.checker import Failure, KindVerdict
from loadtest.kinds import KINDS


def figures(verdict: KindVerdict) -> tuple[str, str]:
    """A verdict in one or two words, and its figure: wrong answers of all, or claims too many."""
    if verdict.verdict == "inconclusive":
        return "inconclusive", ""
    word = " and ".join(sorted(verdict.failures)) or ("holds" if not verdict.wrong else "wrong")
    if Failure.OVERSELLS in verdict.failures:
        return word, f"+{verdict.wrong:,}"
    return word, f"{verdict.wrong:,}/{verdict.judged:,}"


def surprises(cell: Cell) -> Iterator[str]:
    """Compare what was expected of each kind with what was found, where they differ."""
    for outcome in cell.kinds:
        if not outcome.as_expected:
            expected = " and ".join(sorted(outcome.expectation.must)) or "holds"
            found = " ".join(figures(outcome.verdict))
            yield f"{KINDS[outcome.kind].title}: expected {expected}, found {found.strip()}"
