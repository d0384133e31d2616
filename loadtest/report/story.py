"""Tell in sentences, in order, what happened around the faults of a run."""

from __future__ import annotations

from loadtest.checker.words import number
from loadtest.report.pictures.tables import DrawnRun

LONGEST = 12
SILENCE_S = 0.1


def story(seen: DrawnRun) -> list[str]:
    """Return sentences on each injection: the worker that went, its successor, the gap.

    Empty for a run without a fault. A long story is cut short, and says so.
    """
    if seen.faults.is_empty():
        return []
    told = [
        (since, f"fault {fault}, {what}; undone at {till:.2f} s")
        for fault, what, since, till in seen.faults.iter_rows()
    ]
    for new, gone in seen.replaced:
        if gone:
            increments = number(gone.acknowledged, "acknowledged increment")
            told.append((gone.last, f"{gone.name} answers for the last time, with {increments}"))
        first = (
            "for the first time" if new.earliest is None else f"{new.earliest:,}, its first answer"
        )
        told.append((new.first, f"{new.name} answers {first}"))
    load = seen.rows.filter(phase="load")
    unanswered = load.filter(outcome="unknown")
    if unanswered.height:
        sent = f"{number(unanswered.height, 'request')}, the first of them sent now,"
        told.append((unanswered["sent"].min(), f"{sent} may or may not have happened"))
    answered = load.filter(outcome="ok").sort("at")["at"]
    silence = answered.diff()
    longest = silence.arg_max()
    if longest and silence[longest] >= SILENCE_S:
        told.append((answered[longest - 1], f"for {silence[longest]:.2f} s nobody is answered"))
    told.sort(key=lambda each: each[0])
    lines = [f"{at:.2f} s: {what}." for at, what in told[:LONGEST]]
    rest = len(told) - LONGEST
    return [*lines, f"And {number(rest, 'event')} more."] if rest > 0 else lines
