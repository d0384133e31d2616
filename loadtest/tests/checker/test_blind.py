"""Increments that were acknowledged without being told the count."""

import pytest

from loadtest import checker
from loadtest import history as h
from loadtest.tests.timelines import drawn


def judge(drawing):
    return checker.judge(h.frame(drawn(drawing)))


def test_increment_without_a_count():
    """An increment may be acknowledged without a count."""
    verdict = judge(
        """
        A      |-- increment → ok --|
        B        |-- increment → 2 --|
        audit                           |-- read → 2 --|
        """
    )
    assert verdict.linearizable
    assert (verdict.acknowledged, verdict.blind, verdict.audited) == (2, 1, 2)


@pytest.mark.parametrize(
    ("drawing", "why"),
    [
        (
            """
            A  |-- increment → ok --|
            B                          |-- read → 0 --|
            """,
            "Client 0's increment ended before client 1's read began, which was answered 0, so "
            "that "
            "no number is left for it.",
        ),
        (
            """
            A  |-- read → 1 --|
            B                     |-- increment → ok --|
            C  |-- increment → 1 --|
            D                                             |-- increment → 2 --|
            """,
            "Client 1's increment began after client 0's read was answered 1 and ended before "
            "client "
            "3's increment began, which was answered 2, so that no number is left for it.",
        ),
        (
            """
            A  |-- increment → ok --|
            B  |-- increment → ok --|
            C                          |-- read → 1 --|
            """,
            "Client 1's increment ended before client 2's read began, which was answered 1: it was "
            "number 1, and so was 1 other increment answered without the count.",
        ),
    ],
)
def test_why_no_number_is_left_for_it(drawing, why):
    assert judge(drawing).anomalies[-1].why == why


def test_a_certificate_has_them_where_they_fit():
    history = drawn(
        """
        A  |-- increment → ok ------------------|
        B     |-- read → 0 --|
        C                       |-- read → 1 --|
        D                                          |-- increment → ok --|
        """
    )
    order = checker.order(h.frame(history))
    assert order.select("op", "client").rows() == [
        ("read", 1),
        ("increment", 0),
        ("read", 2),
        ("increment", 3),
    ]


def test_blind_claims_only_what_is_known():
    """Nothing is claimed that only answers could show."""
    names = {
        anomaly.name
        for anomaly in judge(
            """
            A  |-- increment → ok --|
            B    |-- increment → 3 --|
            C    |-- increment → ok --|
            """
        ).anomalies
    }
    assert names == set()


@pytest.mark.parametrize(
    ("drawing", "expected"),
    [
        (
            """
            A@1      |-- increment → ok --|
            B@1        |-- increment → ok --|
            audit@1                             |-- read → 1 --|
            """,
            {"lost increment", "stale read", "not linearizable"},
        ),
        (
            """
            A  |-- increment → ok --|
            B                           |-- read → 0 --|
            """,
            {"stale read", "not linearizable"},
        ),
        (
            """
            A  |-- read → 1 --|
            B                     |-- increment → ok --|
            """,
            {"future read", "not linearizable"},
        ),
        (
            """
            A    |-- increment → ok --|
            B    |-- read → 1 --|  |-- read → 0 --|
            """,
            {"stale read", "non-monotonic read", "not linearizable"},
        ),
        (
            """
            A  |-- increment → ok --|
            B    |-- read → 2 --|
            """,
            {"over-count", "future read", "not linearizable"},
        ),
        (
            """
            A  |-- increment → ok --|
            B    |-- increment → 1 --|
            C    |-- increment → 1 --|
            """,
            {"duplicate value", "not linearizable"},
        ),
    ],
)
def test_what_is_found_without_every_count(drawing, expected):
    assert {anomaly.name for anomaly in judge(drawing).anomalies} == expected


def test_blind_copies_seen_in_reads():
    """Copies are distinguished by the reads of them."""
    verdict = judge(
        """
        A@1      |-- increment → ok --|  |-- increment → ok --|  |-- increment → ok --|
        B@2        |-- increment → ok --|  |-- increment → ok --|
        audit@1                                                                         |-- read → 3 --|
        audit@2                                                                         |-- read → 2 --|
        """  # noqa: E501
    )
    assert verdict.why == (
        "2 counters, one per worker: 3 + 2 = 5 acknowledged. Nothing lost, but no answer is the "
        "total."
    )


def test_a_clean_run_of_them_has_a_bound():
    verdict = judge(
        """
        A      |-- increment → ok --|
        B        |-- increment → ok --|
        audit                             |-- read → 2 --|
        """
    )
    assert verdict.linearizable
    assert verdict.bounds == {"increment": 1.0}


def test_neither_read_nor_answer():
    """Without a read or an answer nothing is shown."""
    verdict = judge(
        """
        A  |-- increment → ok --|
        B    |-- increment → ok --|
        """
    )
    assert verdict.missing == ("no audit read the counter after the last increment had ended",)
