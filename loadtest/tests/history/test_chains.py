"""Increments one at a time are chains, one for each copy."""

import random

import pytest

from loadtest.history.chains import copies, steps


@pytest.mark.parametrize(
    ("answers", "fewest"),
    [([], 0), ([5, 6, 7], 1), ([1, 1, 2, 2], 2), ([5, 1, 6, 2, 9], 3), ([1, 1, 1], 3)],
)
def test_chains_are_copies(answers, fewest):
    """Each copy's answers go up by one."""
    assert copies(answers) == fewest


def test_never_more_copies_than_there_are():
    """However copies share the requests, no more of them are counted than there are."""
    rng = random.Random(7)
    for _ in range(2_000):
        counts = [rng.randrange(6) for _ in range(rng.randrange(1, 5))]
        answers = []
        for _ in range(rng.randrange(20)):
            copy = rng.randrange(len(counts))
            counts[copy] += 1
            answers.append(counts[copy])
        assert copies(answers) <= len(counts)


def test_steps_within_each_copy():
    """Each answer is numbered within its copy."""
    assert steps([5, 1, 6, 2, 7]) == [1, 1, 2, 2, 3]
