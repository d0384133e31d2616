"""A clean cell → a shaken run of its trial: does it stay clean if requests rest in its code?"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from loadtest import cell
from loadtest.cell import Cell, KindOutcome
from loadtest.client.load import ON
from loadtest.server.servers import topology
from loadtest.server.shake_log import Coverage, Moment, ShakeLog, coverage, moment, read
from loadtest.server.shake_plan import one_at_a_time, shake_log
from loadtest.trial import Load, Shake, Trial

BUDGET_S = 10.0
"""The time for the shaken runs of one cell, starts of servers included."""
Where = Literal["switches", "anywhere"]


@dataclass(frozen=True)
class Finding:
    """A shaken run in which something went wrong.

    claim    1: this interpreter may switch there; 2: Python promises nothing there
    """

    claim: Literal[1, 2]
    cell: Cell
    moment: Moment | None
    failed: int = 0
    """The number of requests answered 5xx because the app's code raised."""


@dataclass(frozen=True)
class ShakenCell:
    """All shaken runs of one clean cell, up to the first in which something went wrong."""

    cell: Cell
    seed: int
    runs: int
    inconclusive: int
    seconds: float
    python: str
    gil: bool
    coverage: Coverage
    finding: Finding | None

    @property
    def as_expected(self) -> bool:
        """True if nothing went wrong at a place where this interpreter may switch.

        A variant that says of itself that it loses may be found out.
        """
        found = self.finding
        return found is None or found.claim == 2 or self.may_fail

    @property
    def may_fail(self) -> bool:
        """True if what was found is among what is expected of a variant."""
        if self.finding is None or self.finding.failed:
            return False
        run = self.finding.cell
        outcomes = [(each.expectation, each.verdict.failures) for each in run.kinds if red(each)]
        if run.verdict.violated and not run.verdict.only_kinds:
            outcomes.append((run.expectation, run.verdict.failures))
        return all(found and found <= each.must | each.may for each, found in outcomes)


def red(outcome: KindOutcome) -> bool:
    """Return True if a kind of state fails that need not, as a request's name in Redis must."""
    violated = outcome.verdict.verdict == "violated"
    return violated and not outcome.verdict.failures <= outcome.expectation.must


def clean(cell: Cell) -> bool:
    """Return True if nothing went wrong in a cell, and something was shown."""
    return cell.as_expected and not cell.inconclusive and not wrong(cell)


def wrong(cell: Cell) -> bool:
    """Return True if a verdict of a cell is red; time-outs that rests cause are not counted."""
    return any(map(red, cell.kinds)) or (cell.verdict.violated and not cell.verdict.only_kinds)


def can_be_shaken(trial: Trial) -> bool:
    """Return True if a trial is ours to shake, and two of its requests can overlap."""
    server = trial.server
    ours = trial.fault is None and not (trial.own and trial.own.runs_already)
    return ours and (topology(server).workers > 1 or not one_at_a_time(server))


def places(trial: Trial) -> tuple[Where, ...]:
    """Return the kinds of places to rest at, the certain claim first."""
    server = trial.server
    # what runs one request at a time meets other processes alone, which go on between any two
    # instructions; greenlets switch where they wait, and never between two instructions
    if one_at_a_time(server) or server.worker_class == "gevent":
        return ("anywhere",)
    return ("switches", "anywhere")


def shake(
    clean: Cell,
    folder: Path,
    *,
    seed: int,
    also: tuple[str, ...] = (),
    redis_url: str | None = None,
    database_url: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
    over: threading.Event = ON,
) -> ShakenCell:
    """Run the trial of a clean cell again with rests, until something is found or time is up.

    Raises ServerError or LoadError.
    """
    began = time.monotonic()
    runs = inconclusive = 0
    requests: list[ShakeLog] = []
    finding = None
    kinds = places(clean.trial)
    for turn, where in enumerate(kinds, start=1):
        first = runs
        while not finding and (
            runs == first or time.monotonic() - began < BUDGET_S * turn / len(kinds)
        ):
            trial = shaken_trial(clean.trial, Shake(where, seed + runs - first, also))
            progress(f"{clean.name}, shaken: seed {seed + runs - first}")
            run = cell.run(trial, folder, redis_url=redis_url, database_url=database_url, over=over)
            runs += 1
            log = read(shake_log(run.history.with_suffix(".server.log")))
            requests.append(log)
            finding = found(run, clean, log)
            inconclusive += run.inconclusive and not finding
    return ShakenCell(
        clean,
        seed,
        runs,
        inconclusive,
        time.monotonic() - began,
        requests[-1].python,
        requests[-1].gil,
        total(requests),
        finding,
    )


def shaken_trial(trial: Trial, shake: Shake) -> Trial:
    load = replace(trial.load, seconds=1.0, increments=Load.increments // 5)
    return replace(trial, load=load, shake=shake, after_restart=False)


def total(logs: list[ShakeLog]) -> Coverage:
    """Count the instructions of all runs: those met in any, and those rested at in any."""
    found = [coverage(log.requests) for log in logs]
    rested = frozenset[str]().union(*(each.rested for each in found))
    return Coverage(rested, frozenset[str]().union(*(each.met for each in found)))


def found(run: Cell, clean: Cell, log: ShakeLog) -> Finding | None:
    """Return what went wrong in a shaken run; None if nothing did."""
    assert run.trial.shake
    failed = 0 if clean.verdict.unanswered else sum(each.failed for each in log.requests)
    if not wrong(run) and not failed:
        return None
    evidence = [each.witness for each in run.verdict.anomalies]
    evidence += [each.evidence for each in run.verdict.kinds if each.verdict == "violated"]
    at = moment(log.requests, evidence[0] if evidence else ())
    server = run.trial.server
    switches = run.trial.shake.where == "switches" or not log.gil
    parallel = one_at_a_time(server) or (at is not None and at.processes)
    return Finding(1 if switches or parallel else 2, run, at, failed)
