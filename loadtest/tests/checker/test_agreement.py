"""The checker agrees with brute force, on every small history that hypothesis can think of.

On four of ten HISTORIES; the nightly target asks for 100,000.
"""

import os

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from loadtest import checker
from loadtest import history as h
from loadtest.checker import anomalies
from loadtest.checker.linearizability import contradiction
from loadtest.checker.run import Run
from loadtest.tests import brute_force
from loadtest.tests.histories import KINDS, lived

# of these a simulated state knows more, in test_truth
ABOUT_COPIES = {"reset", "lost update", "lost increment", "lost item"}

HISTORIES = int(os.environ.get("HISTORIES", "2500")) * 4 // 10
many = settings(
    max_examples=max(1, HISTORIES // len(KINDS)),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
fewer = settings(many, max_examples=max(1, HISTORIES // 20))


@pytest.mark.parametrize("kind", KINDS)
@many
@given(data=st.data())
def test_agrees_with_brute_force(kind, data):
    """The checker agrees with brute force over all orders, and with every plain definition."""
    history = data.draw(KINDS[kind])
    run = Run(h.frame(history))
    for state, part in ((run.counter, brute_force.of_counter), (run.items, brute_force.of_list)):
        expected = brute_force.explained(part(history), brute_force.before_at_one_client)
        assert (contradiction(run, state, "client") is None) == expected
        event(f"{state.name}, sequentially consistent: {expected}")
    for kind in (kind for kind in anomalies.TABLE if kind.name not in ABOUT_COPIES):
        found = kind.find(run)
        count = 0 if found is None else found.count
        assert count == getattr(brute_force, kind.find.__name__)(history), kind.name
        event(f"{kind.name}: {count > 0}")


@fewer
@given(lived(most=12))
def test_lived_history_has_an_order(history):
    """A simulated history of a right server raises nothing and has an order."""
    frame = h.frame(history)
    assert checker.judge(frame).anomalies == ()
    brute_force.check_order(checker.order(frame), history)
