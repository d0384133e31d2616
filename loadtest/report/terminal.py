"""Print cells and verdicts in 80 columns, with color and without."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from loadtest.cell import Cell
from loadtest.checker import COLOR, SIGN, Failure, Verdict
from loadtest.checker.verdict import Word, percent
from loadtest.checker.words import both, number, where, who
from loadtest.history import Operation
from loadtest.history.operation import printable, short
from loadtest.report import advice
from loadtest.report.fault_costs import cost, quotations
from loadtest.report.kind_words import surprises
from loadtest.report.page.layout import column

NARROW = 4
"""So many columns leave room for long words."""


def figures(verdict: Verdict, *, excused: bool = False) -> tuple[str, str]:
    """A verdict in one or two words, and its figure; `excused`: see below."""
    if verdict.only_kinds:
        return figures_of_kinds(verdict)
    division = verdict.division
    unclear = division is not None and division.of == "unclear"
    copies = f"{len(division.copies)} {division.what}s" if division else ""
    missing = 0
    if division and unclear:
        copies = f"{division.at_least}+ {division.what}s"
        (copy,) = division.copies
        missing = copy.acknowledged - (copy.audited or 0)
    lost = f"lost {verdict.lost:,}/{verdict.acknowledged:,}"
    items = sum(anomaly.count for anomaly in verdict.anomalies if anomaly.name == "lost item")
    if items and not verdict.lost:
        lost = f"lost {items:,}/{verdict.appended:,} items"
    lost_any = verdict.lost or items
    match verdict.verdict, sorted(verdict.failures - {Failure.REFUSES}):
        case word, _ if verdict.refuses and not excused and leads(word, verdict):
            return refusal(verdict), f"{verdict.unanswered:,}/{verdict.asked:,}"
        case "linearizable", _:
            return "linearizable", f"0 in {verdict.acknowledged + verdict.appended:,}"
        case "inconclusive", _:
            return "inconclusive", verdict.missing[0] if verdict.missing else ""
        case _, found if Failure.LEAKS in found:
            return "leaks", "others' replies"
        case _, found if Failure.FORGETS in found:
            gone = verdict.lost + verdict.forgotten
            figure = f"gone {gone:,}" if gone or missing <= 0 else f"gone? {missing:,}"
            return "forgets", f"{figure}/{verdict.acknowledged:,}"
        case _, found if Failure.DIVIDED in found:
            # who shares a copy is not known, so that more than what is certain may be lost
            if unclear and not lost_any:
                return copies, f"lost ?/{verdict.acknowledged:,}"
            # nothing is wrong in a copy; each has a part of what was acknowledged
            return copies, lost if lost_any else f"parts of {verdict.acknowledged:,}"
        case _, found if Failure.LOSES in found:
            return "loses", lost
        case _, found if Failure.REPEATS in found:
            twice = sum(each.count for each in verdict.anomalies if each.name == "duplicate value")
            return "repeats", f"{twice:,} of {verdict.acknowledged:,} numbers"
        case _, ["answers late" | "counts twice" as word]:
            first = verdict.anomalies[0]
            return word, f"{first.count:,} × {first.name}"
        case _, [] if division and unclear:
            return (
                "unclear",
                f"lost? {missing:,}/{verdict.acknowledged:,}" if missing > 0 else "copies?",
            )
    return verdict.anomalies[0].name, f"{verdict.anomalies[0].count:,} times"


def figures_of_kinds(verdict: Verdict) -> tuple[str, str]:
    """Like `figures`, of a run that asked for neither counter nor list."""
    found = [each for each in verdict.kinds if each.verdict == verdict.verdict]
    judged = sum(each.judged for each in found)
    if verdict.verdict == "violated":
        names = ", ".join(sorted(verdict.failures - {Failure.REFUSES}))
        return names or "unclear", f"{sum(each.wrong for each in found):,}/{judged:,}"
    if verdict.verdict == "holds":
        return "holds", f"0 in {judged:,}"
    return "inconclusive", verdict.missing[0] if verdict.missing else ""


def leads(word: Word, verdict: Verdict) -> bool:
    """Return True if the requests that were not answered are the headline."""
    broken = verdict.broken_since is not None or verdict.availability < 0.5
    return word == "linearizable" or (word == "violated" and broken)


def excused(cell: Cell) -> bool:
    """Return True if unanswered requests are due to the injected fault."""
    return cell.trial.fault is not None and Failure.REFUSES in cell.expectation.may


def shown_as(cell: Cell) -> Word:
    """The verdict whose sign and color a cell has."""
    return cell.verdict.verdict if excused(cell) else cell.verdict.shown_as


def words(cell: Cell) -> list[str]:
    """A cell in a word or two, its figure, and what is to be said besides."""
    word, figure = figures(cell.verdict, excused=excused(cell))
    more = [refusal(cell.verdict)] if cell.verdict.refuses else []
    return [word, figure, *(said for said in more if said != word)]


def refusal(verdict: Verdict) -> str:
    """refuses 80 %"""
    return f"{Failure.REFUSES} {percent(1 - verdict.availability)}"


def matrix(cells: Sequence[Cell]) -> Table:
    """A row a variant, a column a server and what is done to it."""
    columns = list(dict.fromkeys(column(cell) for cell in cells))
    table = Table(box=None, padding=(0, 1, 1, 0), pad_edge=False, header_style="bold")
    table.add_column("workers×threads", no_wrap=True)
    narrow = len(columns) > NARROW
    for each in columns:
        # a line may end between words, and would end within "two-machines"
        head = each.replace("-", " ") if narrow else each
        table.add_column(head, max_width=15, overflow="fold")
    at = {(cell.trial.variant, column(cell)): cell for cell in cells}
    for variant in dict.fromkeys(cell.trial.variant for cell in cells):
        row = [at.get((variant, each)) for each in columns]
        table.add_row(variant, *(square(cell, narrow) if cell else "" for cell in row))
    return table


def survival(cells: Sequence[Cell]) -> Table:
    """A row a fault that was done, a column a variant."""
    variants = list(dict.fromkeys(cell.trial.variant for cell in cells))
    table = Table(box=None, padding=(0, 1, 1, 0), pad_edge=False, header_style="bold")
    table.add_column(f"at {cells[0].trial.server} under", no_wrap=True)
    for variant in variants:
        table.add_column(variant, max_width=13)
    at = {(cell.trial.fault, cell.trial.variant): cell for cell in cells}
    for fault in dict.fromkeys(cell.trial.fault for cell in cells):
        row = [at.get((fault, variant)) for variant in variants]
        table.add_row(fault, *(outcome(cell) if cell else Text("–", style="dim") for cell in row))
    return table


def outcome(cell: Cell) -> Text:
    """Describe the failures of a cell, how often the fault was injected, and the answers."""
    verdict = cell.verdict
    pardoned = {Failure.REFUSES} if excused(cell) else set()
    named = figures(verdict, excused=True)[0] if verdict.violated else "holds"
    wrong: list[str] = sorted(verdict.failures - pardoned) or [named]
    said = ["inconclusive"] if verdict.inconclusive else wrong
    text = Text(f"{SIGN[shown_as(cell)]} " + "\n  ".join(said), style=COLOR[shown_as(cell)])
    text.append(f"\n  {len(cell.done)}×, {verdict.availability:.1%}", style="dim")
    if not cell.as_expected:
        text.append("\n! unexpected", style="bold yellow")
    return text


def square(cell: Cell, narrow: bool = False) -> Text:
    word, *figures = words(cell)
    if narrow and word == "linearizable":
        word = "holds"
    text = Text(f"{SIGN[shown_as(cell)]} {word}", style=COLOR[shown_as(cell)])
    indent = "" if narrow else "  "
    text.append("".join(f"\n{indent}{figure}" for figure in figures), style="dim")
    if not cell.as_expected:
        text.append("\n! unexpected", style="bold yellow")
    return text


def meaning(cells: Sequence[Cell]) -> RenderableType:
    """Explain a check of somebody's own app and say what to do; nothing for variants."""
    meaning = advice.meaning(cells)
    return Group(*(Text(f"{each}\n") for each in (meaning.sentences if meaning else [])))


def explanations(cells: Iterable[Cell]) -> RenderableType:
    """For each cell that is not clean: why, in one sentence, and the requests that prove it."""
    return Group(*(part for cell in cells for part in explanation(cell)))


def explanation(cell: Cell) -> Iterator[RenderableType]:
    verdict, expectation = cell.verdict, cell.expectation
    if not verdict.linearizable and not verdict.only_kinds:
        yield Text.assemble((cell.name, "bold"), f"  {printable(verdict.why)}")
        if verdict.anomalies:
            yield Padding(witness(verdict.anomalies[0].witness), (0, 0, 0, 2), expand=False)
        yield ""
    if cell.trial.fault:
        yield Text.assemble((cell.name, "bold"), f"  {cost(cell)}\n")
    elif verdict.refuses:
        yield Text.assemble((cell.name, "bold"), f"  {refused(verdict)}\n")
    if expectation.expect == "either" and not verdict.only_kinds:
        yield Text.assemble((cell.name, "bold"), f"  may come out either way: {expectation.why}.\n")


def documentation(cells: Sequence[Cell]) -> RenderableType:
    """Quote stores and servers about the injected faults, with whether it was so."""
    return Group(*(Text(f"{each}\n") for each in quotations(cells)))


def refused(verdict: Verdict) -> str:
    """Count the requests that were not answered, in a sentence."""
    return (
        f"Of {number(verdict.asked, 'request')} {verdict.ok:,} were answered ok and "
        f"{verdict.refused:,} 4xx; nobody knows whether the other {verdict.unanswered:,} happened."
    )


def witness(operations: Sequence[Operation]) -> Table:
    """An operation a line: when, who asked, who answered (as far as it is said), and what."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    several = len({operation.clock for operation in operations}) > 1
    first = min(operation.start for operation in operations)
    for each in operations:
        end = f"{(each.end - first) / 1e6:.1f}" if each.end is not None else "…"
        when = f"clock {each.clock}" if several else f"{(each.start - first) / 1e6:.1f}–{end} ms"
        answered = where(each).removeprefix(" at ").replace(",", "")
        what = f"{short(each.asked, 24)} → {short(each.result, 24)}"
        # as Text, since an item may look like markup
        table.add_row(Text(when, style="dim"), who(each), answered, Text(what))
    return table


def conclusion(cells: Sequence[Cell]) -> Text:
    """Return the worth of clean cells, and whether every cell came out as expected."""
    clean = [cell.verdict for cell in cells if shown_as(cell) == "linearizable"]
    text = Text()
    if clean:
        kinds = ([v.acknowledged for v in clean], [v.appended for v in clean])
        fewest = [min(filter(None, counts), default=0) for counts in kinds]
        seen, under = (both(worth(words, *fewest)) for words in ("{0:,} {1}", "{2} of {1}"))
        text.append(
            f"A clean cell shows 0 violations in {seen} or more. With 95 % confidence fewer than "
            f"{under} go wrong, if each is equally likely to. Green is evidence, not proof.\n"
        )
    broken = [cell for cell in cells if not cell.as_expected]
    text.append(all_as_expected(cells), "bold green")
    for cell in broken:
        text.append(f"NOT AS EXPECTED: {cell.name}: {comparison(cell)}\n", "bold red")
    text.rstrip()
    return text


def all_as_expected(cells: Sequence[Cell]) -> str:
    """Count the cells that came out as expected; "" if one did not."""
    if not all(cell.as_expected for cell in cells):
        return ""
    either = sum(cell.expectation.expect == "either" for cell in cells)
    certain = len(cells) - either
    more = f" {number(either, 'other cell')} could come out either way." if either else ""
    return f"Everything as expected: {certain} of {number(certain, 'cell')}.{more}"


def worth(words: str, increments: int, appends: int) -> list[str]:
    """The worth of a clean run, a sentence for each kind.

    {0} is how many, {1} of what, {2} is 3/N.
    """
    kinds = (("increments", increments), ("appends", appends))
    return [words.format(count, kind, percent(3 / count)) for kind, count in kinds if count]


def comparison(cell: Cell) -> str:
    """Compare what was expected with what was found."""
    others = "; ".join(surprises(cell))
    if others and (cell.verdict.only_kinds or cell.expectation.kept(cell.verdict)):
        return f"{others}."
    word, figure, *more = words(cell)
    rest = "".join(f", {said}" for said in more) + f"; {others}" * bool(others)
    holds = "no failure" if cell.verdict.only_kinds else "linearizable"
    expected = {
        "holds": holds,
        "breaks": " and ".join(sorted(cell.expectation.must)),
        "either": ", or ".join([holds, *sorted(cell.expectation.may - {Failure.REFUSES})]),
    }[cell.expectation.expect]
    return f"expected {expected}, found {word} ({figure}){rest}."


class Output(Console):
    def on_broken_pipe(self) -> None:
        # rich would end the program with status 1, which is a verdict
        raise BrokenPipeError


def console(*, error: bool = False) -> Console:
    return Output(stderr=error, highlight=False, soft_wrap=False)
