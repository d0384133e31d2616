"""Tests that a sentence is true of both operations that it speaks of."""

from dataclasses import replace

import pytest

from loadtest import checker
from loadtest import history as h
from loadtest.tests.timelines import drawn


def why(drawing, name, **changed):
    history = drawn(drawing) if isinstance(drawing, str) else drawing
    found = checker.judge(h.frame(replace(o, **changed) for o in history)).anomalies
    return next(anomaly.why for anomaly in found if anomaly.name == name)


@pytest.mark.parametrize(
    ("one", "other", "where"),
    [
        ("A@1.1", "B@1.2", " at worker 1, threads 1 and 2"),
        ("A@1.1", "B@1.1", " at worker 1, thread 1"),
        ("A@1.1", "B@1.?", " at worker 1"),
        ("A@1.1", "B@2.1", " at workers 1 and 2"),
        ("A@1.1", "B", ""),
        ("A@1.1, boot a", "B@1.1, boot b", " at worker 1 (boots a and b)"),
    ],
)
def test_both_workers_or_neither(one, other, where):
    """A sentence names the workers of both operations, or of neither."""
    drawing = f"""
        {one:<14}|-- increment → 1 --|
        {other:<14}|-- increment → 1 --|
        """
    said = "Client 0's increment and client 1's increment were both answered 1"
    assert why(drawing, "duplicate value") == f"{said}{where}."


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("", "and nobody sent it"),
        ("A  |-- append x → 1 --|  |-- create → 0 --|", "and it was sent before the create"),
        ("A  |-- append x → fail --|", "although its append was refused"),
        (
            "A  |-- append x → fail --|  |-- append x → fail --|",
            "although its appends were refused",
        ),
    ],
)
@pytest.mark.parametrize("times", [1, 2])
def test_unexpected_item_is_described(sent, said, times):
    """An item that should not be there is described as what it is."""
    items = ", ".join(["x"] * times)
    drawing = f"""
        {sent}
        B                                                                 |-- items → [{items}] --|
        """
    reader = 1 if sent else 0
    read = f'Client {reader}\'s read of the list has "x"'
    assert why(drawing, "unexpected item") == f"{read}, {said}."
    assert why(drawing, "not linearizable").removeprefix(read).endswith(f", {said}.")
    if times == 2:
        assert why(drawing, "duplicated item") == f"{read} twice, {said}."


def test_what_nobody_began_is_no_number():
    assert why("A@1  |-- read → 5 --|", "over-count") == (
        "Client 0's read was answered 5 at worker 1, thread 1, and no increment ever began."
    )


def test_client_is_not_the_audit():
    """A client and the audit are not one reader."""
    history = drawn("A  |-- increment → 1 --|   |-- read → 0 --|")
    said = why([history[0], replace(history[1], phase="audit")], "read-your-writes")
    assert said == "Client 0's increment was answered 1, and then the audit's read was answered 0."


def test_audit_of_the_losing_copy():
    """The final read that is shown is of the copy that lost."""
    verdict = checker.judge(
        h.frame(
            drawn(
                """
                A@1.1  |-- increment → 1 --|
                B@2.1  |-- increment → 1 --|  |-- increment → 2 --|
                C@2.1    |-- increment → 1 --|
                audit@1.1                                             |-- read → 1 --|
                audit@2.1                                             |-- read → 2 --|
                """
            )
        )
    )
    (lost,) = (a for a in verdict.anomalies if a.name == "lost increment")
    assert {o.worker for o in lost.witness} == {2}
    assert lost.why == (
        "The audit's read was answered 2, and 3 increments had been acknowledged there, at "
        "worker 2. "
        "1 of 4 acknowledged increments is lost."
    )
