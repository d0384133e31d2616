"""Histories of real servers, one for each verdict that a lesson is about, are judged as ever."""

from pathlib import Path

import pytest

from loadtest import checker, history
from loadtest.checker import Failure

RECORDED = Path(__file__).with_name("recorded")


@pytest.mark.parametrize(
    ("name", "faults", "lost"),
    [
        ("sqlite_row-4x8", set(), 0),
        ("plain_global-1x8", {Failure.LOSES}, 288),
        ("locked_global-4x1", {Failure.DIVIDED}, 0),
    ],
)
def test_it_is_judged_as_ever(name, faults, lost):
    operations = history.read(RECORDED / f"{name}.jsonl.gz")
    verdict = checker.judge(operations)
    assert verdict.linearizable == (not faults)
    assert (verdict.failures, verdict.lost) == (faults, lost)
    assert (checker.order(operations) is not None) == verdict.linearizable
