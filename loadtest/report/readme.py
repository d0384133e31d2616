"""The parts of the READMEs that are made from the code; `make pictures` renews them.

Each stands between `<!-- name -->` and `<!-- /name -->`.
"""

import difflib
import re
from collections.abc import Sequence

from loadtest import ROOT, checker, expected, history, trial
from loadtest.cell import Cell, KindOutcome
from loadtest.checker import anomalies
from loadtest.expected_kinds import expectations
from loadtest.kinds.counter import COUNTER
from loadtest.report import kind_words, terminal
from loadtest.report.page.layout import column

README = ROOT / "README.md"
GUIDE = ROOT / "loadtest" / "README.md"


SIMPLEST = ("flask_g", "plain_global", "locked_global", "sqlite_row", "redis_key")
"""The variants, the one that needs least first."""
COLUMNS: dict[str, tuple[trial.Server, str | None]] = {
    "one thread": (trial.Server(1, 1), None),
    "one worker, 8 threads": (trial.Server(1, 8), None),
    "4 workers, 8 threads": (trial.Server(4, 8), None),
    "two machines": (trial.ALONE, "two-machines"),
}
"""The columns of the first table: a server, and the fault that makes two machines of one."""
ROWS = {
    "request": "what one request hands from one function to another",
    "visitor": "something of one visitor",
    "counter": "a count, or a flag or setting that changes while the app runs",
    "claim": "a limit: a stock, a seat, a coupon, a username, a job that must run once",
}
HEADINGS = {
    "request": "Within a request",
    "visitor": "Of a visitor",
    "counter": "A count",
    "claim": "Claims",
}
SURVIVES = "what-survives"
ANCHORS = {kind: heading.lower().replace(" ", "-") for kind, heading in HEADINGS.items()}


def parts() -> dict[str, str]:
    """The text of each part that follows from the code alone, by its name."""
    return {
        "expected": expected.markdown(trial.SERVERS),
        "where": where(),
        "faults": expected.survival(trial.ALONE),
        "anomalies": anomaly_table(),
        "judged": f"```\n{judged(four_lines())}\n```",
        "diff": f"```diff\n{variant_diff('plain_global', 'locked_global')}\n```",
    }


def measured(cells: Sequence[Cell]) -> str:
    """Return the table of measured cells, a row a variant and a column a server."""
    servers = list(dict.fromkeys(cell.trial.server for cell in cells))
    rows = [["variant", *map(str, servers)], ["---"] * (len(servers) + 1)]
    for variant in dict.fromkeys(cell.trial.variant for cell in cells):
        said = [square(cell) for cell in cells if cell.trial.variant == variant]
        rows.append([f"[`{variant}`](variants/{variant}.py)", *said])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def where() -> str:
    """Return the first table: for each kind of state, the first variant that must hold.

    Variants stand in the order of `SIMPLEST`. Each entry links to the table that measures it.
    """
    rows = [["what you keep", *COLUMNS], ["---"] * (len(COLUMNS) + 1)]
    for kind, what in ROWS.items():
        row = [what]
        for server, fault in COLUMNS.values():
            variant = first_that_holds(kind, server, fault)
            # the count on two machines stands among the faults
            anchor = SURVIVES if fault and kind == COUNTER.name else ANCHORS[kind]
            row.append(f"[`{variant}`](#{anchor})")
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def first_that_holds(kind: str, server: trial.Server, fault: str | None) -> str:
    """Return the first variant that must hold in a column."""
    return next(each for each in SIMPLEST if holds(kind, trial.Trial(each, server, fault=fault)))


def holds(kind: str, one: trial.Trial) -> bool:
    """Return True if a trial must come out right for a kind of state."""
    if kind == COUNTER.name:
        return expected.expectation(one).expect == "holds"
    return expectations(one)[kind].expect == "holds"


def measured_kinds(cells: Sequence[Cell]) -> str:
    """Return a table of measured cells for each kind that is judged beside the count."""
    columns = list(dict.fromkeys(column(cell) for cell in cells))
    at = {
        (outcome.kind, cell.trial.variant, column(cell)): outcome
        for cell in cells
        for outcome in cell.kinds
    }
    tables = []
    for kind in [kind for kind in ROWS if kind != COUNTER.name]:
        heads = [name.replace("1×8 under two-machines", "two machines, 1×8") for name in columns]
        rows = [["variant", *heads], ["---"] * (len(columns) + 1)]
        for variant in dict.fromkeys(cell.trial.variant for cell in cells):
            row = [at.get((kind, variant, each)) for each in columns]
            said = [kind_square(found) if found else "–" for found in row]
            rows.append([f"[`{variant}`](variants/{variant}.py)", *said])
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        tables.append(f"### {HEADINGS[kind]}\n\n{table}")
    return "\n\n".join(tables)


def kind_square(outcome: KindOutcome) -> str:
    word, figure = kind_words.figures(outcome.verdict)
    return f"{checker.SIGN[outcome.verdict.verdict]} {word}<br>{figure}"


def square(cell: Cell) -> str:
    word, figure = terminal.figures(cell.verdict)
    return f"{cell.verdict.sign} {word}<br>{figure}"


def four_lines() -> str:
    """The history that the guide shows."""
    blocks = GUIDE.read_text(encoding="utf-8").split("```\n")
    return next(block for block in blocks if block.startswith('{"client"'))


def judged(history_lines: str) -> str:
    """Return the text that `judge` prints for a history."""
    return str(checker.judge(history.parse(history_lines.encode(), "four.jsonl")))


def anomaly_table() -> str:
    kinds = ((kind.name, kind.meaning, kind.source) for kind in anomalies.TABLE)
    rows = [("anomaly", "meaning", "source"), ("---", "---", "---"), *kinds]
    return "\n".join(f"| {' | '.join(cell.replace('|', '∣') for cell in row)} |" for row in rows)


def variant_diff(before: str, after: str) -> str:
    """Two variants from their state to the end of increment, line by line; a line that differs in
    its indent alone is the same."""
    one, other = (shown(name).splitlines() for name in (before, after))
    plain = [[line.strip() for line in lines] for lines in (one, other)]
    lines: list[str] = []
    for how, a, b, c, d in difflib.SequenceMatcher(
        None, plain[0], plain[1], autojunk=False
    ).get_opcodes():
        if how == "equal":
            lines += (f"  {line}" for line in other[c:d])
        else:
            lines += [f"- {line}" for line in one[a:b]] + [f"+ {line}" for line in other[c:d]]
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def shown(variant: str) -> str:
    """A variant from the end of its imports to the end of increment."""
    text = (ROOT / "variants" / f"{variant}.py").read_text(encoding="utf-8")
    return text[text.index("import pause\n") :].partition("\n")[2].partition("\n\n\ndef read")[0]


def renewed(text: str, made: dict[str, str]) -> str:
    """A document with each of its parts as it was `made`; other parts stay as they are."""

    def part(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- {name} -->\n{made[name]}\n<!-- /{name} -->" if name in made else match[0]

    return re.sub(r"<!-- (\w+) -->\n.*?<!-- /\1 -->", part, text, flags=re.DOTALL)


def renew(made: dict[str, str]) -> None:
    """Renews both documents, with what was measured besides what follows from the code."""
    for path in (README, GUIDE):
        text = path.read_text(encoding="utf-8")
        path.write_text(renewed(text, parts() | made), encoding="utf-8")


if __name__ == "__main__":
    renew({})
