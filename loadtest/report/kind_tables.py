"""Print the verdicts on the kinds of state that are judged beside the counter and the list."""

from collections.abc import Callable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from loadtest.cell import Cell, KindOutcome
from loadtest.checker import COLOR, SIGN, Failure
from loadtest.history.operation import printable
from loadtest.kinds import KINDS
from loadtest.report.kind_words import figures
from loadtest.report.page.layout import column
from loadtest.report.terminal import witness


def square(outcome: KindOutcome) -> Text:
    """One line: sign, word and figure; a second one if it is not as expected."""
    verdict = outcome.verdict
    word, figure = figures(outcome.verdict)
    text = Text(f"{SIGN[verdict.verdict]} {word} ", style=COLOR[verdict.verdict])
    text.append(figure, style="dim")
    if not outcome.as_expected:
        text.append("\n! unexpected", style="bold yellow")
    return text


def matrices(cells: Sequence[Cell]) -> RenderableType:
    """A small matrix a kind, laid out as that of the counter: variants by servers."""
    return _tables(cells, lambda cell: cell.trial.variant, column)


def survivals(cells: Sequence[Cell]) -> RenderableType:
    """A small table a kind, laid out as that of the counter: faults by variants."""
    return _tables(cells, lambda cell: cell.trial.fault or "", lambda cell: cell.trial.variant)


def _tables(
    cells: Sequence[Cell], row: Callable[[Cell], str], head: Callable[[Cell], str]
) -> RenderableType:
    tables: list[RenderableType] = []
    for kind in KINDS.values():
        at = {
            (row(cell), head(cell)): outcome
            for cell in cells
            for outcome in cell.kinds
            if outcome.kind == kind.name
        }
        if not at:
            continue
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
        table.add_column(kind.title, no_wrap=True)
        columns = list(dict.fromkeys(map(head, cells)))
        for each in columns:
            table.add_column(each, max_width=16, overflow="fold")
        for each in dict.fromkeys(map(row, cells)):
            row_ = [at.get((each, other)) for other in columns]
            table.add_row(each, *(square(found) if found else "–" for found in row_))
        tables += [table, ""]
    return Group(*tables)


def explanations(cells: Sequence[Cell]) -> RenderableType:
    """For each failure of a kind, the first cell that shows it: a sentence, and the evidence."""
    return Group(*_explanations(cells))


def _explanations(cells: Sequence[Cell]) -> Iterator[RenderableType]:
    shown: set[tuple[str, frozenset[Failure]]] = set()
    for cell in cells:
        for outcome in cell.kinds:
            verdict = outcome.verdict
            case = (outcome.kind, verdict.failures)
            if verdict.verdict == "holds" or (case in shown and outcome.as_expected):
                continue
            shown.add(case)
            title = f"{KINDS[outcome.kind].title}, {cell.name}"
            yield Text.assemble((title, "bold"), f"  {printable(verdict.why)}")
            if verdict.evidence:
                yield Padding(witness(verdict.evidence), (0, 0, 0, 2), expand=False)
            yield ""
