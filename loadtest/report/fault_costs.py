"""The cost of a fault in a sentence, and what documentation says of it."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.cell import Cell
from loadtest.checker import Failure
from loadtest.checker.verdict import percent
from loadtest.checker.words import both, number
from loadtest.report.page.layout import store
from loadtest.server.fault import Quotation
from loadtest.server.faults import FAULTS, fault_of

FEW = 2


def cost(cell: Cell) -> str:
    """Describe an injection's cost: losses, gaps without an answer, availability."""
    verdict = cell.verdict
    gone = verdict.forgotten
    copies = verdict.division.copies if verdict.division else ()
    boots = [copy.boot for copy in copies if copy.gone and copy.acknowledged and copy.boot]
    named = [f"boot {boot}" for boot in boots[:FEW]]
    named += [f"{len(boots) - FEW} more"] * (len(boots) > FEW)
    forgotten = f"{gone:,} forgotten" + (f" by {both(named)}" if gone and named else "")
    if Failure.FORGETS in verdict.failures and not gone:
        forgotten = "what is lost was forgotten"
    silence = f"Longest gap without an answer: {verdict.silence / 1000:.2f} s."
    count = len(cell.done)
    times = {1: "once", 2: "twice"}.get(count, f"{count:,} times")
    answered = percent(verdict.availability)
    return (
        f"Injected {times}. {number(verdict.acknowledged, 'increment')} acknowledged: "
        f"{verdict.lost:,} lost, {forgotten}. {number(verdict.unanswered, 'request')} unanswered, "
        f"{answered} answered. {silence}"
    )


def documented(cell: Cell) -> tuple[Quotation, ...]:
    """Return the quoted sentences that a cell puts to the test; none if nothing was shown."""
    fault = fault_of(cell.trial.fault)
    if fault is None or cell.verdict.inconclusive:
        return ()
    parties = ("gunicorn", store(cell.trial.variant))
    return tuple(each for each in fault.documented if each.whose in parties)


def quoted(cell: Cell) -> list[str]:
    """Return the quoted sentences, each with whether it came out so."""
    return [
        f"{each.whose} says: “{each.text}” ({each.address}) "
        f"{'It held here.' if each.holds(cell.verdict) else 'It did not hold here.'}"
        for each in documented(cell)
    ]


def quotations(cells: Sequence[Cell]) -> list[str]:
    """Return each quotation that these cells tested, and the number in which it held."""
    lines = []
    for each in dict.fromkeys(each for fault in FAULTS.values() for each in fault.documented):
        tried = [cell for cell in cells if each in documented(cell)]
        if tried:
            count = sum(each.holds(cell.verdict) for cell in tried)
            faults = both(list(dict.fromkeys(str(cell.trial.fault) for cell in tried)))
            lines.append(
                f"{each.whose} under {faults}: “{each.text}” ({each.address}) "
                f"It held in {count} of {number(len(tried), 'cell')}."
            )
    return lines
