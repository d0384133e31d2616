"""Which faults a verdict names: those that are certain, and no other."""

from dataclasses import replace

import pytest

from loadtest import checker
from loadtest import history as h
from loadtest.checker import Failure
from loadtest.tests.timelines import drawn

LATE = """
    A@1.1  |-- increment → 2 --|
    B@1.2    |-- increment → 2 --|
    audit@1                        |-- read → 2 --|
    """
UNKNOWN = "C@1.3  |-- increment ---->"
STALE = """
    A@1    |-- increment → 1 --|
    B@1      |-- increment → 2 --|
    C@2                              |-- read → 1 --|
    audit@1                                            |-- read → 2 --|
    audit@2                                                              |-- read → 1 --|
    """
NO_LABELS = """
    A      |-- increment → 1 --|
    B        |-- increment → 1 --|
    audit                          |-- read → 1 --|
    """
NO_AUDIT = """
    A@1.1  |-- increment → 1 --|
    B@1.2    |-- increment → 1 --|
    """
TWO_THREADS = """
    A@1.1  |-- increment → 1 --|  |-- increment → 2 --|
    B@1.2    |-- increment → 1 --|
    C@2.1    |-- increment → 1 --|
    audit@1.1                                             |-- read → 2 --|
    audit@2.1                                             |-- read → 1 --|
    """
COUNTS_TWICE = """
    A@1    |-- increment → 2 --|
    B@1      |-- increment → 4 --|
    audit@1                        |-- read → 4 --|
    """
FORGOT = """
    A@1, boot a  |-- increment → 1 --|  |-- increment → 2 --|
    B@2, boot b                                              |-- increment → 1 --|
    audit@2, boot b                                                                 |-- read → 1 --|
    """


def judge(drawing, **topology):
    return checker.judge(h.frame(drawn(drawing)), **topology)


@pytest.mark.parametrize(
    ("drawing", "faults"),
    [
        (LATE, {Failure.ANSWERS_LATE}),
        (STALE, {Failure.ANSWERS_LATE}),
        (NO_LABELS, set()),  # one of two is lost, or in another copy
        (NO_AUDIT, set()),
        (TWO_THREADS, {Failure.DIVIDED}),  # worker 1's second thread may have its own
        (COUNTS_TWICE, {Failure.COUNTS_TWICE}),  # and the answers are what the state was
    ],
)
def test_a_fault_is_named_where_it_is_certain(drawing, faults):
    verdict = judge(drawing)
    assert verdict.violated
    assert verdict.failures == faults


def test_forgotten_is_not_late():
    """Increments that went with their worker are forgotten, and nothing answers late."""
    assert judge(FORGOT, workers=1).failures == {Failure.FORGETS}


def test_late_list_of_a_losing_counter():
    """A list that answers late adds no failure to a counter that loses."""
    drawing = """
        A@1, boot a      |-- increment → 1 --|  |-- append x → 1 --|
        B@1, boot a        |-- increment → 1 --|  |-- append y → 1 --|
        audit@1, boot a                                                 |-- read → 1 --|
        audit@1, boot a                                                   |-- items → [x, y] --|
        audit@2, boot b                                                                             |-- items → [] --|
        """  # noqa: E501
    assert judge(drawing, workers=1).failures == {Failure.LOSES}


def test_unknown_explains_overwriting():
    """An unknown write may explain two writes that overwrote one another."""
    verdict = judge(LATE + UNKNOWN)
    assert verdict.violated
    assert verdict.failures == {Failure.REFUSES}  # one of three was not answered
    more = drawn("""
        D@1.1                         |-- increment → 3 --|
        E@1.2                           |-- increment → 3 --|
        audit@1                                                |-- read → 4 --|
        """)
    history = [o for o in drawn(LATE + UNKNOWN) if o.phase == "load"] + [
        replace(o, client=o.client + 10) for o in more
    ]
    # two repeat an answer, and one alone can have been undone
    assert Failure.ANSWERS_LATE in checker.judge(h.frame(history)).failures
