"""Explain a check of somebody's own app, and say what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path
from urllib.parse import quote

from loadtest import ROOT
from loadtest.cell import Cell
from loadtest.checker import Failure
from loadtest.history.operation import printable

CURED_BY = {
    Failure.LOSES: ("locked_global", "sqlite_row", "redis_key"),
    Failure.DIVIDED: ("sqlite_row", "redis_key"),
    Failure.ANSWERS_LATE: ("redis_key",),
    Failure.FORGETS: ("sqlite_row",),
    Failure.REFUSES: ("redis_key",),
}
"""The variants that show a cure; a lock is one where there is one worker."""


@dataclass(frozen=True)
class Advice:
    """A fault that an app shows, the servers where it does, and the variants that have a cure."""

    fault: Failure
    where: str
    variants: tuple[str, ...]

    def __str__(self) -> str:
        files = ", ".join(f"variants/{variant}.py" for variant in self.variants)
        return f"{self.meaning} {self.fix} See {files}."

    @property
    def meaning(self) -> str:
        does = "is divided" if self.fault is Failure.DIVIDED else str(self.fault)
        return f"It {does} at {self.where}: {self.fault.meaning}."

    def links(self, page: Path) -> Iterator[tuple[str, str]]:
        """The variants, and where they are as seen from a page."""
        for variant in self.variants:
            file = ROOT / "variants" / f"{variant}.py"
            yield variant, quote(relpath(file, page.absolute().parent))

    @property
    def fix(self) -> str:
        return f"Cure: {self.fault.fix}."


@dataclass(frozen=True)
class Meaning:
    """The meaning of cells for an app, in the order in which it is printed."""

    before: tuple[str, ...]
    advice: tuple[Advice, ...]
    summary: str

    @property
    def sentences(self) -> list[str]:
        return [*self.before, *map(str, self.advice), *([self.summary] if self.summary else [])]


def meaning(cells: Sequence[Cell]) -> Meaning | None:
    """Return the meaning of these cells; None if they are not of somebody's own app."""
    own = [cell for cell in cells if cell.trial.own]
    return Meaning(tuple(before(own)), tuple(advice(own)), summary(own)) if own else None


def advice(cells: Sequence[Cell]) -> Iterator[Advice]:
    """A piece for each fault, in the order that they are cured."""
    for fault in Failure:
        where = [cell.trial.server for cell in cells if fault in cell.verdict.failures]
        several = any(server.workers != 1 for server in where)
        cures = [name for name in CURED_BY[fault] if not (several and name == "locked_global")]
        if where:
            yield Advice(fault, ", ".join(map(str, where)), tuple(cures))


def summary(cells: Sequence[Cell]) -> str:
    """Summarize cells in which nothing is wrong or nothing is shown."""
    if all(cell.verdict.linearizable for cell in cells):
        whoever = "Nothing went wrong: one count, whoever was asked"
        if all(cell.trial.after_restart for cell in cells):
            return f"{whoever}, after a restart too. What no request did is not shown."
        return (
            f"{whoever}. What no request did while this ran is not shown, nor what a restart would "
            "do (AUDIT_AFTER_RESTART=1)."
        )
    unclear = [cell for cell in cells if cell.verdict.violated and not cell.verdict.failures]
    if unclear:
        said = " ".join(f"{cell.name}: {printable(cell.verdict.why)}" for cell in unclear)
        theirs = any(cell.trial.own and cell.trial.own.runs_already for cell in unclear)
        return f"{said} Served from here, with APP=…, the two are told apart." if theirs else said
    if any(cell.verdict.inconclusive for cell in cells):
        return "Not everything could be shown; longer runs (DURATION=5) or more clients may."
    return ""


def before(cells: Sequence[Cell]) -> Iterator[str]:
    """Yield sentences on workers that disagreed before the load."""
    for cell in cells:
        if len(set(cell.before)) > 1:
            counts = ", ".join(f"{count:,}" for count in cell.before)
            yield f"{cell.name}: divided before the load already; its workers said {counts}."
