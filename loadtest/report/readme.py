"""The parts of the README that are made from the code; `make pictures` renews them.

Each stands between `<!-- name -->` and `<!-- /name -->`.
"""

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
    rows = [("anomaly", "meaning", "source"), ("---", "---", "---"), *anomalies.table()]
    return "\n".join(f"| {' | '.join(cell.replace('|', '∣') for cell in row)} |" for row in rows)


def variant_diff(before: str, after: str) -> str:
    """What the functions of one variant have that those of the other have not, indents aside."""
    sources = [
        (ROOT / "variants" / f"{name}.py").read_text(encoding="utf-8") for name in (before, after)
    ]
    # from the state to the end of increment
    increments = [
        source[source.index("cache =") : source.index("\n\n\ndef read")].splitlines()
        for source in sources
    ]
    plain = [line.strip() for line in increments[0]]
    lines = []
    for line in increments[1]:
        kept = plain and line.strip() == plain[0]
        if kept:
            plain.pop(0)
        lines.append(("  " if kept else "+ ") + line)
    return "\n".join(line.rstrip() for line in lines).strip("\n")


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
