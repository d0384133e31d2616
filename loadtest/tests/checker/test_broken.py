"""A store that breaks for good: from some moment every request fails."""

import random

from loadtest import history
from loadtest.checker import Failure, judge
from loadtest.checker.broken import amend, broken_since
from loadtest.history import Operation


def load(outcomes, op="increment"):
    """Return requests one after the other with these outcomes."""
    values = iter(range(1, 10_000))
    return [
        Operation(
            client=n % 4,
            op=op,
            start=n * 10,
            end=n * 10 + 5,
            outcome=outcome,
            value=next(values) if outcome == "ok" else None,
        )
        for n, outcome in enumerate(outcomes)
    ]


def amended(operations):
    run = history.frame(operations)
    return amend(judge(run), run)


def test_broken_from_a_moment():
    """The verdict says since when, and how many requests failed."""
    verdict = amended(load(["ok"] * 30 + ["unknown"] * 200))
    assert verdict.violated
    assert verdict.why.startswith("Broken since 0.0 s: each of 200 requests after that failed.")
    assert verdict.failures == {Failure.REFUSES}
    assert verdict.exit_status == 1


def test_writes_that_break_alone():
    """Writes may fail for good while reads go on."""
    reads = [
        Operation(client=9, op="read", start=s, end=s + 3, value=30) for s in range(301, 2300, 10)
    ]
    verdict = amended([*load(["ok"] * 30 + ["unknown"] * 200), *reads])
    assert "each of 200 writes after that failed" in verdict.why


def test_broken_from_the_beginning():
    """Nothing that was answered at all is broken from the beginning."""
    verdict = amended(load(["unknown"] * 100))
    assert verdict.violated
    assert "each of 100 requests" in verdict.why
    assert "Nothing is wrong" not in verdict.why


def test_random_failures_are_not_for_good():
    """Failures here and there, be they many, are not a store that broke."""
    rng = random.Random(3)
    for share in (0.1, 0.5, 0.8):
        for _ in range(50):
            outcomes = ["unknown" if rng.random() < share else "ok" for _ in range(300)]
            assert broken_since(history.frame(load(outcomes))) is None


def test_refusals_on_purpose_are_answers():
    """4xx until the end of a load is not broken."""
    assert broken_since(history.frame(load(["ok"] * 40 + ["fail"] * 200))) is None


def test_silence_is_not_broken():
    """Requests that were never answered may have been waiting."""
    waiting = [
        Operation(client=n, op="increment", start=500 + n, outcome="unknown") for n in range(50)
    ]
    assert broken_since(history.frame([*load(["ok"] * 40), *waiting])) is None


def test_mass_failure_is_never_fine():
    """A verdict that shows nothing does not say that nothing is wrong if most requests failed."""
    few = judge(history.frame(load(["ok", "unknown", "unknown", "unknown"])))
    assert few.inconclusive
    assert few.why.startswith("Nothing is shown: ")
    assert "Of 4 requests 1 succeeded." in few.why
    fine = judge(history.frame(load(["ok", "ok"])))
    assert "Nothing is wrong" in fine.why
