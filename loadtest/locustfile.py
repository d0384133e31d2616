"""What a client does, and how each of its operations is recorded.

    locust -f loadtest/locustfile.py --host http://127.0.0.1:8000

It loads whatever has the routes of `variants.app`, in locust's web UI or with --headless, in one
process, in several (--processes) or on several machines (--master, --worker).

At the start of a run the state is made empty; then the clients load the server and each operation
is written to the history; when the load has stopped, the audit reads every worker several times.
Writes are POSTs, because a client library may send a GET twice. No request is ever sent again, and
no connection is kept: a client that keeps its connection stays with one worker for good, and would
never see that the workers disagree.
"""

import itertools
import json
import logging
import signal
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import requests
from gevent.event import Event
from gevent.hub import Hub
from gevent.pool import Pool
from locust import FastHttpUser, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopTest
from locust.runners import WorkerRunner

# locust puts this file's folder there, not the one that the package is in
sys.path.insert(0, str(Path(__file__).parent.parent))

from loadtest.history import files
from loadtest.history.files import Files
from loadtest.history.operation import LARGEST, Op, Operation, Phase, line
from loadtest.report.live import Live

TIMEOUT_S = 10
BURST = 16
# bursts at once after another are all taken by the workers that are awake already
APART_S = 0.05
TRIES = 40
STARTUP_S = 20
AUDITS = 3
READS: tuple[Op, ...] = ("read", "items")
log = logging.getLogger(__name__)


@events.init_command_line_parser.add_listener
def options(parser: LocustArgumentParser) -> None:
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


class Recorder:
    """Writes the operations of one run to its history, and remembers what the audit needs.

    Its clients are numbered from `first`. `clock` names this machine's clock if there are others.
    """

    def __init__(self, path: Path, clock: str | None = None, first: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("w", encoding="utf-8")
        self.clock = clock
        self.acknowledged: Counter[str] = Counter()
        self.appends = itertools.count()
        self.boots: set[str] = set()
        self.clients = itertools.count(first)

    def call(
        self,
        client: int,
        op: Op,
        send: Callable[[], Any],
        item: str | None = None,
        phase: Phase = "load",
    ) -> Operation:
        """Sends one request and records it, whatever becomes of it."""
        reply = end = None
        start = time.monotonic_ns()
        try:
            reply = send()
            end = time.monotonic_ns()
        except requests.RequestException:
            pass
        finally:
            # also when the client is stopped in mid-request: its outcome is unknown then
            reached = answered(op, reply, end)
            operation = Operation(
                client=client,
                op=op,
                start=start,
                item=item,
                phase=phase,
                clock=self.clock,
                **reached,
            )
            self.file.write(line(operation))
        if operation.outcome == "ok":
            self.acknowledged[op] += 1
            if operation.boot:
                self.boots.add(operation.boot)
        return operation


def answered(op: Op, reply: Any, end: int | None) -> dict[str, Any]:
    """What a reply says of its operation; FastHttpUser answers 0 when the connection broke."""
    if reply is None or not reply.status_code:
        return {"outcome": "unknown"}
    labels = {
        "worker": number(reply.headers.get("X-Worker")),
        "thread": number(reply.headers.get("X-Thread")),
        "boot": reply.headers.get("X-Boot"),
    }
    if 400 <= reply.status_code < 500:
        return {"outcome": "fail", "end": end, **labels}
    try:
        answer = json.loads(reply.text) if 200 <= reply.status_code < 300 else None
    except ValueError:
        answer = None
    if op == "items" and isinstance(answer, list) and all(isinstance(i, str) for i in answer):
        return {"outcome": "ok", "end": end, "value": len(answer), "items": tuple(answer), **labels}
    # not True, and nothing that is no count at all
    if op != "items" and type(answer) is int and abs(answer) < LARGEST:
        return {"outcome": "ok", "end": end, "value": answer, **labels}
    return {"outcome": "unknown", "end": end, **labels}


def number(label: str | None) -> int | None:
    return int(label) if label and label.isdecimal() and len(label) < 10 else None


class Run:
    """The run that is going on in this process: set at its start, kept until the next one."""

    recorder: Recorder
    options: Namespace
    files: Files
    count = 0
    going_on = False
    over = Event()
    live: Live


class Client(FastHttpUser):
    network_timeout = TIMEOUT_S
    connection_timeout = TIMEOUT_S

    def on_start(self) -> None:
        self.recorder = Run.recorder
        self.number = next(self.recorder.clients)
        self.headers = {} if Run.options.keep_alive else {"Connection": "close"}

    def send(self, op: Op, method: str, item: str | None = None) -> None:
        def request() -> Any:
            return self.client.request(
                method,
                f"/{op}",
                json=None if item is None else {"item": item},
                headers=self.headers,
                allow_redirects=False,
            )

        if Run.options.no_history:
            self.recorder.acknowledged[op] += request().status_code == 200
        else:
            self.recorder.call(self.number, op, request, item)

    @task(10)
    def increment(self) -> None:
        self.send("increment", "POST")

    @task(3)
    def read(self) -> None:
        self.send("read", "GET")

    @task(2)
    def append(self) -> None:
        # every read of the list carries all of it, so it must not grow for ever
        if self.full():
            self.increment()
        else:
            self.send("append", "POST", f"{self.number}-{next(self.recorder.appends)}")

    @task(1)
    def items(self) -> None:
        if self.full():
            self.read()
        else:
            self.send("items", "GET")

    def full(self) -> bool:
        return self.recorder.acknowledged["append"] >= Run.options.items


def is_worker(environment: Environment) -> bool:
    return isinstance(environment.runner, WorkerRunner)


@events.init.add_listener
def set_up(environment: Environment, **_: Any) -> None:
    # with locust's default of 0 clients are stopped in mid-request
    environment.stop_timeout = environment.stop_timeout or TIMEOUT_S
    # a server that does not answer gets a line in the log, without a traceback
    Hub.NOT_ERROR += (StopTest,)
    # or Ctrl-C would stop whichever client is at work, perhaps while it writes an operation down
    gevent.signal_handler(signal.SIGINT, interrupt)
    Run.over.set()
    Run.live = Live(environment)
    files.listen(environment)


def interrupt() -> None:
    raise KeyboardInterrupt


@events.test_start.add_listener
def begin(environment: Environment, **_: Any) -> None:
    # the audit of the run before must not meet the creates of this one
    Run.over.wait()
    Run.over.clear()
    Run.going_on = True
    Run.count += 1
    Run.options = environment.parsed_options
    # as people paste it; locust would ask for //read
    environment.host = str(environment.host or "").rstrip("/")
    Run.files = Files(environment, Run.options.history, Run.count)
    # numbers of different locust processes must not meet
    index = environment.runner.worker_index + 1 if is_worker(environment) else 0
    Run.recorder = Recorder(Run.files.own, Run.files.clock, 1_000_000 * index)
    gevent.spawn(flush_often, Run.recorder)
    if is_worker(environment):
        return
    Run.live.begin(Run.files)
    try:
        empty(Run.recorder, str(environment.host), Run.options.boots)
    except (StopTest, gevent.GreenletExit) as error:
        abandon(str(error) or "it was stopped before it began")
        if Run.options.headless:
            environment.process_exit_code = 2
            gevent.spawn(environment.runner.quit)
        raise
    Run.live.phase = "ready" if Run.options.no_history else "running"
    if Run.options.at_least:
        gevent.spawn(stop_when_enough, environment, Run.recorder, *Run.options.at_least)


def abandon(why: str) -> None:
    """Ends a run that did not begin."""
    Run.going_on = False
    Run.recorder.file.close()
    Run.live.fail(why)
    Run.over.set()


@events.test_stop.add_listener
def end(environment: Environment, **_: Any) -> None:
    # locust may say it twice, or say it of a run that did not begin
    if not Run.going_on:
        return
    Run.going_on = False
    try:
        if not is_worker(environment) and not Run.options.no_history:
            Run.live.phase = "auditing"
            Run.files.wait(environment.stop_timeout + 2)
            audit(Run.recorder, str(environment.host))
        Run.recorder.file.close()
        Run.files.complete()
        if is_worker(environment):
            # all clients have stopped; locust would wait once more before the next run
            environment.stop_timeout = 0
        else:
            log.info("history: %s", Run.files.path)
            asked = Run.options.exit_by_verdict or not Run.options.at_least
            Run.live.end(judge=asked and not Run.options.no_history)
    finally:
        Run.over.set()


@events.quitting.add_listener
def finish(environment: Environment, **_: Any) -> None:
    """Whoever ends locust gets the audit and the verdict before its exit status is decided."""
    environment.runner.stop()
    Run.over.wait()
    if Run.count and not is_worker(environment) and environment.parsed_options.exit_by_verdict:
        environment.process_exit_code = Run.live.exit_status


@events.quit.add_listener
def say(**_: Any) -> None:
    if Run.live.text and Run.options.headless:
        print(f"\n{Run.live.text}\n")


def flush_often(recorder: Recorder) -> None:
    while not recorder.file.closed:
        recorder.file.flush()
        gevent.sleep(0.5)


def stop_when_enough(
    environment: Environment, recorder: Recorder, seconds: float, increments: float
) -> None:
    gevent.sleep(seconds)
    deadline = time.monotonic() + 30
    while recorder.acknowledged["increment"] < increments and time.monotonic() < deadline:
        gevent.sleep(0.05)
    environment.runner.quit()


def request(host: str, op: Op, method: str) -> Callable[[], requests.Response]:
    return lambda: requests.request(
        method, f"{host}/{op}", headers={"Connection": "close"}, timeout=TIMEOUT_S
    )


def burst(recorder: Recorder, host: str, op: Op, method: str, phase: Phase) -> list[Operation]:
    """The same request several times at once, so that every worker gets some."""

    def one(client: int) -> Operation:
        return recorder.call(client, op, request(host, op, method), phase=phase)

    clients = [next(recorder.clients) for _ in range(BURST)]
    return Pool(BURST).map(one, clients)


def empty(recorder: Recorder, host: str, boots: int) -> None:
    """Makes the state empty in every worker, whoever used the server before.

    A worker that is passed over would keep its old count, so every one that has answered must have
    answered a create. Where nobody says how many `boots` there are (0), it goes on until no new one
    has turned up three times. Raises StopTest when the server does not answer, or not as a variant
    does, or when fewer than `boots` of its workers answer.
    """
    deadline = time.monotonic() + STARTUP_S
    emptied: set[str | None] = set()
    tries, nothing_new = TRIES, 0
    while tries:
        gevent.sleep(APART_S)
        known = len(recorder.boots)
        emptying = burst(recorder, host, "create", "POST", "load")
        if any(operation.outcome != "ok" for operation in emptying):
            raise StopTest(f"{host}/create does not answer 0; is a variant served there?")
        emptied |= {operation.boot for operation in emptying}
        reads = burst(recorder, host, "read", "GET", "load")
        nothing_new = nothing_new + 1 if len(recorder.boots) == known else 0
        if len(recorder.boots) >= boots:
            all_known = nothing_new == 3 or boots
            empty = all(operation.value == 0 for operation in reads)
            if all_known and empty and recorder.boots <= emptied:
                return
            tries -= 1
        elif time.monotonic() > deadline:
            raise StopTest(f"{len(recorder.boots)} of {boots} workers answer at {host}")
    creates = f"{TRIES} times {BURST} creates"
    raise StopTest(f"{host} still has a count after {creates}; start it afresh, or mend create")


def audit(recorder: Recorder, host: str) -> None:
    """Reads until every worker that took part has answered AUDITS times."""
    load = set(recorder.boots)
    answers: Counter[tuple[str, str | None]] = Counter()
    for _ in range(TRIES):
        for op in READS:
            for operation in burst(recorder, host, op, "GET", "audit"):
                answers[op, operation.boot] += 1
        if all(answers[op, boot] >= AUDITS for op in READS for boot in load):
            return
        gevent.sleep(APART_S)
    silent = len([boot for boot in load if answers["read", boot] < AUDITS])
    log.warning("%d of %d workers did not answer the audit", silent, len(load))
