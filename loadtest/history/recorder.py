"""Writes down each operation of one run, as what became of it."""

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from loadtest.history.operation import LARGEST, Op, Operation, Phase, line


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
