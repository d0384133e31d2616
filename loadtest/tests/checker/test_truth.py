"""Tests that each claim of a verdict is true of the simulated world that produced the history.

There are HISTORIES worlds, from SEED on; the nightly target asks for 100,000, other ones each time.
"""

import os
from collections.abc import Iterator

import pytest

from loadtest import checker
from loadtest import history as h
from loadtest.checker import Failure, Verdict
from loadtest.tests.simulated import World, simulate

SEED = int(os.environ.get("SEED", "0"))
HISTORIES = int(os.environ.get("HISTORIES", "300"))
PARTS = 4


def untrue(verdict: Verdict, world: World) -> Iterator[str]:
    """Yield the claims of a verdict that are not true of the world."""
    yield from untrue_of_failures(verdict, world)
    division = verdict.division
    if division is None:
        return
    sentence = division.sentence
    if division.lost > len(world.gone):
        yield f"{division.lost} lost"
    if division.forgotten > len(world.forgotten):
        yield f"{division.forgotten} forgotten"
    if "Nothing lost" in sentence and world.undone:
        yield "nothing lost"
    if division.divided and world.at_one_time < 2:
        yield "divided"
    if division.at_least > world.at_one_time:
        yield f"at least {division.at_least}"
    if division.of == "none" and len(world.used) > 1:
        yield "one copy"
    hedged = "in a copy of another thread" in sentence or "a copy of its own" in sentence
    if division.of == "worker" and not hedged:
        boots: dict[str, set[object]] = {}
        for (boot, _), copies in world.owners.items():
            boots.setdefault(boot, set()).update(copies)
        if any(len(copies) > 1 for copies in boots.values()) or _shared(boots):
            yield "one per worker"
    several = any(len(copies) > 1 for copies in world.owners.values())
    if division.of == "thread" and (several or _shared(world.owners)):
        yield "one per thread"
    if division.of in ("client", "request") and world.setup.owner != division.of:
        yield f"one per {division.of}"
    if division.of == "group":
        yield from _untrue_of_groups(division, world)


def _shared(owners: dict[object, set[object]]) -> bool:
    """Return True if two owners share a copy."""
    return sum(map(len, owners.values())) > len(set().union(*owners.values()))


def _untrue_of_groups(division: checker.Division, world: World) -> Iterator[str]:
    copies = world.used
    if len(copies) != len(division.copies):
        yield f"{len(division.copies)} groups"


def untrue_of_failures(verdict: Verdict, world: World) -> Iterator[str]:
    """Yield the failures that are not one of the world."""
    failures = verdict.failures
    if Failure.LOSES in failures and not world.undone:
        yield "loses"
    if Failure.FORGETS in failures and not (world.went_back or world.ended):
        yield "forgets"
    if Failure.DIVIDED in failures and world.at_one_time < 2:
        yield "divided"
    if Failure.ANSWERS_LATE in failures and world.setup.steps != "late":
        yield "answers late"
    right = world.setup.owner == "none" and world.setup.steps == "atomic"
    if right and not world.went_back and verdict.anomalies:
        yield "an anomaly"


@pytest.mark.parametrize("part", range(PARTS))
def test_claims_are_true_of_the_world(part):
    """Each claim of a verdict is true of the world that produced the history."""
    for seed in range(SEED + part, SEED + HISTORIES, PARTS):
        history, world = simulate(seed)
        for workers in (None, world.setup.workers):
            verdict = checker.judge(h.frame(history), workers=workers)
            claims = list(untrue(verdict, world))
            assert claims == [], f"{seed}, {workers}: {world.setup}\n{verdict}"
            str(verdict)
