"""The count of an app that cannot be made empty, to be subtracted from its answers.

awake(mapping, host)
quiet(mapping, host, boots) -> Baseline
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

import gevent
from gevent.pool import Pool
from requests import RequestException, Timeout

from loadtest.client.mapping import Routes, Steps, at_rest, origin
from loadtest.client.questions import Questions
from loadtest.errors import CouldNotRun
from loadtest.history.chains import copies, steps
from loadtest.history.operation import Op
from loadtest.kinds.counter import COUNTER

BURST = 16
# requests that come together, and bursts at once after another, are all taken by the workers that
# are awake already
EACH_S = 0.001
APART_S = 0.05
STARTUP_S = 60.0
SETTLE_S = 20.0
STILL = 3
ONE_BY_ONE = 200
Asker = TypeVar("Asker")
Answer = TypeVar("Answer")


class Unready(CouldNotRun):
    """The load cannot begin: the state is not empty, or does not stand still; says why."""


@dataclass(frozen=True)
class Baseline:
    """The count of each worker, by its boot (None: no label says whose it is).

    Where several copies with different counts answer to one name, it is 0, so that their answers
    are recorded as they are. A worker that nobody asked before has the lowest of all: it started
    after the others.
    """

    counts: dict[str | None, int] = field(default_factory=dict)

    def of(self, boot: str | None) -> int:
        return self.counts.get(boot, min(self.counts.values(), default=0))

    @property
    def divided(self) -> bool:
        """True if the workers disagreed before the load."""
        return len(set(self.counts.values())) > 1

    def __str__(self) -> str:
        return ", ".join(f"{count:,}" for count in sorted(self.counts.values()))


Said = tuple[str | None, int]
"""An answer: the worker start that gave it, and the count."""


def awake(mapping: Routes | Steps | Questions, host: str) -> None:
    """Waits until anybody answers anything. Raises Unready."""
    # a write that is given up, while the server still starts, would happen later
    deadline = time.monotonic() + STARTUP_S
    while time.monotonic() < deadline:
        try:
            with mapping.connect(host) as http:
                http.options("/")
        except Timeout:
            continue
        except RequestException:
            # what is asked next says what it is
            return
        return
    raise Unready(f"nothing answers at {host} within {STARTUP_S:g} s")


def quiet(mapping: Routes | Steps, host: str, boots: int) -> Baseline:
    """Asks until every worker has answered and what each says stands still.

    Where nobody says how many `boots` there are (0), it goes on until no new one has turned up for
    a while. Raises Unready.
    """
    if COUNTER.read not in mapping.ops:
        return after(one_by_one(mapping, host, boots))
    deadline = time.monotonic() + SETTLE_S
    counts: dict[str | None, set[int]] = defaultdict(set)
    still: dict[str | None, int] = {}
    went_back: set[str | None] = set()
    clients = [mapping.connect(host) for _ in range(BURST)]

    def read(client: object) -> Said | None:
        return ask(mapping, client, COUNTER.read)

    while True:
        gevent.sleep(APART_S)
        answers = defaultdict(set)
        for said in staggered(read, clients):
            if said:
                answers[said[0]].add(said[1])
        for boot, found in answers.items():
            if counts[boot] and min(found) < max(counts[boot]):
                went_back.add(boot)
            moved = not found <= counts[boot]
            still[boot] = 0 if moved else still.get(boot, 0) + 1
            counts[boot] |= found
        if len(still) >= max(boots, 1) and all(rounds >= STILL for rounds in still.values()):
            return Baseline({boot: common(found) for boot, found in counts.items()})
        if time.monotonic() > deadline:
            break
    if len(still) < max(boots, 1):
        raise Unready(f"{len(still)} of {boots} workers answer at {host}")
    if all(boot in went_back for boot, rounds in still.items() if rounds < STILL):
        # nothing adds to it: what answers has copies, or replies of others
        return Baseline({boot: common(found) for boot, found in counts.items()})
    moving = max(counts.values(), key=len)
    shown = ", ".join(map(str, sorted(moving)[:4]))
    raise Unready(
        f"{mapping.name('read')} does not stand still while nobody increments ({shown} …): stop "
        "what else adds to it"
    )


def common(counts: set[int]) -> int:
    """Return the count that is subtracted from a worker's answers: none if its copies differ."""
    return counts.pop() if len(counts) == 1 else 0


def staggered(ask: Callable[[Asker], Answer], askers: Sequence[Asker]) -> list[Answer]:
    """Return the answers to requests that begin a moment after one another."""

    def one(number: int) -> Answer:
        gevent.sleep(number * EACH_S)
        return ask(askers[number])

    return Pool(len(askers)).map(one, range(len(askers)))


def one_by_one(mapping: Routes | Steps, host: str, boots: int) -> list[Said]:
    """Send increments one at a time until every worker has answered."""
    said: list[Said] = []
    deadline = time.monotonic() + SETTLE_S
    with mapping.connect(host) as client:
        while time.monotonic() < deadline:
            if answer := ask(mapping, client, COUNTER.write):
                said.append(answer)
            if len(said) >= BURST and len({boot for boot, _ in said}) >= boots:
                return said
            gevent.sleep(APART_S / 5)
    answered = len({boot for boot, _ in said})
    raise Unready(f"{answered} of {boots} workers answer increments one at a time at {host}")


def ask(mapping: Routes | Steps, client: Any, op: Op) -> Said | None:
    try:
        reply = mapping.send(client, op)
    except RequestException:
        return None
    value = at_rest(mapping, reply) if op == COUNTER.read else mapping.answer(op, reply).value
    return None if value is None else (origin(reply.headers, mapping.worker_header).boot, value)


def shared(said: Sequence[Said]) -> bool:
    """Return True if increments one at a time went up by one across all workers."""
    return all(later == earlier + 1 for (_, earlier), (_, later) in pairwise(said))


def found(said: Sequence[Said]) -> list[int]:
    """The count that each of these increments, one at a time, found, less what they added."""
    if shared(said):
        return [value - step for step, (_, value) in enumerate(said, 1)]
    steps_of = {boot: iter(steps(of(said, boot))) for boot, _ in said}
    return [value - next(steps_of[boot]) for boot, value in said]


def of(said: Sequence[Said], boot: str | None) -> list[int]:
    """Return the answers of one worker start."""
    return [value for who, value in said if who == boot]


def after(said: Sequence[Said]) -> Baseline:
    """Return the count of each worker after these increments, sent one at a time."""
    boots = {boot for boot, _ in said}
    if shared(said):
        return Baseline(dict.fromkeys(boots, said[-1][1]))
    return Baseline({boot: left(of(said, boot)) for boot in boots})


def left(values: Sequence[int]) -> int:
    """Return the count after these answers of one worker.

    A count that never moves is gone with each request, and nothing is subtracted if there are
    copies that differ.
    """
    if len(values) > 1 and len(set(values)) == 1:
        return values[-1] - 1
    return values[-1] if copies(values) == 1 else 0
