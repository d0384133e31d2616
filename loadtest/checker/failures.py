"""The failures of a way to keep state. Each has a fix of its own."""

from __future__ import annotations

from enum import StrEnum


class Failure(StrEnum):
    """A failure, by its word in every table; `meaning` and `fix` are half sentences."""

    meaning: str
    fix: str

    def __new__(cls, word: str, meaning: str, fix: str) -> Failure:
        failure = str.__new__(cls, word)
        failure._value_, failure.meaning, failure.fix = word, meaning, fix
        return failure

    LOSES = (
        "loses",
        "an acknowledged write is gone",
        "make read and write one step: a lock that all writers share, a transaction that locks "
        "first, or one command of the store",
    )
    REPEATS = (
        "repeats",
        "a number was answered to two requests; nothing shows whether anything is gone",
        "make reading the last number and storing the next one step: a sequence of the database, "
        "or a UNIQUE constraint and another try",
    )
    DIVIDED = (
        "divided",
        "there are several copies, and no answer is the total",
        "keep it in one place that all of them share",
    )
    ANSWERS_LATE = (
        "answers late",
        "nothing is lost, but an answer is not the state at that step",
        "answer from inside the step, and keep no copy for reads",
    )
    FORGETS = (
        "forgets",
        "an acknowledged write went with a worker or a store",
        "keep it in a place that outlives them",
    )
    COUNTS_TWICE = (
        "counts twice",
        "one request takes effect more than once",
        "send a write once, or give it a number by which the store knows it again",
    )
    LEAKS = (
        "leaks",
        "an answer holds what belongs to another request or visitor",
        "keep it where only that request (flask.g) or that visitor (a row of their own) finds it",
    )
    OVERSELLS = (
        "oversells",
        "more claims succeed than there are places",
        "check and take the place in one step of one store, such as UPDATE … WHERE taken < maximum",
    )
    TURNS_AWAY = (
        "turns away",
        "a claim is refused although a place is left",
        "check and take the place in one step, and give it back if what follows fails",
    )
    REFUSES = (
        "refuses",
        "requests are not answered, or not in time",
        "send fewer at once, or use a store that waits for its turn",
    )
