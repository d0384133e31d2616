"""Tests of answered requests and their latency."""

from loadtest import checker
from loadtest import history as h
from loadtest.checker import Failure
from loadtest.history import Operation
from loadtest.tests.timelines import drawn


def test_outcomes_and_latency_by_kind():
    """Each kind has its outcomes and the times to its answers."""
    history = drawn(
        """
        A      |-- increment → 1 --|    |-- read → fail --|
        B         |-- increment → unknown ------------|
        C      |-- increment ----->
        D            |-- increment → 2 --------|
        audit                                                |-- read → 2 ---------------------|
        """
    )
    increments, reads = checker.judge(h.frame(history)).answered
    assert (increments.op, increments.ok, increments.refused, increments.unknown) == (
        *("increment", 2, 0, 2),
    )
    # milliseconds, as drawn
    assert (increments.median, increments.p99, increments.longest) == (26, 36, 36)
    # the audit is no load
    assert (reads.op, reads.ok, reads.refused, reads.unknown) == ("read", 0, 1, 0)


def test_silence_is_the_longest_gap():
    """The silence is the longest time in which nobody was answered."""
    history = drawn(
        """
        A      |-- increment → 1 --|               |-- increment → 2 --|
        B         |-- read → unknown -----|  |-- read → fail --|
        audit                                                            |-- read → 2 --|
        """
    )
    first, second = (each.end for each in history if each.op == "increment")
    assert checker.judge(h.frame(history)).silence == (second - first) / 1e6 > 0
    assert checker.judge(h.frame([])).silence == 0


def test_unanswered_final_reads_counted():
    """Final reads without an answer are counted and reported."""
    verdict = checker.judge(
        h.frame(
            drawn(
                """
                A      |-- increment → 1 --|
                B         |-- increment → 1 --|  |-- read → fail --|
                audit                                                 |-- read → unknown --|
                audit                                                 |-- read → fail --|
                """
            )
        )
    )
    assert (verdict.violated, verdict.unread, verdict.lost) == (True, 2, 0)
    assert "2 reads of the audit not answered" in " ".join(str(verdict).split())


def counted(ok, other, outcome="unknown"):
    """So many increments, each after the other, and then others that are not answered ok."""
    times = [(10 * n, 10 * n + 5) for n in range(ok + other)]
    answers = [("ok", n + 1) for n in range(ok)] + [(outcome, None)] * other
    load = [
        Operation(client=0, op="increment", start=start, end=end, outcome=said, value=value)
        for (start, end), (said, value) in zip(times, answers, strict=True)
    ]
    end = times[-1][1]
    beside = Operation(client=1, op="read", start=0, end=6, value=1)
    audit = Operation(client=2, op="read", start=end + 1, end=end + 2, value=ok, phase="audit")
    return checker.judge(h.frame([*load, beside, audit]))


def test_refuses_above_one_percent():
    """More than one in a hundred requests without an answer is a failure."""
    few, many = counted(998, 10, "unknown"), counted(998, 11, "unknown")
    assert few.linearizable
    assert many.linearizable
    assert few.failures == frozenset()
    assert many.failures == {Failure.REFUSES}
    assert (few.sign, many.sign) == ("✓", "✗")
    assert "99 % of the load answered" in str(many)
    assert "of the load answered" not in str(few)
    assert many.availability == 1 - 11 / 1010


def test_refused_on_purpose_is_an_answer():
    """A 4xx is an answer: a limit that is reached is not a failure of the app."""
    sold_out = counted(40, 400, "fail")
    assert sold_out.linearizable
    assert sold_out.failures == frozenset()
    assert sold_out.availability == 1


def test_nothing_asked_is_nothing_refused():
    assert checker.judge(h.frame([])).failures == frozenset()
