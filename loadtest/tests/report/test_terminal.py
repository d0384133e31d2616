"""Tests of terminal output: in 80 columns, in any encoding."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from loadtest import history
from loadtest.cell import Cell
from loadtest.checker import judge
from loadtest.expected import expectation
from loadtest.report import advice, plain, terminal
from loadtest.tests.timelines import drawn
from loadtest.trial import SERVERS, App, Trial

LOSES = """
    A@1.2      |-- increment → 1 --|
    B@1.2          |-- increment → 1 --|
    audit@1.2                             |-- read → 1 --|
"""
HOLDS = """
    A  |-- increment → 1 --|
    B      |-- increment → 2 --|
    audit                         |-- read → 2 --|
"""
REFUSES = """
    A  |-- increment → 1 --|    |-- increment → fail --|  |-- append é✓ ----->
    B      |-- increment → 2 --|
    audit                                                            |-- read → 2 --|
"""


def cell(drawing, variant="plain_global", server=SERVERS[1]):
    trial = Trial(variant, server)
    return Cell(
        trial,
        expectation(trial),
        judge(history.frame(drawn(drawing)), workers=1 if "@" in drawing else None),
        Path("h.jsonl"),
        1.0,
    )


def printed(*parts, encoding="utf-8"):
    """As it comes out of a terminal of 80 columns."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="plain")
    Console(file=file, width=80, highlight=False).print(*parts)
    file.flush()
    return file.buffer.getvalue().decode(encoding)


def test_witness_names_known_workers():
    """Evidence names its workers as far as they are known."""
    lines = printed(terminal.witness(drawn(LOSES))).splitlines()
    assert [line.rstrip() for line in lines] == [
        "0.0–20.0 ms   client 0   worker 1 thread 2  increment → 1",
        "4.0–24.0 ms   client 1   worker 1 thread 2  increment → 1",
        "27.0–42.0 ms  the audit  worker 1 thread 2  read → 1",
    ]
    without = printed(terminal.witness(drawn(HOLDS)[:1]))
    assert without.split() == ["0.0–20.0", "ms", "client", "0", "increment", "→", "1"]


def test_item_is_never_obeyed():
    """An item is shown as it is and never obeyed."""
    drawing = """
        A  |-- append x → 1 --|
        audit                     |-- items → [] --|
    """
    # markup, and what clears a screen
    for item, shown in (("[red]", "[red]"), ("[/]", "[/]"), ("\x1b[2J", r"\x1b[2J")):
        history_ = [replace(each, item=each.item and item) for each in drawn(drawing)]
        verdict = judge(history.frame(history_), workers=1)
        losing = replace(cell(drawing), verdict=verdict)
        said = printed(terminal.explanations([losing]))
        assert said.count(shown) >= 1
        assert "\x1b" not in said


def test_refuses_in_table_and_below():
    """A variant that refuses is reported in the table and below it."""
    refusing = cell(REFUSES, "locked_global")
    assert not refusing.as_expected
    assert "✗ refuses 25 %" in printed(terminal.matrix([refusing]))
    below = " ".join(printed(terminal.explanations([refusing])).split())
    assert "Of 4 requests 2 were answered ok and 1 4xx" in below
    assert "expected linearizable, found refuses 25 % (1/4)." in terminal.comparison(refusing)
    both = cell(LOSES + REFUSES.splitlines()[1].replace("A  ", "C@1.2  ").replace("1 --|", "2 --|"))
    assert "refuses" in printed(terminal.matrix([both]))


def test_unanswered_during_a_fault():
    """Requests unanswered during a fault are mentioned, and are not a failure."""
    trial = Trial("sqlite_row", SERVERS[1], fault="kill-worker")
    killed = replace(cell(REFUSES), trial=trial, expectation=expectation(trial))
    assert killed.as_expected
    assert terminal.words(killed) == ["linearizable", "0 in 2", "refuses 25 %"]
    assert "✓ holds" in printed(terminal.survival([killed]))
    assert "✓ linearizable" in printed(terminal.matrix([killed]))
    # but what it loses, it loses
    losing = replace(killed, verdict=cell(LOSES).verdict)
    assert "✗ loses" in printed(terminal.survival([losing]))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "utf-8"])
def test_table_in_any_encoding(encoding):
    """The table appears in any encoding, and its columns stay."""
    variants = {"plain_global": LOSES, "locked_global": HOLDS, "sqlite_row": REFUSES}
    cells = [cell(drawing, name, s) for name, drawing in variants.items() for s in SERVERS]
    parts = (terminal.matrix(cells), terminal.explanations(cells), terminal.conclusion(cells))
    said, whole = printed(*parts, encoding=encoding), printed(*parts)
    assert [len(line) for line in said.splitlines()] == [len(line) for line in whole.splitlines()]
    assert max(len(line) for line in said.splitlines()) <= 80
    if encoding in ("ascii", "latin-1"):
        assert "+ linearizable" in said
        assert "x loses" in said
        assert "?" not in said
    if encoding == "ascii":
        assert "workersxthreads" in said


def test_unknown_character_is_replaced():
    """A character that the encoding lacks becomes a question mark."""
    assert "a\ud800é☃✓".encode("ascii", errors=plain.plain.__name__) == b"a???+"


LIST = """
    A  |-- append x → 1 --|
    B      |-- items → [] --|
    audit                       |-- items → [x] --|
"""


def test_worth_of_clean_cells():
    """The worth of clean cells is stated for each kind."""
    said = " ".join(printed(terminal.conclusion([cell(HOLDS), cell(LIST)])).split())
    assert "0 violations in 2 increments and 1 appends or more" in said
    assert "fewer than 100 % of increments and 100 % of appends go wrong" in said
    assert "0 violations in 2 increments or more" in printed(terminal.conclusion([cell(HOLDS)]))


def test_fault_columns():
    """Each server with its fault is a column of its own."""
    one, two = cell(HOLDS, "sqlite_row"), cell(LOSES, "sqlite_row")
    told = [replace(one, trial=Trial("sqlite_row", server)) for server in SERVERS]
    trial = Trial("sqlite_row", SERVERS[0], fault="two-machines")
    said = printed(terminal.matrix([*told, replace(two, trial=trial)]))
    assert said.count("✓ holds") == len(SERVERS)
    assert said.count("✗ loses") == 1
    assert "under two" in said
    assert "machines" in said
    assert max(map(len, said.splitlines())) <= 80
    assert "…" not in said


def test_long_names_leave_room():
    """Long names leave room for the verdicts."""
    losing = cell(LOSES)
    trials = [Trial("postgres_serializable_retry", server) for server in SERVERS]
    said = printed(terminal.matrix([replace(losing, trial=trial) for trial in trials]))
    assert max(map(len, said.splitlines())) <= 80
    assert said.count("✗ loses") == len(SERVERS)
    assert "…" not in said


def test_what_is_unclear_is_not_said_to_hold():
    unclear = cell(LOSES.replace("@1.2", ""))
    assert terminal.outcome(unclear).plain.startswith("✗ unclear")
    own = replace(unclear, trial=Trial("shop", SERVERS[1], own=App("shop:app", "POST /", "GET /")))
    assert advice.summary([own]).endswith(": 2 acknowledged, 1 read: 1 lost, or several copies.")


def test_what_is_lost_or_elsewhere_is_neither():
    verdict = judge(history.frame(drawn(LOSES.replace("@1.2", ""))))
    assert terminal.figures(verdict) == ("unclear", "lost? 1/2")


def test_late_copies_are_copies():
    """Copies that answer late are still called copies."""
    late = """
        A@1.1      |-- increment → 2 --|
        B@1.1      |-- increment → 2 --|
        C@1.1      |-- increment → 3 ----------|
        D@2.1      |-- increment → 2 --|
        E@2.1      |-- increment → 2 --|
        audit@1.1                                 |-- read → 3 --|
        audit@2.1                                                    |-- read → 2 --|
    """
    verdict = judge(history.frame(drawn(late)), workers=2)
    assert verdict.failures == {"divided", "answers late"}
    assert terminal.figures(verdict) == ("2 counters", "parts of 5")
