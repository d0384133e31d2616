"""Ask every worker, before a load and after it, while nothing is in flight.

Requests come in bursts, each on a connection of its own, so that every worker gets its turn.
"""

import logging
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import partial

import gevent
from requests import RequestException

from loadtest.client.baseline import (
    APART_S,
    BURST,
    ONE_BY_ONE,
    STARTUP_S,
    STILL,
    Said,
    Unready,
    found,
    staggered,
)
from loadtest.client.mapping import read_json
from loadtest.client.recorder import NotRecorded, Recorder
from loadtest.history.chains import steps
from loadtest.history.operation import Op, Operation, Phase
from loadtest.kinds import CREATE
from loadtest.kinds.counter import COUNTER
from loadtest.kinds.list import LIST
from loadtest.server.workers import ended

TRIES = 40
AUDITS = 3
READS = tuple(kind.read for kind in (COUNTER, LIST))
"""The final reads."""
log = logging.getLogger(__name__)


def empty(recorder: Recorder, host: str, boots: int) -> None:
    """Makes the state empty in every worker, whoever used the server before.

    A worker that is passed over would keep its old count, so every one that has answered must have
    answered a create. Where nobody says how many `boots` there are (0), it goes on until no new one
    has turned up three times. Raises Unready when the server does not answer, or not as a variant
    does, or when fewer than `boots` of its workers answer; NotRecorded when that cannot be written
    down.
    """
    deadline = time.monotonic() + STARTUP_S
    emptied: set[str | None] = set()
    tries, nothing_new = TRIES, 0
    while tries:
        gevent.sleep(APART_S)
        known = len(recorder.boots)
        emptying = burst(recorder, host, CREATE.name, "load")
        if recorder.broken:
            raise NotRecorded(recorder.broken)
        if any(operation.outcome != "ok" for operation in emptying):
            raise Unready(refused(recorder, host))
        emptied |= {operation.boot for operation in emptying}
        reads = counted(recorder, host)
        nothing_new = nothing_new + 1 if len(recorder.boots) == known else 0
        if len(recorder.boots) >= boots:
            all_known = nothing_new == 3 or boots
            empty = all(operation.value == 0 for operation in reads)
            if all_known and empty and recorder.boots.keys() <= emptied:
                return
            tries -= 1
        elif time.monotonic() > deadline:
            raise Unready(f"{len(recorder.boots)} of {boots} workers answer at {host}")
    creates = f"{TRIES} times {BURST} creates"
    raise Unready(f"{host} still has a count after {creates}; start it afresh, or mend create")


def counted(recorder: Recorder, host: str) -> list[Operation]:
    """The reads of the count in every worker; none of an app that keeps no count."""
    if COUNTER.read not in recorder.mapping.ops:
        return []
    return burst(recorder, host, COUNTER.read, "load")


def refused(recorder: Recorder, host: str) -> str:
    """Why nothing can be made empty, in the words of who refuses it if there are any."""
    with suppress(RequestException), recorder.mapping.connect(host) as http:
        reply = recorder.mapping.send(http, CREATE.name)
        if reply.status_code == 503:
            said = read_json(reply.text)
            why = said.get("error") if isinstance(said, dict) else reply.text
            return f"{host}/create answered 503: {' '.join(str(why).split())[:300]}"
    return f"{host}/create does not answer 0; is a variant served there?"


def audit(recorder: Recorder, host: str, *, ours: bool = False) -> None:
    """Reads until every worker that took part has answered AUDITS times.

    Where the server is `ours`, on this machine, nothing is asked of those that have ended. Where
    answers have no labels, it goes on until no answer was new for a while.
    """
    reads = [op for op in READS if op in recorder.mapping.ops]
    if not reads:
        if COUNTER.write in recorder.mapping.ops:
            audit_by_increments(recorder, host)
        return
    load = dict(recorder.boots)
    answers: Counter[tuple[str, str | None]] = Counter()

    def silent() -> list[str]:
        lives = {boot for boot, pid in load.items() if not (ours and pid and ended(pid))}
        return [boot for boot in lives if any(answers[op, boot] < AUDITS for op in reads)]

    unlabelled: set[tuple[str, int | None]] = set()
    nothing_new = 0
    for _ in range(TRIES):
        known = len(unlabelled)
        for op in reads:
            for operation in burst(recorder, host, op, "audit"):
                answers[op, operation.boot] += 1
                if operation.boot is None:
                    unlabelled.add((op, operation.value))
        nothing_new = nothing_new + 1 if len(unlabelled) == known else 0
        if not silent() and (not unlabelled or nothing_new >= STILL):
            return
        gevent.sleep(APART_S)
    if not silent():
        return
    log.warning("%d of %d workers did not answer the audit", len(silent()), len(load))


def audit_by_increments(recorder: Recorder, host: str) -> None:
    """Audit an app without a read: an increment that is answered v found v − 1.

    The count that it found, less these increments themselves, is recorded as a read.
    """
    mapping, client = recorder.mapping, next(recorder.clients)
    load, answers = set(recorder.boots), Counter[str | None]()
    told: list[Operation] = []
    # the number of increments when the last copy that was new answered
    met_at = 0
    with mapping.connect(host) as http:
        for _ in range(ONE_BY_ONE):
            operation = recorder.call(
                client,
                COUNTER.write,
                lambda: mapping.send(http, COUNTER.write),
                phase="audit",
                write=told.append,
            )
            answers[operation.boot] += operation.value is not None
            unlabelled = [each.value for each in told if not each.boot and each.value is not None]
            if steps(unlabelled)[-1:] == [1]:
                met_at = len(told)
            enough = len(told) >= met_at + 2 * BURST
            if enough and all(answers[boot] >= AUDITS for boot in load):
                break
            gevent.sleep(APART_S / 5)
    answered = [each for each in told if each.value is not None]
    said: list[Said] = [(each.boot, each.value or 0) for each in answered]
    for each, value in zip(answered, found(said), strict=True):
        recorder.record(replace(each, op=COUNTER.read, value=value))


def audit_afresh(recorder: Recorder, host: str) -> None:
    """Asks a server that was started after the load, which has one worker and nobody else asks."""
    mapping, client = recorder.mapping, next(recorder.clients)
    reads = [op for op in READS if op in mapping.ops]
    told: list[Operation] = []
    with mapping.connect(host) as http:
        asked = reads or [op for op in (COUNTER.write,) if op in mapping.ops]
        for op in asked * AUDITS:
            recorder.call(
                client, op, partial(mapping.send, http, op), phase="audit", write=told.append
            )
    for added, each in enumerate(told, 1):
        # an increment that is told v has found v - 1, and so much less as came before it
        found = each if reads or each.value is None else replace(each, value=each.value - added)
        recorder.record(replace(found, op=found.op if reads else COUNTER.read))


def burst(recorder: Recorder, host: str, op: Op, phase: Phase) -> list[Operation]:
    """Send one request several times, so that every worker gets some."""

    mapping = recorder.mapping

    def one(client: int) -> Operation:
        with mapping.connect(host) as http:
            return recorder.call(client, op, lambda: mapping.send(http, op), phase=phase)

    return staggered(one, [next(recorder.clients) for _ in range(BURST)])
