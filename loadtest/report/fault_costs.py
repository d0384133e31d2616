"""The cost of a fault in a sentence, and what documentation says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from loadtest.cell import Cell
from loadtest.checker import Failure
from loadtest.checker.verdict import percent
from loadtest.checker.words import both, number
from loadtest.report.page.layout import store
from loadtest.server.faults import LASTS_S

FEW = 2


def toll(cell: Cell) -> str:
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


@dataclass(frozen=True)
class Promised:
    """A sentence from the documentation of a store or server, quoted.

    `held` says of a cell whether it came out so.
    """

    whose: str
    faults: tuple[str, ...]
    quote: str
    address: str
    held: Callable[[Cell], bool]


def kept(cell: Cell) -> bool:
    return not cell.verdict.failures & {Failure.FORGETS, Failure.LOSES}


DOCUMENTED = (
    Promised(
        "SQLite",
        ("kill-worker", "restart", "power-cut"),
        "transactions that are atomic, consistent, isolated, and durable, even if the transaction "
        "is interrupted by a program crash, an operating system crash, or a power failure to the "
        "computer.",
        "sqlite.org/transactional.html",
        kept,
    ),
    Promised(
        "Redis",
        ("kill-store", "power-cut"),
        "fsync every time new commands are appended to the AOF. Very very slow, very safe.",
        "redis.io/docs/latest/operate/oss_and_stack/management/persistence",
        kept,
    ),
    Promised(
        "Redis",
        ("kill-defaults",),
        "Snapshotting is not very durable. If your computer running Redis stops, your power line "
        "fails, or you accidentally kill -9 your instance, the latest data written to Redis will "
        "be lost.",
        "redis.io/docs/latest/operate/oss_and_stack/management/persistence",
        lambda cell: Failure.FORGETS in cell.verdict.failures,
    ),
    Promised(
        "Redis",
        ("lock-store",),
        "While executing the script, all server activities are blocked during its entire runtime.",
        "redis.io/docs/latest/develop/programmability/eval-intro",
        lambda cell: cell.verdict.silence > LASTS_S * 1000 / 2,
    ),
    Promised(
        "gunicorn",
        ("recycle",),
        "Any value greater than zero will limit the number of requests a worker will process "
        "before automatically restarting.",
        "docs.gunicorn.org/en/stable/settings.html#max-requests",
        lambda cell: bool(cell.done),
    ),
    Promised(
        "gunicorn",
        ("reload",),
        "start the new worker processes with a new configuration and gracefully shutdown older "
        "workers",
        "docs.gunicorn.org/en/stable/signals.html",
        lambda cell: not any(kind.unknown for kind in cell.verdict.answered),
    ),
)


def documented(cell: Cell) -> Iterator[Promised]:
    """Yield the quoted sentences about this cell's fault, unless nothing was shown."""
    if cell.verdict.inconclusive:
        return
    for each in DOCUMENTED:
        if cell.trial.fault in each.faults and each.whose in (
            "gunicorn",
            store(cell.trial.variant),
        ):
            yield each


def beside(cell: Cell) -> list[str]:
    """Return the quoted sentences, each with whether it came out so."""
    return [
        f"{each.whose} says: “{each.quote}” ({each.address}) "
        f"{'It held here.' if each.held(cell) else 'It did not hold here.'}"
        for each in documented(cell)
    ]


def held(cells: Sequence[Cell]) -> list[str]:
    """Return each quotation that these cells tested, and the number in which it held."""
    said = []
    for each in DOCUMENTED:
        tried = [cell for cell in cells if each in documented(cell)]
        if tried:
            came = f"It held in {sum(map(each.held, tried))} of {number(len(tried), 'cell')}."
            faults = both(list(dict.fromkeys(str(cell.trial.fault) for cell in tried)))
            said.append(f"{each.whose} under {faults}: “{each.quote}” ({each.address}) {came}")
    return said
