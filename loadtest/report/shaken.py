"""Shaken cells in sentences: what was found, on which claim, at which line; or what was covered."""

from collections.abc import Iterable, Sequence

from loadtest.cell import Cell
from loadtest.checker.words import number
from loadtest.report.terminal import figures
from loadtest.shaken import Finding, ShakenCell, clean

NOT_SHAKEN = (
    "Its window may be microseconds wide, and a load seldom meets such a one; SHAKE=1 makes "
    "requests rest between its instructions."
)


def sentence(shaken: ShakenCell) -> str:
    """Return what the shaken runs of a cell showed, in a line."""
    if shaken.finding:
        return found(shaken, shaken.finding)
    rested, met = len(shaken.coverage.rested), len(shaken.coverage.met)
    last = shaken.seed + shaken.runs - 1
    seeds = f"seed {shaken.seed}" if last == shaken.seed else f"seeds from {shaken.seed} on"
    name = f"{shaken.cell.name}, shaken {number(shaken.runs, 'time')} ({seeds})"
    if not rested:
        return (
            f"{name}: no instruction of the app was rested at, so nothing is shown. Is its code in "
            "another folder (CHDIR=…), or in a package (SHAKE_ALSO=…)?"
        )
    some = f" {number(shaken.inconclusive, 'run')} showed nothing." if shaken.inconclusive else ""
    return (
        f"{name}: nothing found.{some} Requests rested at {number(rested, 'instruction')} of the "
        f"app, at {met:,} of them with another request in the same function. Not reached: code "
        "that no request ran, C extensions, and libraries (SHAKE_ALSO=…)."
    )


def found(shaken: ShakenCell, finding: Finding) -> str:
    verdict, shake = finding.cell.verdict, finding.cell.trial.shake
    assert shake
    if finding.failed and not verdict.violated:
        what = f"{number(finding.failed, 'request')} answered 5xx"
    else:
        violated = [each for each in verdict.kinds if each.verdict == "violated"]
        word, figure = figures(verdict)
        what = violated[0].why.rstrip(".") if violated else f"{word} ({figure})"
    at = finding.moment
    parts = [f"{shaken.cell.name}, shaken: {what}."]
    parts += [at.sentence, claim(shaken, finding)] if at else [claim(shaken, finding)]
    parts += [f"{at.steps}."] if at and at.steps else []
    parts += [f"Again: SHAKE=1 SEED={shake.seed}."]
    return " ".join(parts)


def claim(shaken: ShakenCell, finding: Finding) -> str:
    """Return whether the interpreter may switch between requests at that place."""
    python = f"CPython {shaken.python}"
    server = shaken.cell.trial.server
    if finding.moment and finding.moment.processes:
        return "Two processes met there; nothing but a lock of the store keeps them apart."
    if server.worker_class == "gevent":
        return "gevent switches only where a request waits; nothing promises that none waits there."
    if not shaken.gil:
        return f"{python} without its GIL runs threads at once, so it may happen there."
    if server.worker_class == "asgi" and finding.claim == 1:
        return "An event loop may switch at such an await."
    if finding.claim == 1:
        return f"{python} may switch threads there."
    return (
        f"{python} with its GIL is not known to switch there; nothing promises that it never will."
    )


def not_shaken(cells: Iterable[Cell], shaken: Sequence[ShakenCell]) -> str:
    """Return the warning on clean cells of somebody's own app that were not shaken, or ""."""
    done = [each.cell for each in shaken]
    own = [cell for cell in cells if cell.trial.own and clean(cell) and cell not in done]
    return NOT_SHAKEN if own and not shaken else ""
