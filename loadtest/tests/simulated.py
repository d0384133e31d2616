"""Histories of states that are simulated, with what really became of each increment.

A scheduler lets clients, threads and workers take their steps in a random order. A state is the set
of the increments in it, so that what is lost is known by name. What the checker says of such a
history has to be true of the state, whatever it was.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from random import Random

from loadtest.history import Operation

OWNERS = {
    "none": lambda r: 0,
    "worker": lambda r: r.boot,
    "thread": lambda r: (r.boot, r.thread),
    "group": lambda r: r.worker % 2,
    "client": lambda r: r.client,
    "request": lambda r: r.number,
}


@dataclass
class Request:
    """One request on its way: what it is, who has it, and how far it is."""

    number: int
    client: int
    op: str
    worker: int
    boot: str
    thread: int
    start: int
    seen: frozenset[int] = frozenset()
    value: int | None = None
    step: int = 0
    done: bool = False


@dataclass
class Truth:
    """The truth about a simulated run.

    acknowledged  increment → the copy that it was counted in; `copies` the state of each
    dead          copies that went with their boot
    """

    of: str
    loses: bool
    late: bool
    acknowledged: dict[int, object] = field(default_factory=dict)
    copies: dict[object, frozenset[int]] = field(default_factory=lambda: defaultdict(frozenset))
    dead: set[object] = field(default_factory=set)
    boots_died: bool = False
    heard: set[object] = field(default_factory=set)

    @property
    def lost(self) -> int:
        """Acknowledged, and in no copy that still is."""
        if self.of == "request":
            return len(self.acknowledged)
        return sum(
            n not in self.copies[copy]
            for n, copy in self.acknowledged.items()
            if copy not in self.dead
        )

    @property
    def forgotten(self) -> int:
        return sum(copy in self.dead for copy in self.acknowledged.values())

    @property
    def used(self) -> set[object]:
        """The copies that anybody heard of."""
        return set(self.acknowledged.values()) | self.heard


def simulate(seed: int) -> tuple[list[Operation], Truth, int]:
    """A history, the truth about it, and the number of its workers."""
    dice = Random(seed)
    of = dice.choice(["none", "none", "worker", "worker", "thread", "group", "client", "request"])
    truth = Truth(of, loses=dice.random() < 0.5, late=dice.random() < 0.2)
    workers = dice.choice([1, 2, 2, 3, 4])
    threads = dice.choice([1, 2, 3])
    clients = dice.choice([1, 2, 3, 6])
    share = {
        "read": dice.choice([0, 0.3]),
        "blind": dice.choice([0, 0, 0.3, 1]),
        "unlabelled": dice.choice([0, 0, 0, 0.2, 1]),
        "unknown": dice.choice([0, 0, 0.1]),
        "kill": dice.choice([0, 0, 0.02]),
    }
    clocks = dice.choice([[None], [None], [None], ["m", "n"]])
    apart = {clock: dice.choice([0, 5_000]) for clock in clocks}
    boots = {w: f"b{w}.0" for w in range(workers)}
    busy: dict[int, Request] = {}
    history: list[Operation] = []
    left, now, number = dice.choice([4, 12, 40]), 0, 0

    def write_down(r: Request, outcome: str, phase: str = "load") -> None:
        clock = clocks[r.client % len(clocks)]
        known = dice.random() >= share["unlabelled"] and outcome == "ok"
        blind = r.op == "increment" and phase == "load" and dice.random() < share["blind"]
        history.append(
            Operation(
                client=r.client,
                op=r.op,
                start=r.start + apart[clock],
                end=now + apart[clock] if outcome == "ok" else None,
                outcome=outcome,
                value=r.value if outcome == "ok" and not blind else None,
                worker=100 + r.worker if known else None,
                thread=r.thread if known else None,
                boot=r.boot if known else None,
                phase=phase,
                clock=clock,
            )
        )
        if outcome == "ok" and r.op == "increment":
            truth.acknowledged[r.number] = OWNERS[of](r)

    def step(r: Request) -> bool:
        """Take one step. Return True if the request is done."""
        copy = OWNERS[of](r)
        r.step += 1
        if r.op == "read":
            r.value = len(truth.copies[copy])
            return True
        if r.step == 1:
            r.seen = truth.copies[copy]
            if truth.loses:
                return False
        seen = r.seen if truth.loses else truth.copies[copy]
        if r.step == 1 or (r.step == 2 and truth.loses):
            truth.copies[copy] = seen | {r.number}
            r.value = len(truth.copies[copy])
            return not truth.late
        r.value = len(truth.copies[copy])
        return True

    while left or busy:
        now += 1
        if dice.random() < share["kill"]:
            worker = dice.randrange(workers)
            for client, r in list(busy.items()):
                if r.worker == worker:
                    write_down(busy.pop(client), "unknown")
            truth.boots_died = True
            if of in ("worker", "thread"):
                truth.dead |= {
                    c for c in truth.copies if boots[worker] in (c if of == "thread" else (c,))
                }
            boots[worker] = f"b{worker}.{now}"
            continue
        client = dice.randrange(clients)
        if client not in busy:
            if left:
                left, number = left - 1, number + 1
                worker = dice.randrange(workers)
                op = "read" if dice.random() < share["read"] else "increment"
                taken = {r.thread for r in busy.values() if r.worker == worker}
                thread = next((t for t in range(threads) if t not in taken), threads + client)
                busy[client] = Request(number, client, op, worker, boots[worker], thread, now)
        elif not busy[client].done:
            busy[client].done = step(busy[client])
        else:
            r = busy.pop(client)
            write_down(r, "unknown" if dice.random() < share["unknown"] else "ok")
    for worker in dice.sample(
        range(workers), dice.choice([workers, workers, dice.randint(0, workers)])
    ):
        for _ in range(2):
            now, number = now + 2, number + 1
            thread = dice.randrange(threads)
            r = Request(number, clients, "read", worker, boots[worker], thread, now - 1)
            step(r)
            truth.heard.add(OWNERS[of](r))
            write_down(r, "ok", "audit")
    return history, truth, workers
