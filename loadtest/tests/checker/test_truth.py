"""Of states that are simulated, nothing is said that is not so.

Of three of ten HISTORIES, from SEED on; the nightly target asks for 100,000, other ones each time.
"""

import os

import pytest

from loadtest import checker
from loadtest import history as h
from loadtest.tests.simulated import simulate

SEED = int(os.environ.get("SEED", "0"))
HISTORIES = int(os.environ.get("HISTORIES", "700")) * 3 // 10
PARTS = 4
ALIKE = (174, 34419, 57579, 85856, 89431, 1795922647)
"""What loses and answers late, and where a few of the workers read the same in the end."""
THREADS = (1795941197,)
"""Copies of threads, of which one was told of what nobody is known to have asked it."""


@pytest.mark.parametrize("part", range(PARTS))
def test_what_is_said_of_copies_is_true_of_the_state(part):
    for seed in (*(*ALIKE, *THREADS)[part::PARTS], *range(SEED + part, SEED + HISTORIES, PARTS)):
        history, truth, workers = simulate(seed)
        for known in (None, workers):
            verdict = checker.judge(h.frame(history), workers=known)
            said = f"{seed}: {truth.of}, {truth.lost} lost, {truth.forgotten} forgotten: {verdict}"
            copies = verdict.division and verdict.division.of
            # that such copies end alike is not believed, nor that one state loses so much that each
            # worker was told what it had asked for
            alike = copies in ("none", "unclear") and (truth.loses or truth.of == "group")
            by_chance = alike or (truth.loses and truth.of in ("none", "group"))
            assert verdict.lost <= truth.lost or by_chance, said
            assert verdict.forgotten <= truth.forgotten or by_chance, said
            if any(anomaly.name == "reset" for anomaly in verdict.anomalies):
                assert truth.boots_died, said
            if verdict.division and verdict.division.divided and not by_chance:
                assert len(truth.used) > 1, said
            if copies == "group":
                assert truth.of == "group", said
            if copies == "none" and not verdict.unknown and truth.of not in ("client", "request"):
                assert len(truth.used) == 1 or by_chance, said
            if truth.of == "none" and not truth.loses and not truth.late:
                assert verdict.anomalies == (), said
            str(verdict)
