"""The report of a run: one HTML file with all that it needs inside, so that it opens offline."""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from loadtest.cell import Cell
from loadtest.checker import SIGN, Anomaly, Failure, anomalies
from loadtest.errors import CouldNotRun
from loadtest.kinds import KINDS
from loadtest.kinds.counter import COUNTER
from loadtest.report import advice, kind_words
from loadtest.report import terminal as report
from loadtest.report.fault_costs import cost, quoted
from loadtest.report.page.layout import Grid, about, beside_twins, filters
from loadtest.report.pictures.schedules import orders
from loadtest.server.fault import Fault
from loadtest.server.faults import FAULTS

if TYPE_CHECKING:
    from loadtest.report.pictures.theme import Picture

DOTS = 20_000  # in all cells together, about a megabyte


def write(cells: Sequence[Cell], path: Path, ran: Mapping[str, Any]) -> None:
    """Writes the report of these cells to `path`; their histories are read again.

    `ran` says what was run, so that it can be repeated: names, and for each a text, a number, a
    list of them or another mapping. A name that begins with "command" has commands. Raises
    CouldNotRun, which names the file, if it cannot be written.
    """
    drawings = Drawings()
    cells = beside_twins(cells)
    parts = [Part(cell, path, drawings, DOTS // len(cells)) for cell in cells]
    page = environment().get_template("page.html")
    text = page.render(
        parts=parts,
        part_of={part.id: part for part in parts},
        grid=Grid(cells),
        summary=report.all_as_expected(cells),
        injected=injected(cells),
        counts=Counter(part.variant for part in parts),
        faults=[fault for fault in Failure if any(fault in c.verdict.failures for c in cells)],
        sections=groupby(parts, key=lambda part: part.variant),
        filters=filters(cells),
        about=about,
        variants={cell.trial.variant for cell in cells},
        orders=orders,
        ran=ran,
        path=path,
        meaning=advice.meaning(cells),
        charts=drawings.to_json(),
        bundle=Markup(bundle().replace("</script", r"<\/script").replace("<!--", r"<\!--")),
    )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CouldNotRun(f"the report could not be written to {path}: {error.strerror}") from None


def injected(cells: Sequence[Cell]) -> list[Fault]:
    """Return the faults of these cells, in the order of the tables."""
    names = {cell.trial.fault for cell in cells}
    return [fault for fault in FAULTS.values() if fault.name in names]


def bundle() -> str:
    """The script that draws. It takes a second to put together, so it is kept in .venv."""
    kept = Path(sys.prefix) / f"vega-{version('vl-convert-python')}.js"
    with suppress(OSError):
        return kept.read_text(encoding="utf-8")
    import vl_convert

    text: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed")
    with suppress(OSError):
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=sys.prefix, delete=False
        ) as file:
            file.write(text)
        # whole or not at all, whoever else is at it
        Path(file.name).replace(kept)
    return text


def environment() -> Environment:
    found = FileSystemLoader(Path(__file__).parent)
    return Environment(
        loader=found,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@dataclass(frozen=True)
class Drawing:
    """A place in the page where a picture is drawn, and its text for those who do not see it."""

    number: int
    picture: Picture
    text: str


class Drawings:
    """The pictures of a page. Those that only differ in their tables share their layout."""

    def __init__(self) -> None:
        self.layouts: dict[Any, int] = {}
        self.specs: list[dict[str, Any]] = []
        self.charts: list[dict[str, Any]] = []

    def add(self, picture: Picture, text: str) -> Drawing:
        key = (picture.layout, picture.variation)
        if key not in self.layouts:
            self.layouts[key] = len(self.specs)
            self.specs.append(picture.spec())
        self.charts.append(
            {"layout": self.layouts[key], "height": picture.height, "datasets": picture.tables}
        )
        return Drawing(len(self.charts) - 1, picture, text)

    def to_json(self) -> Markup:
        """For a script element: whatever a history says cannot end it."""
        from loadtest.report.pictures.theme import config

        whole = {
            "config": config("var(--quiet)", "var(--line)"),
            "layouts": self.specs,
            "charts": self.charts,
        }
        return Markup(json.dumps(whole, separators=(",", ":")).replace("<", r"\u003c"))


class Part:
    """The section of the page about one cell."""

    def __init__(self, cell: Cell, page: Path, drawings: Drawings, dots: int) -> None:
        from loadtest.report.fault_events import events
        from loadtest.report.pictures import charts, tables

        self.cell = cell
        self.verdict = verdict = cell.verdict
        self.id = cell.trial.slug
        self.variant = cell.trial.variant
        self.shown_as = report.shown_as(cell)
        self.sign = SIGN[self.shown_as]
        self.word, self.figure, *self.more = report.words(cell)
        self.worth = ""
        if verdict.linearizable:
            chances = report.worth("{2} of {1}", verdict.acknowledged, verdict.appended)
            self.worth = " and ".join(chances)
        self.refused = report.refused(verdict) if verdict.refuses else ""
        self.beside = [cost(cell), *quoted(cell)] if cell.trial.fault else []
        self.short = report.comparison(cell)
        self.file = quote(relpath(cell.history, page.parent))
        seen = tables.DrawnRun.read(cell.history)
        self.story = events(seen)
        pictures = {
            "value": charts.value_over_time(seen, verdict, limit=dots),
            "lost": charts.lost_over_time(seen, verdict),
            "requests": charts.requests_per_worker(seen),
            "latency": charts.latency(seen),
        }
        self.drawings = {
            name: drawings.add(picture, " ".join([f"{picture.title}.", *picture.said]))
            for name, picture in pictures.items()
        }
        self.proofs = [
            Proof(anomaly, drawings.add(charts.space_time(anomaly.witness, seen), words))
            for anomaly in verdict.anomalies
            for words in ["; ".join(map(str, anomaly.witness))]
        ]

    @property
    def expectation(self) -> str:
        """The expectation in a sentence, and whether it came out so."""
        expectation = self.cell.expectation
        if expectation.expect == "either":
            return f"Expected: either outcome, because {expectation.why}."
        faults = [
            {"loses": "it loses updates", "divided": "it is divided"}.get(x, f"it {x}")
            for x in expectation.must
        ]
        said = " and ".join(sorted(faults, reverse=True)) or "it is linearizable"
        kept = "Came out so" if self.cell.as_expected else "Came out otherwise"
        return f"Expected: {said}, because {expectation.why}. {kept}."

    @property
    def numbers(self) -> Iterator[tuple[str, str]]:
        verdict = self.verdict
        yield "operations", f"{verdict.operations:,}"
        yield "answered", share(verdict.availability)
        yield "increments acknowledged", f"{verdict.acknowledged:,}"
        if verdict.audited is not None:
            yield "read by the audit", f"{verdict.audited:,}"
        yield "lost", f"{verdict.lost:,}"
        if verdict.forgotten:
            yield "forgotten", f"{verdict.forgotten:,}"
        yield "items acknowledged", f"{verdict.appended:,}"
        yield "took", f"{self.cell.seconds:.1f} s"

    @property
    def cost(self) -> list[str]:
        """Of an increment: median, 99th percentile and longest time to an answer; how many of all
        requests were answered."""
        kinds = {kind.op: kind for kind in self.verdict.answered}
        times = ("median", "p99", "longest")
        said = [getattr(kinds.get(COUNTER.write), name, None) for name in times]
        shown = ["–" if time is None else f"{time:,.1f}" for time in said]
        return [*shown, share(self.verdict.availability)]

    @property
    def kinds(self) -> Iterator[tuple[str, str]]:
        """The verdict on each other kind of state: its sign, title and words, and a sentence."""
        for outcome in self.cell.kinds:
            verdict = outcome.verdict
            title = f"{KINDS[outcome.kind].title}: {' '.join(kind_words.figures(verdict))}"
            surprise = "" if outcome.as_expected else " (not as expected)"
            yield f"{SIGN[verdict.verdict]} {title}{surprise}", verdict.why

    @property
    def guarantees(self) -> Iterator[tuple[str, str]]:
        """The guarantees that hold, and those that do not, of a cell that is not linearizable."""
        if not self.verdict.violated:
            return
        for title, holds in (("Still holds", True), ("Does not hold", False)):
            names = [name for name, what in self.verdict.guarantees.items() if what == holds]
            if names:
                yield title, ", ".join(names)

    @property
    def command(self) -> str:
        """The command that runs this cell again."""
        return "python -m loadtest check " + " ".join(self.cell.trial.options)


def share(whole: float) -> str:
    """100 % is only said of all."""
    return "100 %" if whole == 1 else f"{min(whole, 0.999):.1%}".replace("%", " %")


@dataclass(frozen=True)
class Proof:
    """An anomaly, and its witness in a picture."""

    anomaly: Anomaly
    drawing: Drawing

    @property
    def meaning(self) -> str:
        return next(kind.meaning for kind in anomalies.TABLE if kind.name == self.anomaly.name)
