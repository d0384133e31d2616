"""Tests that the advice follows from the division that the verdict found."""

from loadtest import history
from loadtest.checker import Failure, judge
from loadtest.history import Operation
from loadtest.report.advice import explain


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
