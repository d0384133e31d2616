"""Each check agrees with brute force on small histories of every sort."""

import os
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.checker import Failure
from loadtest.checker.kind_verdict import Limit
from loadtest.checker.kinds import check
from loadtest.checker.run import Run
from loadtest.history import Operation, frame
from loadtest.tests import brute_force_kinds as brute_force

HISTORIES = int(os.environ.get("HISTORIES", 300))
some = settings(deadline=None, max_examples=HISTORIES)


@st.composite
def requests(draw, op, more):
    """A few requests at any times, with any answers; `more` draws what is special to them."""
    clocks = draw(st.sampled_from([(None,), (None,), (None,), ("m", "n")]))
    history = []
    for n in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, 9))
        outcome = draw(st.sampled_from(["ok", "ok", "ok", "ok", "unknown", "fail"]))
        end = start + draw(st.integers(0, 5))
        boot = draw(st.sampled_from([None, "a", "b"]))
        basic = Operation(
            client=n,
            op=op,
            start=start,
            end=end if outcome == "ok" else draw(st.sampled_from([None, end])),
            outcome=outcome,
            boot=boot if outcome == "ok" else None,
            clock=draw(st.sampled_from(clocks)),
        )
        history.append(draw(more(basic)))
    return history


def a_claim(o):
    """Of two items, with any answer."""
    values = st.sampled_from([0, 1]) if o.outcome == "ok" else st.none()
    return st.builds(lambda item, value: replace(o, item=item, value=value), *items(), values)


def items():
    return (st.sampled_from(["x", "x", "x", "y"]),)


@st.composite
def visits(draw):
    """Saves, each of a text of its own, and loads of any of these texts, mostly of one visitor."""
    keys = st.sampled_from(["ann"] * 9 + ["bob"])
    history = draw(requests("save", lambda o: st.just(o)))
    saved = [n for n in range(len(history)) if history[n].outcome != "ok" or draw(st.booleans())]
    texts = [None, *(f"t{n}" for n in saved), "nobody's"]
    for n, o in enumerate(history):
        if n in saved:
            history[n] = replace(o, key=draw(keys), item=f"t{n}")
        else:
            text = draw(st.sampled_from([*texts[:-1] * 5, texts[-1]]))
            history[n] = replace(o, op="load", key=draw(keys), answer=text)
    return history


def verdict_on(history, limit=1):
    """The verdict on the kind that a history is about."""
    (verdict,) = check(Run(frame(history)), Limit(limit))
    return verdict


@some
@given(requests("claim", a_claim), st.integers(1, 3))
def test_claims_agree(history, limit):
    """Claims are violated exactly if no order explains them, and counted as brute force does."""
    found = verdict_on(history, limit)
    explained = brute_force.explained(history, brute_force.a_claim(limit))
    over, early = brute_force.oversold(history, limit), brute_force.early(history, limit)
    assert (found.verdict == "violated") == (not explained)
    assert (Failure.OVERSELLS in found.failures) == (over > 0)
    assert (Failure.TURNS_AWAY in found.failures) == (early > 0)
    assert found.wrong == (over + early or (not explained))


@some
@given(visits())
def test_visits_agree(history):
    """On one clock, visits are violated exactly if no order of each visitor's explains them."""
    found = verdict_on(history)
    violated = found.verdict == "violated"
    explained = brute_force.explained(history, brute_force.a_visit)
    if len({o.clock for o in history}) == 1:
        assert violated == (not explained)
    else:
        assert explained <= (not violated)
        assert found.verdict != "holds"
    if {Failure.DIVIDED, Failure.LOSES, Failure.FORGETS} & found.failures:
        assert brute_force.misses(history)
    if not violated:
        assert not brute_force.misses(history)
