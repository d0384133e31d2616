"""The parts of the READMEs that are made from the code; `make pictures` renews them.

Each stands between `<!-- name -->` and `<!-- /name -->`.
"""

import difflib
import re
from collections.abc import Sequence

from loadtest import ROOT, checker, expected, history, trial
from loadtest.cell import Cell
from loadtest.checker import anomalies
from loadtest.report import terminal

README = ROOT / "README.md"
GUIDE = ROOT / "loadtest" / "README.md"


def parts() -> dict[str, str]:
    """The text of each part that follows from the code alone, by its name."""
    return {
        "expected": expected.markdown(trial.SERVERS),
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
