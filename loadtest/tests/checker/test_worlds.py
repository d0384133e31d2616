"""Tests that each claim about copies is true in every world that explains the answers.

One of ten HISTORIES, from SEED on; the nightly target asks for 100,000, other ones each time.
"""

import os
import re
from collections import Counter

import pytest

from loadtest import checker
from loadtest import history as h
from loadtest.tests.timelines import drawn
from loadtest.tests.worlds import World, live, worlds

SEED = int(os.environ.get("SEED", "0"))
HISTORIES = int(os.environ.get("HISTORIES", "1000")) // 10
PARTS = 4


def seen(history):
    """The worlds that explain a history, of those workers who wrote or were audited."""
    there = {o.worker for o in history if o.worker and (o.op == "increment" or o.phase == "audit")}
    found = {}
    for world in worlds(history):
        blocks = frozenset(block & there for block in world.blocks if block & there)
        found[blocks] = min(world.lost, found.get(blocks, world.lost))
    return [World(blocks, lost) for blocks, lost in found.items()]


def untrue(verdict, explained):
    """Return the claims that are false in one of the worlds."""
    division = verdict.division
    of = division.of
    most = max(len(world.blocks) for world in explained)
    fewest = min(len(world.blocks) for world in explained)
    if verdict.lost > min(world.lost for world in explained):
        yield "lost"
    if of == "none" and fewest > 1:
        yield "one copy"
    if of == "none" and division.copies[0].acknowledged > division.copies[0].audited and most > 1:
        yield "one copy, which loses"
    if of == "worker" and any(len(block) > 1 for world in explained for block in world.blocks):
        yield "one per worker"
    if of == "group":
        groups = {frozenset(map(int, re.findall(r"\d+", c.label))) for c in division.copies}
        if any(world.blocks != groups for world in explained):
            yield "who shares one"
    if division.divided and fewest == 1:
        yield "divided"
    if division.at_least > fewest:
        yield "so many or more"
    if of in ("request", "client", "thread"):
        yield of


@pytest.mark.parametrize("part", range(PARTS))
def test_what_is_said_is_true_in_every_world(part):
    said = Counter()
    for seed in range(SEED + part, SEED + HISTORIES, PARTS):
        history, lived_in = live(seed)
        assert any(world.blocks == lived_in for world in worlds(history)) or len(
            {o.worker for o in history} - {None}
        ) < sum(map(len, lived_in))
        verdict = checker.judge(h.frame(history))
        assert list(untrue(verdict, seen(history))) == [], (seed, str(verdict), history)
        said[verdict.division.of] += 1
    assert said.keys() == {"none", "worker", "group", "unclear"}


def test_a_world_is_known_by_its_answers():
    apart = drawn(
        """
        A@1  |-- increment → 1 --|
        B@2                          |-- increment → 1 --|
        """
    )
    (world,) = worlds(apart)
    assert world == World(frozenset([frozenset([1]), frozenset([2])]), 0)
    together = drawn(
        """
        A@1  |-- increment → 1 --|
        B@2    |-- increment → 1 --|
        """
    )
    assert {(len(w.blocks), w.lost) for w in worlds(together)} == {(2, 0), (1, 1)}
