"""Tests of contradictions to an order of all operations, and of the order itself."""

import subprocess
import sys

import pytest

from loadtest import checker
from loadtest import history as h
from loadtest.history import Operation
from loadtest.history.operation import LARGEST
from loadtest.tests.timelines import drawn, judged


@pytest.mark.parametrize(
    ("first", "second", "anomaly"),
    [
        (
            {"op": "increment", "value": 2},
            {"op": "increment", "value": 1},
            "real-time inversion",
        ),
        ({"op": "increment", "value": 1}, {"op": "read", "value": 0}, "stale read"),
        ({"op": "read", "value": 1}, {"op": "increment", "value": 1}, "future read"),
        ({"op": "increment", "value": 2}, {"op": "increment", "outcome": "unknown"}, None),
        (
            {"op": "append", "item": "x", "value": 2},
            {"op": "append", "item": "y", "value": 1},
            "reordered item",
        ),
    ],
)
@pytest.mark.parametrize("client", [0, 1])
def test_intervals_are_closed(first, second, anomaly, client):
    """Operations overlap if one ends at the nanosecond at which another begins."""

    def history(gap):
        one = Operation(client=0, start=0, end=10, **first)
        other = Operation(client=client, start=10 + gap, end=20, **second)
        items = Operation(client=7, op="items", start=30, end=40, items=("y", "x"), value=2)
        return [one, other, *([items] if first["op"] == "append" else [])]

    assert judged(history(gap=0)).anomalies == ()
    names = [found.name for found in judged(history(gap=1)).anomalies]
    assert (anomaly or "not linearizable") in names
    assert names[-1] == "not linearizable"
    holds = judged(history(gap=1)).guarantees["sequential consistency"]
    assert holds == (client == 1)


def test_sequential_not_linearizable():
    """A history can be sequentially consistent and not linearizable."""
    verdict = judged(
        """
        A      |-- increment → 1 --|
        B        |-- increment → 2 --|
        C                                |-- read → 1 --|
        audit                                               |-- read → 2 --|
        """
    )
    assert verdict.why == (
        "Not linearizable, but sequentially consistent per client. Client 1's increment ended at "
        "22.0 ms before client 2's read began at 26.0 ms, yet the first was answered 2 and the "
        "second "
        "was answered 1."
    )
    assert all(verdict.guarantees.values())


def test_the_contradiction_says_when_and_what():
    verdict = judged(
        [
            Operation(client=0, op="increment", start=12_000_000, end=12_100_000, value=2),
            Operation(client=1, op="increment", start=12_400_000, end=12_500_000, value=1),
            Operation(client=2, op="increment", start=0, end=1_000, value=3),
        ]
    )
    assert verdict.anomalies[-1].why == (
        "Client 2's increment ended at 0.0 ms before client 0's increment began at 12.0 ms, "
        "yet the first was answered 3 and the second was answered 2."
    )


def test_one_client_is_named_once():
    """The sentence is shorter for one client and for equal answers."""
    anomalies = judged("A  |-- increment → 1 --|  |-- increment → 1 --|").anomalies
    assert anomalies[1].why == (
        "Client 0's increment ended at 20.0 ms before its later increment began at 23.0 ms, "
        "yet both were answered 1."
    )


@pytest.mark.parametrize(
    ("drawing", "why"),
    [
        (
            "A |-- increment → 0 --|",
            "Client 0's increment was answered 0, and the lowest possible answer is 1.",
        ),
        (
            "A |-- increment → 2 --|",
            "Client 0's increment was answered 2, yet nobody was answered 1.",
        ),
        (
            "A |-- read → -1 --|",
            "Client 0's read was answered -1, and the lowest possible answer is 0.",
        ),
        (
            """
            A |-- increment → 3 --|
            B    |-- increment --------->
            """,
            "Client 0's increment was answered 3, yet nobody was answered 1 "
            "(numbers missing: 2, with 1 unknown increment to take them).",
        ),
        (
            """
            A |-- increment → 2 --|
            B                           |-- increment --------->
            """,
            "Client 0's increment was answered 2, yet nobody was answered 1: it ended at 20.0 ms, "
            "and client 1's increment, unknown, began later, at 26.0 ms.",
        ),
        (
            """
            A |-- append x → 1 --|
            B    |-- append y ----------->
            C                           |-- items → [y] --|
            """,
            "Client 0's append of \"x\" was answered 1, and client 2's read of the list has "
            '"y" there.',
        ),
        (
            """
            A |-- append x ----------->
            B   |-- items → [x, x] --|
            """,
            'Client 1\'s read of the list has "x" twice, and it was sent once.',
        ),
        (
            """
            A |-- append x ----------->
            B    |-- append y → 3 --|
            C       |-- items → [x] --|
            """,
            'Client 1\'s append of "y" was answered 3, yet nobody was answered 2.',
        ),
        (
            """
            A                                   |-- append y ----------->
            B   |-- items → [y] --|
            """,
            "Client 1's read of the list ended at 18.0 ms before client 0's append of \"y\" began "
            "at 32.0 ms, yet the first read 1 item and the second must have been number 1.",
        ),
    ],
)
def test_contradictions_have_words(drawing, why):
    """Every kind of contradiction has its words."""
    assert judged(drawing).anomalies[-1].why == why


IN_LITTLE_ROOM = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
from loadtest import checker, history
operations = [
    history.Operation(client=0, op="increment", start=0, end=10, value=value),
    history.Operation(client=1, op="increment", start=0, end=None, outcome="unknown"),
    history.Operation(client=2, op="increment", start=0, end=10),
]
print(checker.judge(history.frame(operations)).anomalies[-1].why)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to such a limit")
@pytest.mark.parametrize("value", [10**12, LARGEST - 1])
def test_huge_numbers_take_no_room(value):
    """A number that no client can have counted to takes no memory."""
    judge = [sys.executable, "-c", f"value = {value}\n{IN_LITTLE_ROOM}"]
    done = subprocess.run(judge, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == (
        f"Client 0's increment was answered {value:,}, yet nobody was answered 1 (numbers missing: "
        f"{value - 1:,}, with 2 unknown or blind increments to take them).\n"
    )


def test_certificate_has_instants():
    """The certificate is an order with an instant for each operation."""
    history = drawn(
        """
        A  |-- increment → 2 --|
        B     |-- increment -------->
        C           |-- read → 1 --|
        D       |-- append x → 1 --|
        E  |-- increment → fail --|
        """
    )
    order = checker.order(h.frame(history))
    assert order.select("op", "value").rows() == [
        ("increment", None),
        ("append", 1),
        ("read", 1),
        ("increment", 2),
    ]
    assert order["at"].is_sorted()
    assert checker.order(h.frame(drawn("A |-- increment → 2 --|"))) is None
