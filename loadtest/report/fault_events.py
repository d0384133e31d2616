"""Sentences on the faults of a run: each in order, and what each did to the count."""

from __future__ import annotations

import polars as pl

from loadtest.checker.words import number
from loadtest.report.pictures.tables import DrawnRun
from loadtest.server.fault import Fault
from loadtest.server.faults import FAULTS

LONGEST = 12
SILENCE_S = 0.1


def events(run: DrawnRun) -> list[str]:
    """Return sentences on each injection: the worker that went, its successor, the gap.

    Empty for a run without a fault. A long list is cut short, and says so.
    """
    if run.faults.is_empty():
        return []
    moments = [
        (since, f"fault {fault}, {what}; undone at {till:.2f} s")
        for fault, what, since, till in run.faults.iter_rows()
    ]
    for new, gone in run.replaced:
        if gone:
            increments = number(gone.acknowledged, "acknowledged increment")
            moments.append((gone.last, f"{gone.name} answers for the last time, with {increments}"))
        first = (
            "for the first time" if new.earliest is None else f"{new.earliest:,}, its first answer"
        )
        moments.append((new.first, f"{new.name} answers {first}"))
    load = run.rows.filter(phase="load")
    unanswered = load.filter(outcome="unknown")
    if unanswered.height:
        sent = f"{number(unanswered.height, 'request')}, the first of them sent now,"
        moments.append((unanswered["sent"].min(), f"{sent} may or may not have happened"))
    answered = load.filter(outcome="ok").sort("at")["at"]
    silence = answered.diff()
    longest = silence.arg_max()
    if longest and silence[longest] >= SILENCE_S:
        moments.append((answered[longest - 1], f"for {silence[longest]:.2f} s nobody is answered"))
    moments.sort(key=lambda each: each[0])
    lines = [f"{at:.2f} s: {what}." for at, what in moments[:LONGEST]]
    rest = len(moments) - LONGEST
    return [*lines, f"And {number(rest, 'event')} more."] if rest > 0 else lines


def consequence(run: DrawnRun) -> str:
    """Return what the last injection did to the count, in a line; "" if there was none.

    A worker that came for another, and answers less than that one did, has forgotten its count.
    """
    if run.faults.is_empty():
        return ""
    name, target, since, till = run.faults.row(-1)
    fault = FAULTS[name]
    return f"{name.replace('-', ' ')}: {target}; {_forgotten(run, fault, since, till)}"


def _forgotten(run: DrawnRun, fault: Fault, since: float, till: float) -> str:
    replaced = [(new, gone) for new, gone in run.replaced if gone and new.first >= since]
    anew = [gone for new, gone in replaced if (new.earliest or 0) < (gone.highest or 0)]
    if anew:
        whose = "its" if len(anew) == 1 else "their"
        return f"{whose} {sum(map(run.acknowledged, anew)):,} increments are forgotten"
    later = run.increments.filter(pl.col("sent") > till)["value"].drop_nulls()
    if later.is_empty() or (fault.ends in ("worker", "server") and not replaced):
        return "nobody has been answered yet"
    before = run.increments.filter(pl.col("at") < since)["value"].to_list()
    after = later.to_list()
    if fault.ends in ("store", "disk") and max(before, default=0) > max(after):
        return f"the count went from {max(before):,} back to {after[0]:,}"
    return "nothing is forgotten"
