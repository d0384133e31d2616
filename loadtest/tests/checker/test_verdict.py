"""Tests of verdicts: missing evidence, comparisons, words."""

from dataclasses import replace

import polars as pl
import pytest

from loadtest import checker
from loadtest import history as h
from loadtest.bench import generator
from loadtest.checker.verdict import percent
from loadtest.tests.timelines import drawn, judged


@pytest.mark.parametrize(
    ("drawing", "topology", "missing"),
    [
        ("", {}, "nothing was acknowledged"),
        ("A |-- increment --->", {}, "nothing was acknowledged"),
        (
            """
            A  |-- increment → 1 --|
            B    |-- increment → 2 --|
            """,
            {},
            "no audit read the counter after the last increment had ended",
        ),
        (
            """
            A      |-- increment → 1 --|
            B        |-- increment → 2 --|
            audit   |-- read → 2 --|
            """,
            {},
            "no audit read the counter after the last increment had ended",
        ),
        (
            """
            A      |-- increment → 1 --|
            B                            |-- increment → 2 --|
            audit                                              |-- read → 2 --|
            """,
            {},
            "no two operations overlapped, so that nothing could go wrong",
        ),
        (
            """
            A@1      |-- increment → 1 --|
            B@1        |-- increment → 2 --|
            audit@2                          |-- read → 2 --|
            """,
            {"workers": 2},
            "only 1 of 2 workers answered",
        ),
        (
            """
            A@1.1      |-- increment → 1 --|
            B@1.1        |-- increment → 2 --|
            audit@1.2                          |-- read → 2 --|
            """,
            {"workers": 1, "threads": 8},
            "only 1 of 8 threads of worker 1 answered",
        ),
        (
            """
            A      |-- increment → 1 --|
            B        |-- increment → 2 --|
            audit                          |-- read → 2 --|
            """,
            {"workers": 1},
            "no reply says which worker it is from",
        ),
    ],
)
def test_what_a_history_lacks_to_show_anything(drawing, topology, missing):
    verdict = judged(drawing, **topology)
    assert verdict.verdict == "inconclusive"
    assert verdict.missing == (missing,)
    assert missing in verdict.why
    assert verdict.bounds == {}


def test_violated_wins_over_inconclusive():
    verdict = judged("A  |-- increment → 2 --|", workers=4, threads=8)
    assert verdict.verdict == "violated"
    assert verdict.missing == ()
    assert verdict.bounds == {}


def test_a_run_begins_after_the_last_create():
    history = """
        A      |-- increment → 7 --|
        B                            |-- create → 0 --|
        C                                               |-- increment → 1 --|
        D                                                 |-- increment → 2 --|
        audit                                                                   |-- read → 2 --|
        """
    verdict = judged(history)
    assert verdict.verdict == "linearizable"
    assert (verdict.operations, verdict.acknowledged) == (3, 2)


def test_unknown_from_before_the_create():
    """An unknown increment from before the create may take effect after it."""
    verdict = judged(
        """
        A      |-- increment --->
        B                            |-- create → 0 --|
        C                                               |-- increment → 2 --|
        D                                                 |-- increment → 3 --|
        audit                                                                   |-- read → 3 --|
        """
    )
    assert verdict.verdict == "linearizable"


@pytest.mark.parametrize(
    "create", ["|-- create → 0 --|", "|-- create --->", "|-- create → unknown --|"]
)
def test_no_count_across_a_create(create):
    """A count cannot be followed across a create."""
    verdict = judged(
        f"""
        A      |-- increment → 1 --|
        B            {create}
        C                                  |-- increment → 9 --|
        """
    )
    assert verdict.verdict == "inconclusive"
    assert verdict.why.startswith("Nothing is wrong, but nothing is shown: a create overlaps")
    assert verdict.anomalies == ()


def test_overlap_with_a_create():
    """An operation that begins during a create overlaps it."""
    verdict = judged(
        """
        A      |-- create → 0 -----------|
        B            |-- increment → 1 ------|
        C                                        |-- increment → 2 --|
        """
    )
    assert verdict.why.startswith("Nothing is wrong, but nothing is shown: a create overlaps")


def test_a_refused_create_changes_nothing():
    verdict = judged(
        """
        A      |-- increment → 1 --|
        B            |-- create → fail --|
        C               |-- increment → 2 --|
        audit                                    |-- read → 2 --|
        """
    )
    assert verdict.verdict == "linearizable"


def test_clocks_are_not_compared():
    """Times of different clocks are not compared."""
    history = drawn(
        """
        A  |-- increment → 2 --|
        B                          |-- increment → 1 --|
        """
    )
    names = [anomaly.name for anomaly in judged(history).anomalies]
    assert names == ["real-time inversion", "not linearizable"]
    apart = [replace(o, clock=clock) for o, clock in zip(history, "mn", strict=True)]
    assert judged(apart).anomalies == ()


def test_client_number_on_two_clocks():
    """One number on two clocks is two clients."""
    history = drawn("A  |-- read → 1 --|   |-- read → 0 --|  |-- increment → 1 --|")
    assert judged(history).guarantees["monotonic reads"] is False
    apart = [replace(o, clock=clock) for o, clock in zip(history, "mnn", strict=True)]
    assert judged(apart).guarantees["monotonic reads"] is True


def test_prints_in_80_columns():
    """A verdict prints in 80 columns and in a notebook."""
    for anomaly in ("lost increment", "misplaced item", "reset"):
        verdict = checker.judge(generator.plant(generator.generate(3_000, unknown=0), anomaly))
        assert max(map(len, str(verdict).splitlines())) <= 80
        assert verdict._repr_html_().startswith("<pre>violated: ")


def test_a_long_item_is_cut_short_in_words():
    history = drawn("A |-- append x → 2 --|")
    verdict = judged([replace(history[0], item="é" * 1000)])
    assert max(map(len, str(verdict).splitlines())) <= 80


def test_json_fields():
    """JSON has the documented fields and leaves out long lists."""
    history = generator.plant(generator.generate(3_000, unknown=0), "fork")
    document = checker.judge(history).to_json()
    assert " ".join(document) == (
        "verdict why anomalies division operations acknowledged unknown failed audited lost "
        "appended guarantees missing bounds blind forgotten not_audited answered silence late "
        "unread overlapped kinds broken_since total_unread mixed_replies"
    )
    fork = next(anomaly for anomaly in document["anomalies"] if anomaly["name"] == "fork")
    assert list(fork) == ["name", "count", "witness", "why"]
    assert [list(operation) for operation in fork["witness"]] == [list(h.SCHEMA)] * 2
    assert all(o["items"] is None and o["value"] > 20 for o in fork["witness"])
    assert list(document["division"]) == [
        *("of", "copies", "sentence", "what", "at_least", "in_turn")
    ]


def test_frames_of_other_makers_will_do():
    """In any order of rows, in several chunks, with no rows at all."""
    history = generator.generate(2_000)
    shuffled = pl.concat(
        [history.filter(pl.col("op") == "read"), history.filter(pl.col("op") != "read")]
    )
    assert checker.judge(shuffled) == checker.judge(history)
    assert checker.judge(history.clear()).verdict == "inconclusive"


def test_a_share_is_said_with_two_digits():
    assert [percent(3 / n) for n in (1, 25, 1633, 6_000_000)] == [
        "100 %",
        "12 %",
        "0.18 %",
        "0.000050 %",
    ]
