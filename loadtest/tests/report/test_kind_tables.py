"""The kinds of state in the terminal."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from loadtest import history
from loadtest.cell import Cell
from loadtest.checker import judge
from loadtest.commands.check import status
from loadtest.expected import expectation
from loadtest.history import Operation
from loadtest.report import kind_tables, terminal
from loadtest.trial import Server, Trial

OWN = [("ann", "ann"), ("bob", "bob")]
SWAPPED = [("ann", "bob"), ("bob", "bob")]


def cell(variant, server, names):
    """A cell in which clients that overlap send the first and are answered the second name."""
    asked = [
        Operation(client=n, op="whoami", start=n, end=10 + n, item=item, answer=answer)
        for n, (item, answer) in enumerate(names)
    ]
    trial = Trial(variant, server)
    return Cell(trial, expectation(trial), judge(history.frame(asked)), Path(), 1.0)


def printed(what):
    out = Console(file=StringIO(), width=80)
    out.print(what)
    return [line.rstrip() for line in out.file.getvalue().splitlines()]


def test_matrix_of_a_kind():
    """A kind has a row a variant and a column a server, with sign, word and figure."""
    cells = [
        cell("redis_key", Server(1, 1), OWN),
        cell("redis_key", Server(4, 8), SWAPPED),
        cell("flask_g", Server(4, 8), OWN),
    ]
    assert printed(kind_tables.matrices(cells)) == [
        "within a request 1×1         4×8",
        "redis_key        ✓ holds 0/2 ✗ leaks 1/2",
        "flask_g          –           ✓ holds 0/2",
        "",
    ]
    assert status(cells) == 0


def test_evidence_of_a_kind():
    """The first cell that leaks is explained, with the two requests; others like it are not."""
    cells = [cell("redis_key", Server(4, threads), SWAPPED) for threads in (1, 8)]
    lines = printed(kind_tables.explanations(cells))
    assert lines[0].startswith("within a request, redis_key at 4×1  1 of 2 requests were answered")
    assert sum("whoami ann → bob" in line for line in lines) == 1


def test_comparison_without_surprise():
    """A cell that is as expected is compared in words, too."""
    assert terminal.comparison(cell("flask_g", Server(4, 8), OWN)) != "."


@pytest.mark.parametrize(("variant", "names"), [("flask_g", SWAPPED), ("redis_key", OWN)])
def test_surprise_of_a_kind(variant, names):
    """A kind that does not come out as expected is named, and the exit status is 1."""
    cells = [cell(variant, Server(4, 8), names)]
    assert status(cells) == 1
    conclusion = " ".join(printed(terminal.conclusion(cells)))
    found = {"flask_g": "expected holds, found leaks 1/2", "redis_key": "expected leaks, found"}
    assert f"NOT AS EXPECTED: {variant} at 4×8: within a request: {found[variant]}" in conclusion
    assert "! unexpected" in " ".join(printed(kind_tables.matrices(cells)))
