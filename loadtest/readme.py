"""The parts of the README that are made from the code: `python -m loadtest.readme` renews them.

Each stands between `<!-- name -->` and `<!-- /name -->`.
"""

import re
from pathlib import Path

from loadtest import anomalies, promises, topology

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def parts() -> dict[str, str]:
    """The text of each part, by its name."""
    return {
        "promises": promises.markdown(topology.DEFAULT),
        "anomalies": anomaly_table(),
        "diff": f"```diff\n{variant_diff('plain_global', 'locked_global')}\n```",
    }


def anomaly_table() -> str:
    rows = [("anomaly", "meaning", "source"), ("---", "---", "---"), *anomalies.table()]
    return "\n".join(f"| {' | '.join(cell.replace('|', '∣') for cell in row)} |" for row in rows)


def variant_diff(before: str, after: str) -> str:
    """What the functions of one variant have that those of the other have not, indents aside."""
    sources = [
        (ROOT / "variants" / f"{name}.py").read_text(encoding="utf-8") for name in (before, after)
    ]
    increments = [
        re.search(r"^cache.*?^def increment.*?\n\n\n", source, re.S | re.M)[0].splitlines()
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
    """A README with each part as it has to be."""
    for name, part in parts().items():
        marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        text = marked.sub(lambda match, part=part: match[1] + part + "\n" + match[2], text)
    return text


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
