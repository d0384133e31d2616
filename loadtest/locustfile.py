"""What a client does, and how each of its operations is recorded.

    locust -f loadtest/locustfile.py --host http://127.0.0.1:8000

At the start of a run the state is made empty; then the clients load the server and each operation
is written to the history; when the load has stopped, the audit reads every worker several times.
Writes are POSTs, because a client library may send a GET twice. No request is ever sent again, and
no connection is kept: a client that keeps its connection stays with one worker for good, and would
never see that the workers disagree.
"""

import itertools
import json
import logging
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import requests
from gevent.pool import Pool
from locust import FastHttpUser, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopTest
from locust.runners import MasterRunner, WorkerRunner

from loadtest.operation import Op, Operation, Phase, line

TIMEOUT_S = 10
BURST = 16
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
        help="stop once both are reached",
        include_in_web_ui=False,
    )


class Recorder:
    """Writes the operations of one run to its history, and remembers what the audit needs."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.file = path.open("w", encoding="utf-8")
        self.acknowledged: Counter[str] = Counter()
        self.appends = itertools.count()
        self.boots: set[str] = set()
        self.clients = itertools.count()

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
                client=client, op=op, start=start, item=item, phase=phase, **reached
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
    if op == "items" and isinstance(answer, list):
        return {"outcome": "ok", "end": end, "value": len(answer), "items": tuple(answer), **labels}
    if op != "items" and isinstance(answer, int):
        return {"outcome": "ok", "end": end, "value": answer, **labels}
    return {"outcome": "unknown", "end": end, **labels}


def number(label: str | None) -> int | None:
    return int(label) if label and label.isdigit() else None


class Run:
    """The run that is going on in this process: set at its start, kept until the next one."""

    recorder: Recorder
    options: Namespace
    count = 0


class Client(FastHttpUser):
    network_timeout = TIMEOUT_S
    connection_timeout = TIMEOUT_S

    def on_start(self) -> None:
        self.recorder = Run.recorder
        # numbers of different locust workers must not meet
        index = max(getattr(self.environment.runner, "worker_index", 0), 0)
        self.number = index * 1_000_000 + next(self.recorder.clients)
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
def be_patient(environment: Environment, **_: Any) -> None:
    # with locust's default of 0 clients are stopped in mid-request
    environment.stop_timeout = environment.stop_timeout or TIMEOUT_S


@events.test_start.add_listener
def begin(environment: Environment, **_: Any) -> None:
    Run.options = environment.parsed_options
    Run.count += 1
    Run.recorder = Recorder(history_path(environment))
    gevent.spawn(flush_often, Run.recorder)
    if not is_worker(environment):
        try:
            empty(Run.recorder, str(environment.host))
        except StopTest as error:
            log.error(error)
            environment.process_exit_code = 2
            gevent.spawn(environment.runner.quit)
            raise
    if Run.options.at_least:
        gevent.spawn(stop_when_enough, environment, Run.recorder, *Run.options.at_least)


@events.test_stop.add_listener
def end(environment: Environment, **_: Any) -> None:
    if not is_worker(environment):
        audit(Run.recorder, str(environment.host))
    Run.recorder.file.close()
    log.info("history: %s", Run.recorder.path)


def history_path(environment: Environment) -> Path:
    """Each run has a file of its own, and in a distributed run each locust worker has."""
    given = environment.parsed_options.history
    path = Path(given or time.strftime("results/%Y-%m-%d_%H-%M-%S/history.jsonl"))
    if given and Run.count > 1:
        path = path.with_stem(f"{path.stem}-{Run.count}")
    if is_worker(environment):
        path = path.with_stem(f"{path.stem}.{environment.runner.worker_index}")
    elif isinstance(environment.runner, MasterRunner):
        path = path.with_stem(f"{path.stem}.master")
    return path


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


def empty(recorder: Recorder, host: str) -> None:
    """Makes the state empty in every worker, whoever used the server before.

    Raises StopTest when the server does not answer, or not as a variant does.
    """
    for _ in range(20):
        creates = burst(recorder, host, "create", "POST", "load")
        if any(operation.outcome != "ok" for operation in creates):
            raise StopTest(f"{host}/create does not answer 0; is a variant served there?")
        reads = [request(host, "read", "GET")() for _ in range(BURST)]
        if all(reply.text.strip() == "0" for reply in reads):
            return
    raise StopTest(f"{host} still has a count after 20 times {BURST} creates; start it afresh")


def audit(recorder: Recorder, host: str) -> None:
    """Reads until every worker that took part has answered AUDITS times."""
    load = set(recorder.boots)
    answers: Counter[tuple[str, str | None]] = Counter()
    for _ in range(40):
        for op in READS:
            for operation in burst(recorder, host, op, "GET", "audit"):
                answers[op, operation.boot] += 1
        if all(answers[op, boot] >= AUDITS for op in READS for boot in load):
            return
    silent = len([boot for boot in load if answers["read", boot] < AUDITS])
    log.warning("%d of %d workers did not answer the audit", silent, len(load))
