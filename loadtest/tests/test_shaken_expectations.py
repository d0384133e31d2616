"""Tests of what a shaken finding means for a variant, and for an app of somebody's own."""

from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.cell import Cell
from loadtest.checker import judge
from loadtest.commands.shaking import Shaking
from loadtest.expected import expectation
from loadtest.history import Operation, frame
from loadtest.report.shaken import sentence
from loadtest.server.shake_log import Coverage
from loadtest.shaken import Finding, ShakenCell
from loadtest.trial import App, Load, Server, Shake, Trial


def operation(client, op, start, value, phase="load"):
    labels = {"worker": 1, "thread": client, "boot": "a", "phase": phase}
    return Operation(client=client, op=op, start=start, end=start + 50, value=value, **labels)


LOST_UPDATE = [
    operation(1, "increment", 100, 1),
    operation(2, "increment", 110, 1),
    operation(1, "read", 200, 1),
    *(operation(3, "read", start, 1, "audit") for start in (300, 400)),
]


def shaken_cell(trial, claim):
    """Return a cell of which a shaken run lost an update."""
    verdict = judge(frame(LOST_UPDATE))
    clean = Cell(trial, expectation(trial), verdict, Path("h"), 1.0)
    run = replace(clean, trial=replace(trial, shake=Shake("switches", 7)))
    finding = Finding(claim, run, None)
    return ShakenCell(
        clean, 1, 1, 0, 1.0, "3.12.1", True, Coverage(frozenset(), frozenset()), finding
    )


OWN = Trial("shop:app", Server(1, 8), own=App("shop:app", "POST /hits"))
WINDOW = Trial("plain_global", Server(1, 8), Load(pause_ms=0))
LOCKED = Trial("locked_global", Server(1, 8))


@pytest.mark.parametrize(
    ("trial", "claim", "choice", "fails"),
    [
        (OWN, 1, "", True),
        (OWN, 2, "", False),
        (OWN, 2, "strict", True),
        (WINDOW, 1, "1", False),
        (WINDOW, 2, "strict", False),
        (LOCKED, 1, "1", True),
    ],
)
def test_finding_decides_the_status(trial, claim, choice, fails):
    """The first claim fails a check, but for a variant that says that it may lose."""
    assert Shaking(choice).fails(shaken_cell(trial, claim)) == fails


@pytest.mark.parametrize(
    ("claim", "words"),
    [(1, "CPython 3.12.1 may switch threads there."), (2, "nothing promises that it never will.")],
)
def test_report_tells_the_claims_apart(claim, words):
    """The report says which claim was shown, and how to run it again."""
    text = sentence(shaken_cell(OWN, claim))
    assert words in text
    assert text.endswith("Again: SHAKE=1 SEED=7.")
