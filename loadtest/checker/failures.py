"""The failures of a way to keep state. Each has a fix of its own."""

from __future__ import annotations

from enum import StrEnum


class Failure(StrEnum):
    """A fault, by its word in every table; `meaning` and `cure` are half sentences."""

    meaning: str
    fix: str

    def __new__(cls, word: str, meaning: str, fix: str) -> Failure:
        failure = str.__new__(cls, word)
        failure._value_, failure.meaning, failure.fix = word, meaning, fix
        return failure

    LOSES = (
        "loses",
        "what was acknowledged is gone, since two read the same and both wrote",
        "one step, or a lock that all writers share",
    )
    DIVIDED = (
        "divided",
        "there are several copies, and no answer has the total",
        "one place that all workers share; one worker is such a place",
    )
    ANSWERS_LATE = (
        "answers late",
        "nothing is lost, but an answer is not what the state was at that step",
        "answer from inside the step",
    )
    FORGETS = (
        "forgets",
        "what was acknowledged went with a worker or a store",
        "a place that outlives it",
    )
    REFUSES = (
        "refuses",
        "requests are not answered, or not in time",
        "fewer at once, or a store that waits for its turn",
    )
