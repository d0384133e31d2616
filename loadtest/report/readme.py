"""The parts of the README that are made from the code; `make pictures` renews them.

Each stands between `<!-- name -->` and `<!-- /name -->`.
"""

import difflib
from pathlib import Path

from loadtest import checker, history, promises, trial
from loadtest.checker import anomalies

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def parts() -> dict[str, str]:
    """The text of each part, by its name."""
    return {
        "promises": promises.markdown(trial.SERVERS),
        "anomalies": anomaly_table(),
        "judged": f"```\n{judged(four_lines())}\n```",
        "diff": f"```diff\n{variant_diff('plain_global', 'locked_global')}\n```",
    }


def four_lines() -> str:
    """The history that the README shows."""
    blocks = README.read_text(encoding="utf-8").split("```\n")
    return next(block for block in blocks if block.startswith('{"client"'))


def judged(history_lines: str) -> str:
    """What `judge` prints of a history."""
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


def renewed(text: str) -> str:
    """A README with each part as it has to be. Raises ValueError if it has no place for one."""
    for name, part in parts().items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = f"{before}{begin}{part}\n{end}{after}"
    return text


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
