"""Tests of the sentence on a fault's cost, and of quoted documentation."""

from dataclasses import replace
from pathlib import Path

import pytest

from loadtest import history
from loadtest.cell import Cell
from loadtest.checker import judge
from loadtest.expected import expectation, impossible
from loadtest.history import Operation
from loadtest.report.fault_costs import cost, documented, quotations, quoted
from loadtest.server.fault import Injection
from loadtest.server.faults import FAULTS
from loadtest.trial import ALONE, Trial

BOTH = [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2)]


def cell(variant, fault, boots=BOTH, outcome="ok", **more):
    told = 1 if outcome == "ok" else None
    load = [
        Operation(client=1, op="increment", start=10 * n, end=10 * n + 5, value=value, boot=boot)
        for n, (boot, value) in enumerate(boots)
    ]
    load.append(Operation(client=2, op="read", start=1, end=9, outcome=outcome, value=told))
    boot, value = boots[-1]
    audit = Operation(
        client=3, op="read", start=100, end=105, value=value, boot=boot, phase="audit"
    )
    verdict = replace(judge(history.frame([*load, audit]), workers=1), **more)
    trial = Trial(variant, ALONE, fault=fault)
    done = (Injection(str(fault), 1, 2, "worker 1"),)
    return Cell(trial, expectation(trial), verdict, Path("h.jsonl"), 1.0, done)


def test_count_and_cost():
    """The sentence has the number of injections and their cost."""
    sentence = cost(cell("locked_global", "restart", outcome="unknown", silence=650.0))
    assert sentence.startswith(
        "Injected once. 5 increments acknowledged: 0 lost, 3 forgotten by boot a. "
    )
    assert "1 request unanswered, 83 % answered. Longest gap without an answer: 0.65 s." in sentence


def test_what_is_documented_is_held_to_it():
    whole, gone = [("a", 1), ("a", 2)], BOTH
    for variant, fault in (("sqlite_row", "kill-worker"), ("redis_key", "kill-store")):
        assert quoted(cell(variant, fault, whole))[0].endswith("It held here.")
        assert quoted(cell(variant, fault, gone))[0].endswith("It did not hold here.")
    (sentence,) = quotations(
        [cell("sqlite_row", "restart", boots) for boots in (whole, gone, whole)]
    )
    assert sentence.startswith("SQLite under restart: “transactions that are atomic")
    assert sentence.endswith("It held in 2 of 3 cells.")
    lost = quoted(cell("plain_global", "reload", outcome="unknown"))
    assert [each.rpartition(") ")[2] for each in lost] == ["It did not hold here."]


@pytest.mark.parametrize("fault", [fault for fault in FAULTS.values() if fault.documented])
def test_quotes_are_of_possible_faults(fault):
    """Each quotation is about a store or server that the fault can be injected into."""
    keeps = {"SQLite": "sqlite_row", "Redis": "redis_key", "gunicorn": "locked_global"}
    for each in fault.documented:
        variant = keeps[each.whose]
        assert impossible(Trial(variant, ALONE, fault=fault.name)) is None
        assert each in documented(cell(variant, fault.name))
        assert each.whose == "gunicorn" or each not in documented(cell("flask_g", "reload"))
