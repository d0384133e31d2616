"""Answers to increments that were sent one at a time, as chains: one for each copy of a count."""

from __future__ import annotations

from collections.abc import Iterable


def steps(values: Iterable[int]) -> list[int]:
    """Return how many increments each answer's copy had answered by then, itself included.

    Each copy's answers go up by one; an answer that continues none is the first of another copy.
    """
    last: dict[int, list[int]] = {}
    found = []
    for value in values:
        before = last.get(value - 1)
        step = before.pop() + 1 if before else 1
        last.setdefault(value, []).append(step)
        found.append(step)
    return found


def copies(values: Iterable[int]) -> int:
    """Return the fewest copies that can have given these answers, in this order."""
    return steps(values).count(1)
