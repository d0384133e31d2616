"""The gallery's trials: the servers that tell its idioms apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from loadtest.checker import Failure
from loadtest.expected import expectation
from loadtest.trial import Load, Server, Trial
from variants.facts import Facts, facts

LOAD = Load(users=12, seconds=0.3, increments=200)
BARE = Trial("plain_global", Server(1, 8), LOAD)
"""The bare route: the same three steps without any guard."""
LONGER = replace(LOAD, seconds=4.0)
"""Long enough for a worker to stand still four times: now and then that is in the wrong place."""
Column = tuple[Server, str | None, Load]
COLUMNS: dict[str, Column] = {
    "1×8": (Server(1, 8), None, LOAD),
    "4×1": (Server(4, 1), None, LOAD),
    "4×8 preload": (Server(4, 8, preload=True), None, LOAD),
    "2×1 gevent": (Server(2, 1, worker_class="gevent"), None, LOAD),
    "two machines": (Server(1, 8), "two-machines", LOAD),
    "2×1 paused": (Server(2, 1), "pause-worker", LONGER),
}
"""Threads of one worker; workers alone; both, and what they share when forked; greenlets; two
servers that share nothing but the network; and a worker that stands still for a second."""
BESIDE = ("4×8 preload", "2×1 gevent", "two machines")
"""The columns left out for idioms that fail there just as at 4×1."""


def trials(idioms: Iterable[str], *, every: bool = False) -> list[Trial]:
    """Return the trials of idioms in each column that can serve them and show something of them.

    `every` one includes the columns in which an idiom goes wrong just as it does at 4×1.
    """
    asked = ((idiom, column) for idiom in idioms for column in COLUMNS)
    tried = (trial(*each) for each in asked if every or not known(*each))
    return [each for each in tried if each]


def known(idiom: str, column: str) -> bool:
    """Return True if the idiom is expected to fail in that column just as at 4×1."""
    if column not in BESIDE:
        return False
    workers, there = trial(idiom, "4×1"), trial(idiom, column)
    if not (workers and there):
        return False
    must = expectation(workers).must
    return bool(must) and must == expectation(there).must and wrong(workers) == wrong(there)


def trial(idiom: str, column: str) -> Trial | None:
    """Return the trial of that column.

    None if the idiom cannot be served so, or if a paused worker changes nothing there.
    """
    server, fault, load = COLUMNS[column]
    each = Trial(idiom, server, load, fault=fault)
    idle = fault == "pause-worker" and wrong(each) == wrong(replace(each, fault=None))
    return each if served(idiom, server) and not idle else None


def served(idiom: str, server: Server) -> bool:
    """Return True if a server can serve an idiom."""
    return (
        not idiom_facts(idiom).lines.get("Served", "").startswith(f"not by {server.worker_class}")
    )


def wrong(each: Trial) -> frozenset[Failure]:
    """Return the failures that must or may come out, refusals excepted."""
    return (expectation(each).must | expectation(each).may) - {Failure.REFUSES}


def idiom_facts(idiom: str) -> Facts:
    """Return the facts of an idiom. Raise ValueError if it states none."""
    if (lines := facts(idiom)) is None:
        raise ValueError(f"{idiom} has no facts in its docstring")
    return lines
