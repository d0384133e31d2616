"""Tests that the advice follows from the division that the verdict found."""

from collections import Counter
from pathlib import Path

import pytest

from loadtest import history, trial
from loadtest.cell import Cell
from loadtest.checker import Failure, judge
from loadtest.client.refusals import Refusals
from loadtest.expected import expectation as expected_of
from loadtest.history import Operation
from loadtest.report.advice import explain, meaning

ALONE = trial.Server(1, 1)
ASGI = trial.Server(1, 1, "asgi")


def increments(answers, audit, labels=lambda number: {"worker": 1, "boot": "a", "thread": 1}):
    """Return the verdict on increments one after the other, and a final read for each label."""
    operations = [
        Operation(client=0, op="increment", start=9 * n, end=9 * n + 5, value=value, **labels(n))
        for n, value in enumerate(answers)
    ]
    reads = [
        Operation(
            client=9, op="read", start=9000 + n, end=9000 + n, value=v, phase="audit", **labels(n)
        )
        for n, v in enumerate(audit)
    ]
    return judge(history.frame([*operations, *reads]))


def test_state_per_request_needs_no_lock():
    """A state that ends with its request is not helped by a lock."""
    verdict = increments([1] * 30, [0])
    assert verdict.failures == {Failure.LOSES}
    cause, fix, variants = explain(Failure.LOSES, verdict)
    assert cause == "each request has a state of its own, which ends with it"
    assert "no lock helps" in fix
    assert "locked_global" not in variants


def test_copies_per_thread():
    """One worker is no place that all threads share, if each thread has a copy."""

    def labels(number):
        return {"worker": 1, "boot": "a", "thread": number % 2}

    verdict = increments([each for n in range(1, 30) for each in (n, n)], [29, 29], labels)
    assert verdict.failures == {Failure.DIVIDED}
    cause, fix, _ = explain(Failure.DIVIDED, verdict)
    assert cause.startswith("each thread has a copy")
    assert "one worker is such a place" not in fix


def test_overlap_needs_one_step():
    """A lost update is explained by two requests that read the same state."""
    label = {"worker": 1, "boot": "a"}
    pair = [
        Operation(client=n, op="increment", start=n, end=9 + n, value=1, thread=n, **label)
        for n in (0, 1)
    ]
    rest = [
        Operation(client=n, op="increment", start=n, end=n + 5, value=value, thread=n % 2, **label)
        for n, value in ((20, 2), (31, 3), (40, 4))
    ]
    reads = [
        Operation(
            client=9, op="read", start=n, end=n, value=4, phase="audit", thread=n % 2, **label
        )
        for n in (90, 91)
    ]
    verdict = judge(history.frame([*pair, *rest, *reads]))
    assert "lost update" in {anomaly.name for anomaly in verdict.anomalies}
    assert "read the same state" in explain(Failure.LOSES, verdict)[0]
    lost = increments([1, 2, 3], [2])
    assert explain(Failure.LOSES, lost)[0] == Failure.LOSES.meaning


def cell_of(verdict, statuses=(), server=ALONE):
    """Return the cell of an app of somebody's with that verdict."""
    own = trial.App("shop:app", "POST /hits", "GET /hits")
    asked = trial.Trial("shop:app", server, own=own)
    expected = expected_of(asked)
    return Cell(asked, expected, verdict, Path(), 1.0, refusals=Refusals(Counter(statuses)))


def overlapping():
    """Return the verdict on two increments of one worker that overlapped and lost one."""
    label = {"worker": 1, "boot": "a", "thread": 1}
    pair = [
        Operation(client=n, op="increment", start=n, end=90 + n, value=1, **label) for n in (0, 1)
    ]
    more = Operation(client=0, op="increment", start=100, end=105, value=2, **label)
    last = Operation(client=0, op="increment", start=110, end=115, value=3, **label)
    read = Operation(client=9, op="read", start=200, end=201, value=3, phase="audit", **label)
    return judge(history.frame([*pair, more, last, read]))


def test_fix_of_an_asgi_app():
    """A coroutine needs an asyncio.Lock, and a def in the thread pool a threading.Lock."""
    (advice,) = meaning([cell_of(overlapping(), server=ASGI)]).advice
    assert "asyncio.Lock" in advice.fix
    assert "in def a threading.Lock" in advice.fix
    assert "await" in advice.meaning
    assert "locked_global" not in advice.variants
    (advice,) = meaning([cell_of(overlapping())]).advice
    assert "asyncio" not in advice.fix


def test_statuses_of_refusals():
    """The note on refusals on purpose counts them by status."""
    answers = [
        Operation(client=0, op="increment", start=9 * n, end=9 * n + 5, outcome="fail")
        for n in range(3)
    ]
    (note,) = meaning([cell_of(judge(history.frame(answers)), {410: 2, 429: 1})]).refused
    assert "3 of 3 requests were answered 4xx (2 × 410, 1 × 429)" in note


def test_slow_answers_are_mentioned():
    """A median of two seconds is worth a sentence."""
    slow = [
        Operation(
            client=0, op="increment", start=n * 3 * 10**9, end=(n * 3 + 2) * 10**9, value=n + 1
        )
        for n in range(3)
    ]
    notes = meaning([cell_of(judge(history.frame(slow)))]).refused
    assert notes == ("shop:app at 1×1: half of the answers took 2.0 s or longer.",)


def test_every_failure_has_advice():
    """Each failure has a cause and a fix, whether or not a variant shows the fix."""
    verdict = increments([1, 2, 3], [3])
    for failure in Failure:
        cause, fix, _ = explain(failure, verdict)
        assert cause
        assert fix


@pytest.mark.parametrize(
    ("failed", "why"),
    [
        ({(1, 1): 0, (4, 1): 75}, "a copy per worker explains it"),
        ({(1, 1): 0, (1, 8): 0, (4, 1): 20}, "several workers explain it"),
        ({(1, 1): 0, (1, 8): 30, (4, 1): 10}, "requests that overlap in one worker explain it"),
        ({(1, 1): 10, (4, 1): 75}, "neither threads nor workers explain it"),
    ],
)
def test_shares_of_checks_show_why(failed, why):
    """Which topologies fail a check of one's own, and how often, shows what explains it."""
    own = trial.App("shop:app")
    cells = []
    for shape, wrong in failed.items():
        checks = [
            Operation(client=1, op="check", start=9 * n, end=9 * n + 5, value=int(n >= wrong))
            for n in range(100)
        ]
        each = trial.Trial("shop:app", trial.Server(*shape), own=own)
        verdict = judge(history.frame(checks))
        cells.append(Cell(each, expected_of(each), verdict, Path("x"), 1.0))
    assert why in meaning(cells).summary
