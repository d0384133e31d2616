"""A trial → a cell: served, loaded, recorded, judged, and compared with its expectation."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import polars as pl

from loadtest import ROOT, history
from loadtest.checker import KindVerdict, Verdict, broken, judge, mixed
from loadtest.checker.one_by_one import amend, without_total
from loadtest.client.audit import READS, audit_afresh
from loadtest.client.baseline import Baseline
from loadtest.client.by_hand import understand
from loadtest.client.described import described
from loadtest.client.http import TIMEOUT_S
from loadtest.client.load import DEADLINE_S, ON, apply, had_room, too_long
from loadtest.client.mapping import OURS, Told, Unclear
from loadtest.client.questions import Questions
from loadtest.client.questions_by_hand import understand_questions
from loadtest.client.recorder import Recorder
from loadtest.client.refusals import Refusals
from loadtest.client.refusals import beside as beside_history
from loadtest.client.sounding import understand_running
from loadtest.errors import CouldNotRun
from loadtest.expected import Expectation, expectation, outlives
from loadtest.expected_kinds import expectations
from loadtest.kinds import CREATE, OPERATIONS
from loadtest.kinds.counter import COUNTER
from loadtest.kinds.list import LIST
from loadtest.server import injections
from loadtest.server.fault import Injection
from loadtest.server.faults import fault_of
from loadtest.server.guardian import guarded
from loadtest.server.redis import PREFIX
from loadtest.server.running import ServerError, exception, interpreter, launch
from loadtest.server.surroundings import surrounded
from loadtest.trial import App, Server, Trial

BY_HAND = "by-hand.jsonl"
"""The requests that a server which runs already was sent one at a time."""
FRESH_PROCESS = ROOT / "loadtest" / "server" / "fresh_process.py"


Judged = tuple[Verdict, tuple[Injection, ...]]
T = TypeVar("T")


@dataclass(frozen=True)
class KindOutcome:
    """The verdict on one kind of state, beside what was expected of it."""

    expectation: Expectation
    verdict: KindVerdict

    @property
    def kind(self) -> str:
        return self.verdict.kind

    @property
    def as_expected(self) -> bool:
        return self.expectation.kept_by(self.verdict)


@dataclass(frozen=True)
class Cell:
    """A trial with its expectation and its outcome; `seconds` is how long it took, and `done`
    what was done to server or store while requests were in flight."""

    trial: Trial
    expectation: Expectation
    verdict: Verdict
    history: Path
    seconds: float
    done: tuple[Injection, ...] = ()
    before: tuple[int, ...] = ()
    """The count of each worker before the load, if the state could not be made empty."""
    refusals: Refusals = field(default_factory=Refusals)

    @property
    def name(self) -> str:
        return self.trial.name

    @cached_property
    def kinds(self) -> tuple[KindOutcome, ...]:
        """The outcome of each kind of state that is judged beside the counter and the list."""
        expected = expectations(self.trial) if self.verdict.kinds else {}
        return tuple(KindOutcome(expected[each.kind], each) for each in self.verdict.kinds)

    @property
    def as_expected(self) -> bool:
        """True if every verdict in it is as expected."""
        counted = self.verdict.only_kinds or self.expectation.kept(self.verdict)
        return counted and all(each.as_expected for each in self.kinds)

    @property
    def inconclusive(self) -> bool:
        """True if some verdict in it proves nothing."""
        return self.verdict.inconclusive or any(
            each.verdict.verdict == "inconclusive" for each in self.kinds
        )


def run(
    trial: Trial,
    folder: Path,
    *,
    redis_url: str | None = None,
    database_url: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
    over: threading.Event = ON,
) -> Cell:
    """Runs one trial; its history and logs go into `folder`, which is made.

    What `Needs` Redis or PostgreSQL gets its URL. `progress` is told what begins. Its load ends as
    soon as `over` is set.
    Raises ServerError or LoadError, and ValueError for an unknown variant.
    """
    began = time.monotonic()
    expected = expectation(trial)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{trial.slug}.jsonl"
    progress(f"{trial.name}: {trial.load.users} clients")
    env = state_of_its_own(path, redis_url, database_url)
    with surrounded(trial, path, env) as (server, target):
        told = ("--fault", trial.fault) if trial.fault else ()
        known = target if trial.fault else None
        apply(trial.load, server, path, *told, target=known, over=over)
        if not trial.fault:
            had_room(server)
        fault = fault_of(trial.fault)
        if fault and fault.found_in_log:
            # also those that nobody waited for
            injections.write(injections.file(path), fault.found_in_log(server.log))
        # while the server is being ended
        judged = beside(lambda: judge_file(path, trial))
        if outlives(trial):
            found = env | target.state_env

            def ask() -> None:
                # what is wrong already needs no more
                if judged()[0].linearizable:
                    ask_afresh(trial, path, found)

            asked = beside(ask)
            if target.store or target.disk:
                # which end with the server
                in_time(trial, asked)
    verdict, done = in_time(trial, judged)
    if outlives(trial):
        in_time(trial, asked)
        verdict = outlived(verdict, path)
    down = trial.own is not None and trial.own.descends
    said = tuple(-count if down else count for count in before(path).values())
    seconds = time.monotonic() - began
    return Cell(trial, expected, verdict, path, seconds, done, said, beside_history(path))


def not_run(trial: Trial, folder: Path, error: CouldNotRun) -> Cell:
    """Return the cell of a trial that could not be run: inconclusive, for this error."""
    path = folder / f"{trial.slug}.jsonl"
    if not path.exists():
        history.write(path, [])
    doing = "start" if isinstance(error, ServerError) else "run"
    server = trial.server
    several = [*["workers"] * (server.workers > 1), *["threads"] * (server.threads > 1)]
    shape = f"several {' and '.join(several)}" if several else "one worker"
    why = f"It does not {doing} with {shape} ({error})."
    verdict = inconclusive(judge(history.frame([])), why, f"does not {doing}")
    return Cell(trial, expectation(trial), verdict, path, seconds=0)


def of_own(verdict: Verdict, trial: Trial, path: Path, operations: pl.DataFrame) -> Verdict:
    """Return the verdict on somebody's own app, with what is only asked of these."""
    assert trial.own
    if (by_hand := path.parent / BY_HAND).exists():
        sounded = history.operations(history.read(by_hand))
        verdict = amend(verdict, sounded, operations)
    ops = described(trial.own).ops
    if COUNTER.write in ops and COUNTER.read not in ops:
        verdict = without_total(verdict)
    if trial.fault:
        return verdict
    if trial.server.preload and trial.server.workers > 1:
        verdict = mixed.amend(verdict, operations)
    verdict = broken.amend(verdict, operations)
    if verdict.broken_since is None:
        return verdict
    refusals = beside_history(path)
    log = path.with_suffix(".server.log")
    logged = exception(log) if log.exists() else ""
    first = f" The first failure: {refusals.first}." if refusals.first else ""
    cause = f" {log} has the reason: {logged}." if logged else ""
    return replace(verdict, why=f"{verdict.why}{first}{cause}")


def first_look(app: App, server: Server, folder: Path) -> tuple[App, list[str]]:
    """Return the app as it is understood after some requests by hand, and sentences about them.

    A server of somebody's may keep copies of a count: they are sounded. Raises ServerError or
    Unclear.
    """
    asked = described(app)
    alone = Trial(app.target, server if app.runs_already else replace(server, workers=1, threads=1))
    log = folder / "by-hand.server.log"
    with launch(replace(alone, own=app), log=log) as running:
        try:
            if isinstance(asked, Questions):
                return app, understand_questions(asked, running.url)
            if app.runs_already:
                return understand_running(app, running.url, folder / BY_HAND)
            learnt, sentence = understand(app, running.url)
        except Unclear as error:
            running.check()
            reason = f": {log}" if log.exists() and " answered 5" in str(error) else ""
            if reason and (logged := exception(log)):
                reason += f" ({logged})"
            raise Unclear(f"{error}{reason}") from None
        return learnt, [sentence]


def before(path: Path) -> dict[str | None, int]:
    """Return the count of each worker before the load, by worker start.

    It is empty if the state was made empty.
    """
    with suppress(FileNotFoundError):
        counts: dict[str | None, int] = json.loads(path.with_suffix(".before.json").read_text())
        return counts
    return {}


def afresh(path: Path) -> Path:
    """The file of what a process said that was started after the load of a history."""
    return path.with_suffix(".afresh.jsonl")


def ask_afresh(trial: Trial, path: Path, env: dict[str, str]) -> None:
    """Asks a process that is started only now: an app's server, or a variant as it was served.
    Raises ServerError, PythonError, GuardianError and NotRecorded."""
    alone = replace(trial, server=replace(trial.server, workers=1, threads=1), fault=None)
    log = path.with_suffix(".afresh.log")
    recorder = Recorder(afresh(path), mapping=described(trial.own) if trial.own else OURS)
    recorder.baseline = Baseline(before(path))
    if trial.own:
        with launch(alone, log=log, env=env) as server:
            audit_afresh(recorder, server.url)
    else:
        python, _, around = interpreter(alone, env, path.parent)
        answers = path.with_suffix(".answers")
        # of an earlier try
        answers.unlink(missing_ok=True)
        script = FRESH_PROCESS.read_text(encoding="utf-8")
        reads = json.dumps({op: OPERATIONS[op].path for op in READS})
        command = [python, "-c", script, trial.variant, str(answers.absolute()), reads]
        with guarded(command, log=log, env=around) as process:
            process.wait(DEADLINE_S)
        lines = answers.read_text(encoding="utf-8").splitlines() if answers.exists() else []
        for op, status, text in map(json.loads, lines):
            recorder.call(0, op, partial(Told, status, text, {}), phase="audit")
    recorder.close()


def inconclusive(verdict: Verdict, why: str, missing: str) -> Verdict:
    """The verdict, where more is missing than its history can tell."""
    return replace(verdict, verdict="inconclusive", why=why, missing=(missing,), bounds={})


def outlived(verdict: Verdict, path: Path) -> Verdict:
    """The verdict, with what a process that was started after the load finds: less than the audit
    did is forgotten, and where it is told nothing, nothing is shown."""
    if not verdict.linearizable:
        return verdict
    both = [history.read(each).filter(phase="audit", outcome="ok") for each in (path, afresh(path))]
    for kind in (COUNTER, LIST):
        had, has = (rows.filter(op=kind.read)["value"].to_list() for rows in both)
        if not had:
            continue
        if not has:
            missing = f"a process that was started after the load was not told the {kind.audited}"
            why = f"Nothing is wrong, but not all is shown: {missing}."
            return inconclusive(verdict, why, missing)
        # what was there before the load is gone with it
        left = max(0, min(has))
        gone = max(had) - left
        if gone > 0:
            why = (
                f"A process that was started after the load reads {left:,} {kind.audited}, where "
                f"the audit had read {max(had):,}."
            )
            return replace(verdict, verdict="violated", why=why, forgotten=gone, bounds={})
    return verdict


def beside(work: Callable[[], T]) -> Callable[[], T]:
    """Begins a work; call for what came of it."""
    done: Future[T] = Future()

    def begin() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    # no thread of a pool: Python would wait for it at its end, however long it takes
    threading.Thread(target=begin, daemon=True).start()
    return lambda: done.result(timeout=DEADLINE_S)


def in_time(trial: Trial, work: Callable[[], T]) -> T:
    """Return the result of a work that was begun. Raise LoadError if it takes too long."""
    try:
        return work()
    except (TimeoutError, subprocess.TimeoutExpired):
        raise too_long(trial, "judging") from None


def judge_file(path: Path, trial: Trial) -> Judged:
    """The verdict, inconclusive if the fault was not done; and what was done."""
    server = trial.server
    # gevent has a new thread for each request, and a worker that soon ends may use one alone
    few = server.worker_class not in ("gthread", "sync") or trial.fault
    threads = None if few else server.threads or None
    operations = history.read(path)
    asked = described(trial.own) if trial.own else None
    limit, one_limit = (1, False)
    if isinstance(asked, Questions):
        limit, one_limit = asked.limit, asked.one_limit
    fault = fault_of(trial.fault)
    verdict = judge(
        operations,
        workers=server.workers * (fault.machines if fault else 1) or None,
        threads=threads,
        limit=limit,
        claimed_before=one_limit,
    )
    done = struck(operations, injections.read(injections.file(path)))
    if trial.fault and not done:
        missing = f"{trial.fault} was not done while requests were in flight"
        why = f"Nothing is shown of {trial.fault}: it was not done while requests were in flight."
        verdict = inconclusive(verdict, why, missing)
    if trial.own:
        verdict = of_own(verdict, trial, path, operations)
    return verdict, done


def struck(operations: pl.DataFrame, done: Sequence[Injection]) -> tuple[Injection, ...]:
    """The faults that were done while requests of the load were in flight."""
    load = operations.filter(phase="load").filter(pl.col("op") != CREATE.name)
    # a client waits no longer than that, whatever became of its request
    starts, ends = load["start"], load["end"].fill_null(load["start"] + int(TIMEOUT_S * 1e9))
    during = (((starts <= each.end) & (ends >= each.start)).any() for each in done)
    return tuple(each for each, struck in zip(done, during, strict=True) if struck)


def state_of_its_own(
    path: Path, redis_url: str | None = None, database_url: str | None = None
) -> dict[str, str]:
    """Return the environment that gives the variants a place for the state of one run."""
    # the server may have another folder than this process
    path = path.absolute()
    urls = {"REDIS_URL": redis_url, "DATABASE_URL": database_url}
    return {
        "SQLITE_PATH": str(path.with_suffix(".sqlite3")),
        "STATE_PATH": str(path.with_suffix(".state")),
        "REDIS_PREFIX": f"{PREFIX}{path.parent.name}:{path.stem}:",
    } | {name: url for name, url in urls.items() if url}
