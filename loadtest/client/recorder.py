"""Writes down each operation of one run, as what became of it."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from loadtest.client.baseline import Baseline
from loadtest.client.mapping import OURS, Reply, Routes, Steps, origin
from loadtest.client.questions import Questions
from loadtest.client.refusals import Refusals
from loadtest.errors import CouldNotRun
from loadtest.history.operation import Op, Operation, Phase, line, mark
from loadtest.kinds.counter import COUNTER


class NotRecorded(CouldNotRun):
    """An operation cannot be written down; the message says why."""


class Recorder:
    """Writes the operations of one run to its history, and remembers what the audit needs.

    Its clients are numbered from `first`, the items that they send by `tokens`, and their requests
    by `turns`. `boots` are those that have answered, and the worker
    that each is of. `clock` names this machine's clock if there are others.
    The answers are understood as the `mapping` says, less the `baseline`.
    `broken` says why an operation could not be written down, once that has happened: then nothing
    can be said of the run, and its history never gets the last line that makes it whole.
    Raises NotRecorded if the file cannot be made.
    """

    def __init__(
        self,
        path: Path,
        clock: str | None = None,
        first: int = 0,
        mapping: Routes | Steps | Questions = OURS,
    ) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("w", encoding="utf-8")
        except OSError as error:
            raise NotRecorded(f"{path} cannot be written: {error.strerror}") from None
        self.broken = ""
        self.recorded = 0
        self.write(mark(0))
        self.clock = clock
        self.mapping = mapping
        self.baseline = Baseline()
        self.acknowledged: Counter[str] = Counter()
        self.tokens = itertools.count()
        self.turns = itertools.count()
        self.boots: dict[str, int | None] = {}
        self.refusals = Refusals()
        self.first = first
        self.clients = itertools.count(first)

    def call(
        self,
        client: int,
        op: Op,
        send: Callable[[], Reply],
        item: str | None = None,
        key: str | None = None,
        phase: Phase = "load",
        write: Callable[[Operation], object] | None = None,
    ) -> Operation:
        """Sends one request and records it, whatever becomes of it, or gives it to `write`."""
        reply = end = None
        start = time.monotonic_ns()
        try:
            reply = send()
            end = time.monotonic_ns()
        except requests.RequestException:
            pass
        finally:
            # also when the client is stopped in mid-request: its outcome is unknown then
            reached = self.answered(op, reply, end)
            operation = Operation(
                client=client,
                op=op,
                start=start,
                item=item,
                key=key,
                phase=phase,
                clock=self.clock,
                **reached,
            )
            (write or self.record)(operation)
        if reply is not None and reply.status_code >= 400 and phase == "load":
            self.refusals.count(reply.status_code, reply.text)
        if operation.outcome == "ok":
            self.acknowledged[op] += 1
            if operation.boot:
                self.boots[operation.boot] = operation.worker
        return operation

    def record(self, operation: Operation) -> None:
        self.recorded += 1
        self.write(line(operation))

    def write(self, text: str) -> None:
        with self.writing():
            self.file.write(text)

    def flush(self) -> None:
        with self.writing():
            self.file.flush()

    def close(self, *, whole: bool = True) -> None:
        """Ends the history: `whole` if every operation of the run is in it."""
        if whole and not self.broken:
            self.write(mark(self.recorded))
        with self.writing():
            self.file.close()
            self.refusals.save(Path(self.file.name))

    @contextmanager
    def writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.broken = f"operations could not be written to {self.file.name}: {error.strerror}"

    def answered(self, op: Op, reply: Reply | None, end: int | None) -> dict[str, Any]:
        """Return the fields of an operation from its answer, its baseline subtracted."""
        answer = dict(vars(self.mapping.answer(op, reply)))
        if reply is None or not reply.status_code:
            return answer
        named = origin(reply.headers, self.mapping.worker_header)
        if op in COUNTER.ops and answer["value"] is not None:
            answer["value"] -= self.baseline.of(named.boot)
        return answer | {"end": end, **vars(named)}
