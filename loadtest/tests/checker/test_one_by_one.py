"""Requests one at a time complete the verdict on a load without labels."""

import random
from dataclasses import replace

import polars as pl
import pytest

from loadtest import history
from loadtest.checker import Failure, judge
from loadtest.checker.one_by_one import amend, evidence, without_total
from loadtest.history import Operation


def one_by_one(answers, op="increment"):
    """Return operations of one client, one after the other."""
    return [
        Operation(client=0, op=op, start=9 * n, end=9 * n + 5, value=value)
        for n, value in enumerate(answers)
    ]


def load(answers, audit):
    """Return a history of increments that all overlap, and of final reads."""
    written = [
        Operation(client=n, op="increment", start=n, end=10_000 + n, value=value)
        for n, value in enumerate(answers)
    ]
    reads = [
        Operation(client=9_999, op="read", start=s, end=s, value=value, phase="audit")
        for s, value in enumerate(audit, 30_000)
    ]
    return history.frame([*written, *reads])


def amended(by_hand, answers, audit):
    run = load(answers, audit)
    return amend(judge(run), by_hand, run)


def test_copies_lead_the_verdict():
    """Answers one at a time that go back are copies, whatever the load shows."""
    verdict = amended(one_by_one([1, 1, 2, 2] * 8), [*range(1, 21), *range(1, 21)], [20])
    assert verdict.failures == {Failure.DIVIDED}
    assert verdict.division.at_least >= 2
    assert verdict.anomalies[0].name == "real-time inversion"
    assert verdict.why.startswith("At least ")
    assert not verdict.lost


def test_copies_that_lose():
    """More equal answers than there can be copies are lost updates."""
    twice = [value for n in range(1, 17) for value in (n, n)]
    verdict = amended(one_by_one(twice), [5] * 16 + [6] * 16, [6])
    assert verdict.failures == {Failure.DIVIDED, Failure.LOSES}
    assert 0 < verdict.lost <= 32 - 4
    assert "They lose, too" in verdict.why


def test_copies_that_differed_before():
    """Answers far above the number of increments are the copies' own counts, and no over-count."""
    by_hand = one_by_one([value for n in range(16) for value in (150 + n, 192 + n)])
    verdict = amended(by_hand, [*range(166, 180), *range(208, 220)], [180, 220])
    assert verdict.failures == {Failure.DIVIDED}
    assert {anomaly.name for anomaly in verdict.anomalies} == {"real-time inversion"}
    assert "150, 192, 151, 193" in verdict.why


def test_one_copy_loses():
    """A missing increment is lost if one copy answers; the verdict says how sure that is."""
    verdict = amended(one_by_one(range(1, 33)), [1, 1, 2, 2, 3, 4], [4])
    assert verdict.failures == {Failure.LOSES}
    assert verdict.lost == 2
    assert "a second with an equal share would have been missed in less than 0.01 %" in verdict.why
    assert verdict.anomalies[0].name == "lost update"


def test_few_requests_prove_nothing():
    """Three requests that met one copy do not show that there is one."""
    run = load([1, 1, 2], [2])
    verdict = judge(run)
    assert amend(verdict, one_by_one([1, 2, 3]), run) == verdict


def test_state_per_request():
    """A state that ends with its request loses; it is not as many copies as requests."""
    reads = [replace(each, start=each.start + 999, end=None) for each in one_by_one([0], "read")]
    verdict = amended([*one_by_one([1] * 32), *reads], [1] * 40, [0])
    assert verdict.division.of == "request"
    assert verdict.failures == {Failure.LOSES}


def test_linearizable_stays():
    """One copy that loses nothing stays linearizable."""
    run = load(range(1, 41), [40])
    verdict = judge(run)
    assert verdict.linearizable
    assert amend(verdict, one_by_one(range(1, 33)), run) == verdict


@pytest.mark.parametrize("seed", range(30))
def test_no_claim_is_untrue_of_its_world(seed):
    """Copies that share requests evenly are never counted too many, nor accused of losing."""
    rng = random.Random(seed)
    counts = [rng.randrange(3) for _ in range(rng.randrange(2, 7))]

    def answer():
        copy = rng.randrange(len(counts))
        counts[copy] += 1
        return counts[copy]

    by_hand = one_by_one([answer() for _ in range(32)])
    verdict = amended(by_hand, [answer() for _ in range(60)], rng.choices(counts, k=4))
    assert evidence(by_hand).copies <= len(counts)
    assert verdict.lost == 0


def test_number_given_twice():
    """Two equal numbers are not a loss where no request reads a total."""
    run = load([1, 1, 2, 2, 3, 4], [4]).with_columns(
        worker=pl.lit(7), thread=pl.lit(1), boot=pl.lit("a")
    )
    verdict = judge(run)
    assert verdict.failures == {Failure.LOSES}
    given = without_total(verdict)
    assert given.failures == {Failure.REPEATS}
    assert not given.lost
    assert "nothing shows whether anything is gone" in given.why
    assert "lost" not in str(given)
    assert [anomaly.name for anomaly in given.anomalies] == ["duplicate value"]


def test_number_given_once():
    """Without two equal numbers the verdict stays."""
    verdict = judge(load(range(1, 41), [40]))
    assert without_total(verdict) == verdict
