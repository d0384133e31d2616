"""A variant with a planted bug in one kind of state does not come out as expected."""

from pathlib import Path

import pytest

from loadtest import ROOT
from loadtest.cell import run
from loadtest.trial import Load, Server, Trial

MUTANTS = {
    "a name in a global": (
        "flask_g",
        {"    g.current = {": "    LAST[:] = [name]\n    g.current = {"}
        | {'    return g.current["name"]': "    return LAST[0]"}
        | {"from variants.pause import pause\n": "from variants.pause import pause\n\nLAST = []\n"},
        "request",
        {"leaks"},
    ),
    "texts in each worker": (
        "sqlite_row",
        {
            "    with transaction() as db:\n        db.execute("
            '"INSERT OR REPLACE INTO texts VALUES (?, ?)", (visitor, text))': (
                "    TEXTS[visitor] = text"
            )
        }
        | {
            "    found = connection().execute("
            '"SELECT text FROM texts WHERE visitor = ?", (visitor,)).fetchone()\n'
            "    return found and found[0]": "    return TEXTS.get(visitor)"
        }
        | {"local = threading.local()\n": "local = threading.local()\nTEXTS = {}\n"},
        "visitor",
        {"divided"},
    ),
    "a claim without its lock": (
        "locked_global",
        {
            "    with lock:\n        free = item not in claims\n        pause()\n"
            "        claims.add(item)\n        return free": (
                "    free = item not in claims\n    pause()\n    claims.add(item)\n    return free"
            )
        },
        "claim",
        {"oversells"},
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_planted_bug_is_unexpected(mutant, tmp_path, monkeypatch):
    """The kind with the bug fails as the bug predicts, and the others come out as expected."""
    variant, edits, kind, failures = MUTANTS[mutant]
    text = (ROOT / "variants" / f"{variant}.py").read_text(encoding="utf-8")
    for old, new in edits.items():
        assert old in text
        text = text.replace(old, new)
    Path(tmp_path / "planted.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    server = Server(1, 8) if kind != "visitor" else Server(4, 1)
    cell = run(Trial("planted", server, Load(increments=100)), tmp_path / "out")
    found = {each.kind: each for each in cell.kinds}
    assert set(found[kind].verdict.failures) == failures
    assert {name for name, each in found.items() if not each.as_expected} == {kind}
