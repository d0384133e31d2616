"""The clients of a load, for locust.

    locust -f loadtest/locustfile.py --host http://127.0.0.1:8000

It loads whatever has the routes of `variants.app`, in locust's web UI or with --headless, in one
process, in several (--processes) or on several machines (--master --master-bind-host='*', and
--worker there).

At the start of a run the state is made empty; then the clients load the server and each operation
is written to the history; when the load has stopped, the audit reads every worker several times.
No request is ever sent again, and no connection is kept: a client that keeps its connection stays
with one worker for good, and would never see that the workers disagree.
"""

import json
import logging
import os
import random
import signal
import time
from argparse import Namespace
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any

import gevent
from gevent.event import Event
from gevent.hub import Hub
from locust import FastHttpUser, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import LocustError, StopTest
from locust.runners import WorkerRunner
from requests import RequestException

from loadtest.client import files
from loadtest.client.audit import audit, empty
from loadtest.client.baseline import Unready, awake, quiet
from loadtest.client.described import described
from loadtest.client.files import SILENCE_S, Files
from loadtest.client.http import TIMEOUT_S
from loadtest.client.mapping import OURS, Reply, Routes, Steps, kept
from loadtest.client.questions import Questions
from loadtest.client.recorder import NotRecorded, Recorder
from loadtest.history.operation import Op
from loadtest.kinds import CREATE, KINDS, Kind, Operation
from loadtest.kinds.counter import COUNTER
from loadtest.kinds.list import LIST
from loadtest.report.live.web_ui import Live
from loadtest.server import injections
from loadtest.trial import DESCRIBED, App

LEARNT = ("redirected", "descends")
"""Facts about an app from the requests by hand."""
PATHS = ("history", "mapping", "target")
"""The options that name something on this machine."""
NOT_RECORDED = os.EX_IOERR
"""The exit status, if operations could not be written down."""
BLOCK = 32
"""So many requests in a row are about a kind that is asked by all clients together."""
MIXED = 20
"""So many blocks are about the other kinds before it begins again."""
MIXED_UNDER_FAULT = 3
"""Fewer where a fault is injected: what was saved and claimed before it is asked for after it."""
log = logging.getLogger(__name__)


@events.init_command_line_parser.add_listener
def options(parser: LocustArgumentParser) -> None:
    # nobody else's machine; --web-host and --master-bind-host name another
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1")
    parser.add_argument(
        "--history",
        help="the file for the history; default results/<time>/history.jsonl",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--keep-alive",
        action="store_true",
        help="keep connections, which hides that the workers disagree",
    )
    parser.add_argument(
        "--items",
        type=int,
        default=500,
        help="how many items a run appends at the most",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--at-least",
        nargs=2,
        type=float,
        metavar=("SECONDS", "INCREMENTS"),
        help="stop once both are reached, and leave the verdict to whoever asked for it",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--boots",
        type=int,
        default=0,
        help="how many workers the server has; the load begins when all of them have answered",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--target",
        help="what faults can be done to, as server.fault has it; else none are done",
        # not among the arguments, which anybody on the machine can read
        env_var=injections.TARGET,
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--buttons",
        nargs="*",
        default=[],
        metavar="FAULT",
        help="those that somebody who looks at the live page may do",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--about",
        default="",
        help="what is loaded, for people: the live page is headed by it",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--fault",
        help="what is done to the target while the load runs, which goes on until it has been done",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--no-history",
        action="store_true",
        help="record and judge nothing, to measure what that costs",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--exit-by-verdict",
        action="store_true",
        help="exit with 0 if linearizable, 1 if violated, 2 if inconclusive",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--kinds",
        nargs="*",
        default=[],
        metavar="KIND",
        help=f"the kinds of state to ask about ({', '.join(KINDS)}); default: all that are kept",
        include_in_web_ui=False,
    )
    # of an app of one's own: loadtest/README.md
    for name in DESCRIBED:
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, default="", include_in_web_ui=False)
    parser.add_argument("--limit", type=int, default=1, include_in_web_ui=False)
    for name in LEARNT:
        parser.add_argument(f"--{name}", action="store_true", include_in_web_ui=False)
    parser.add_argument("--headers", default="", env_var="HEADERS", include_in_web_ui=False)


def mapping(options: Namespace) -> Routes | Steps | Questions:
    """Somebody's app, if anything is said of one, else our routes."""
    fields = {name: getattr(options, name) for name in (*DESCRIBED, *LEARNT, "limit")}
    app = App(**fields)
    # HEADERS may be there for something else
    if app != App():
        return described(replace(app, headers=options.headers))
    return OURS.only(options.kinds) if options.kinds else OURS


@cache
def turns(ops: frozenset[Op], mixed: int) -> list[Kind | None]:
    """The kinds in the order in which a load asks about them, BLOCK requests each.

    None is the kinds that mix, which have `mixed` blocks.
    """
    asked = [kind for kind in KINDS.values() if ops & set(kind.ops)]
    apart: list[Kind | None] = [kind for kind in asked if kind.together]
    return apart + [None] * mixed * (len(apart) < len(asked))


class Run:
    """One run of this process: what it was told, and where its operations are written down."""

    def __init__(self, environment: Environment, exchange: files.Exchange, count: int) -> None:
        self.options: Namespace = environment.parsed_options
        # as people paste it; locust would ask for //read
        environment.host = self.host = str(environment.host or "").rstrip("/")
        self.files = Files(environment, exchange, self.options.history, count)
        # numbers of different locust processes must not meet
        index = environment.runner.worker_index + 1 if is_worker(environment) else 0
        first = 1_000_000 * index
        self.recorder = Recorder(self.files.own, self.files.clock, first, mapping(self.options))

    def prepare(self) -> None:
        """Makes the state empty, or else finds what is to be subtracted from it. Raises Unready."""
        awake(self.recorder.mapping, self.host)
        if self.recorder.mapping == OURS:
            # locust sends the master's options to its workers
            self.options.kinds = kept(self.host)
            self.recorder.mapping = mapping(self.options)
        if CREATE.name in self.recorder.mapping.ops:
            empty(self.recorder, self.host, self.options.boots)
            return
        if isinstance(self.recorder.mapping, Questions):
            return
        if self.files.distributed:
            raise Unready("an app that cannot be made empty is loaded from one locust process")
        baseline = quiet(self.recorder.mapping, self.host, self.options.boots)
        self.recorder.baseline = baseline
        already = ", divided already" if baseline.divided else ""
        log.info("before the load: %s%s", baseline, already)
        self.files.path.with_suffix(".before.json").write_text(json.dumps(baseline.counts))


class Client(FastHttpUser):
    network_timeout = TIMEOUT_S
    connection_timeout = TIMEOUT_S
    current: Run

    def __init__(self, environment: Environment) -> None:
        keep_alive = environment.parsed_options.keep_alive
        self.default_headers = {} if keep_alive else {"Connection": "close"}
        super().__init__(environment)

    def on_start(self) -> None:
        self.options, self.recorder = self.current.options, self.current.recorder
        self.number = next(self.recorder.clients)
        self.mapping = mapping = self.recorder.mapping
        self.asked: Counter[str] = Counter()
        if not mapping.quick:
            self.http = mapping.connect(self.current.host, keep_alive=self.options.keep_alive)

    def send(self, op: Op, item: str | None = None, key: str | None = None) -> None:
        def request() -> Reply:
            if not self.mapping.quick:
                return self.send_once(op, item)
            # or locust would count each item by itself
            self.client.request_name = self.mapping.requests[op].path
            try:
                return self.mapping.send(self.client, op, item)
            finally:
                if not self.options.keep_alive:
                    # some servers close without saying so, and a dead connection would be used
                    self.client.client.clientpool.close()

        if self.options.no_history:
            # in `n[op] += request()` n[op] is read before others have their turn
            ok = request().status_code == 200
            self.recorder.acknowledged[op] += ok
        else:
            self.recorder.call(self.number, op, request, item, key)

    def send_once(self, op: Op, item: str | None) -> Reply:
        """With a client that sends no request twice, and tells locust what became of it."""
        began, error = time.perf_counter(), None
        try:
            reply = self.mapping.send(self.http, op, item)
            error = LocustError(f"status {reply.status_code}") if reply.status_code >= 400 else None
            return reply
        except RequestException as failed:
            error = failed
            raise
        finally:
            self.environment.events.request.fire(
                request_type=op,
                name=self.mapping.name(op),
                response_time=(time.perf_counter() - began) * 1000,
                response_length=0,
                exception=error,
                context={},
            )

    @task
    def ask(self) -> None:
        """Send the next request, about the kind of state whose turn it is."""
        turn = next(self.recorder.turns)
        kinds = turns(self.mapping.ops, MIXED_UNDER_FAULT if self.options.fault else MIXED)
        kind = kinds[turn // BLOCK % len(kinds)]
        operation = self.next_of(kind) if kind else self.mixed()
        self.asked[operation.name] += 1
        item = self.item(operation, kind, turn) if operation.carries else None
        key = str(self.number) if kind and kind.of_a_visitor else None
        self.send(operation.name, item, key)

    def next_of(self, kind: Kind) -> Operation:
        """The operation of a kind that this client has asked least often, the first at first."""
        return min(kind.operations, key=lambda operation: self.asked[operation.name])

    def mixed(self) -> Operation:
        """One of the operations of the kinds that mix, chosen by weight."""
        # every read of the list carries all of it, so it must not grow for ever
        full = self.recorder.acknowledged[LIST.write] >= self.options.items
        asked = [
            operation
            for kind in KINDS.values()
            for operation in kind.operations
            if operation.name in self.mapping.ops and operation.weight
            if not (full and kind is LIST)
        ]
        return random.choices(asked, [operation.weight for operation in asked])[0]

    def item(self, operation: Operation, kind: Kind | None, turn: int) -> str:
        """An item that nobody else sends, or one that the rivals of a block send, too.

        The first rivals of every block ask for what those of the first block have, since a server
        that forgets gives it away again.
        """
        if isinstance(self.mapping, Questions):
            number = next(self.recorder.tokens)
            return self.mapping.item(operation.name, self.number, number)
        if kind is None or kind.rivals == 1:
            return f"{self.number}-{next(self.recorder.tokens)}"
        block, place = turn // BLOCK, turn % BLOCK // kind.rivals
        return f"{self.recorder.first}-{block if place else 0}-{place}"


class Runs:
    """The runs of this locust process, one after the other; it listens to what locust says.

    The last one is the clients' `current`, and stays so until the next begins.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.live = Live(environment)
        self.exchange = files.listen(environment)
        # a locust worker keeps its own paths, whatever its master has
        self.paths = {name: getattr(environment.parsed_options, name) for name in PATHS}
        self.count = 0
        # it counts from when the state is empty, which takes a while on a busy machine
        self.seconds = None
        options = environment.parsed_options
        if options.headless and not is_worker(environment):
            self.seconds, options.run_time = options.run_time, None
        self.quitting = False
        self.going_on = False
        self.over = Event()
        self.over.set()
        environment.events.test_start.add_listener(self.begin)
        environment.events.test_stop.add_listener(self.end)
        environment.events.quitting.add_listener(self.finish)
        environment.events.quit.add_listener(self.say)

    def begin(self, **_: Any) -> None:
        # the audit of the run before must not meet the creates of this one
        self.over.wait()
        self.over.clear()
        self.count += 1
        if is_worker(self.environment):
            vars(self.environment.parsed_options).update(self.paths)
        try:
            Client.current = run = Run(self.environment, self.exchange, self.count)
            gevent.spawn(self.keep, run)
            self.going_on = True
            if is_worker(self.environment):
                return
            self.live.begin(run.files)
            run.prepare()
            if self.quitting:
                raise Unready("it was stopped before it began")
            run.files.begins()
            if self.seconds:
                gevent.spawn_later(self.seconds, self.environment.runner.quit)
        except NotRecorded as error:
            self.abandon(str(error), NOT_RECORDED)
            raise StopTest(str(error)) from None
        except Unready as error:
            self.abandon(str(error))
            raise StopTest(str(error)) from None
        except gevent.GreenletExit:
            self.abandon("it was stopped before it began")
            raise
        self.live.phase = "ready" if run.options.no_history else "running"
        if run.options.at_least:
            gevent.spawn(stop_when_enough, self.environment, run, *run.options.at_least)

    def keep(self, run: Run) -> None:
        """Lets the history reach its file often, and ends a load that cannot be written down."""
        recorder = run.recorder
        while not recorder.file.closed:
            recorder.flush()
            run.files.send()
            if run.files.deserted():
                log.error("the master has not answered for %d s: this load ends", SILENCE_S)
                self.environment.process_exit_code = 2
                gevent.spawn(self.environment.runner.quit)
                return
            if recorder.broken:
                log.error(recorder.broken)
                self.quit(NOT_RECORDED)
                return
            gevent.sleep(0.5)

    def abandon(self, why: str, status: int = 2) -> None:
        """Ends a run that did not begin."""
        if self.going_on:
            Client.current.recorder.close()
        self.going_on = False
        self.live.fail(why)
        self.over.set()
        self.quit(status)

    def quit(self, status: int) -> None:
        """Ends the load, and where nobody could start another one, locust too."""
        runner = self.environment.runner
        if self.environment.parsed_options.headless:
            # the first reason is the reason
            self.environment.process_exit_code = self.environment.process_exit_code or status
            gevent.spawn(runner.quit)
        elif self.going_on:
            gevent.spawn(runner.stop)

    def end(self, **_: Any) -> None:
        # locust may say it twice, or say it of a run that did not begin
        if not self.going_on:
            return
        self.going_on = False
        run, environment = Client.current, self.environment
        try:
            if not is_worker(environment) and not run.options.no_history:
                self.live.phase = "auditing"
                run.files.wait(environment.stop_timeout + 2)
                audit(run.recorder, run.host, ours=run.options.target is not None)
            run.recorder.close()
            if run.recorder.broken:
                self.quit(NOT_RECORDED)
                self.live.cannot_judge(run.recorder.broken)
                return
            run.files.complete()
            if is_worker(environment):
                # all clients have stopped; locust would wait once more before the next run
                environment.stop_timeout = 0
            else:
                log.info("history: %s", run.files.path)
                asked = run.options.exit_by_verdict or not run.options.at_least
                self.live.end(judge=asked and not run.options.no_history)
        finally:
            self.over.set()

    def finish(self, **_: Any) -> None:
        """Audit and judge before locust decides its exit status."""
        environment = self.environment
        # a master that still makes the state empty takes no notice of a stop
        self.quitting = True
        environment.runner.stop()
        self.over.wait()
        if is_worker(environment) or environment.process_exit_code is not None:
            return
        if self.count and environment.parsed_options.exit_by_verdict:
            environment.process_exit_code = self.live.exit_status

    def say(self, **_: Any) -> None:
        if self.live.text and self.environment.parsed_options.headless:
            print(f"\n{self.live.text}\n")


@events.init.add_listener
def set_up(environment: Environment, **_: Any) -> None:
    # with locust's default of 0 clients are stopped in mid-request
    environment.stop_timeout = environment.stop_timeout or TIMEOUT_S
    # a server that does not answer gets a line in the log, without a traceback
    Hub.NOT_ERROR += (StopTest,)
    # or Ctrl-C would stop whichever client is at work, perhaps while it writes an operation down
    gevent.signal_handler(signal.SIGINT, interrupt)
    Runs(environment)


def interrupt() -> None:
    raise KeyboardInterrupt


def is_worker(environment: Environment) -> bool:
    return isinstance(environment.runner, WorkerRunner)


def reach(recorder: Recorder, enough: float) -> None:
    """Wait until so many increments are acknowledged: for 30 s, or until none was for ten.

    Of an app without a count, all that is acknowledged counts.
    """
    for _ in range(3):
        before = progress(recorder)
        with gevent.Timeout(10, exception=False):
            while progress(recorder) < enough:
                gevent.sleep(0.05)
        if progress(recorder) >= enough or progress(recorder) == before:
            return


def progress(recorder: Recorder) -> int:
    """Return how much of what a load is to reach has been acknowledged."""
    if COUNTER.write in recorder.mapping.ops:
        return recorder.acknowledged[COUNTER.write]
    return recorder.acknowledged.total()


def stop_when_enough(environment: Environment, run: Run, seconds: float, increments: float) -> None:
    told = run.options
    fault = told.fault and injections.begin(
        told.fault, told.target, run.files.path, seconds=seconds
    )
    gevent.sleep(seconds)
    reach(run.recorder, increments)
    if fault:
        said, _ = fault.communicate()
        if fault.returncode:
            log.error("%s was not done: %s", told.fault, said.strip().rpartition("\n")[2])
            environment.process_exit_code = 2
    environment.runner.quit()
