"""Every world in which a history can have been lived through: who shares a state with whom.

A world is a partition of the workers. Those of one block share a state. Each increment reads it at
one instant and writes it at a later one, so that two can undo one another; whether they do is not
said. Which worlds explain the answers is decided by trying every order of these instants.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from random import Random

from loadtest.history import Operation

Block = frozenset[int]


@dataclass(frozen=True)
class World:
    """The blocks of workers, and how many acknowledged increments are gone there at the least."""

    blocks: frozenset[Block]
    lost: int


def partitions(workers: tuple[int, ...]) -> Iterator[list[Block]]:
    """All ways to put them into blocks."""
    if not workers:
        yield []
        return
    first, *rest = workers
    for blocks in partitions(tuple(rest)):
        yield [frozenset([first]), *blocks]
        for n, block in enumerate(blocks):
            yield [*blocks[:n], block | {first}, *blocks[n + 1 :]]


def worlds(history: list[Operation]) -> list[World]:
    """The worlds that explain a history of the counter, whose answers all name their worker."""
    answered = [o for o in history if o.outcome == "ok"]
    unknown = [o for o in history if o.outcome == "unknown" and o.op == "increment"]
    workers = tuple(sorted({o.worker for o in answered if o.worker is not None}))

    @cache
    def lost(block: Block, more: frozenset[int]) -> int | None:
        mine = [o for o in answered if o.worker in block]
        ends = finals([*mine, *(unknown[n] for n in more)])
        acknowledged = sum(o.op == "increment" for o in mine)
        audited = [o.value for o in mine if o.phase == "audit"]
        if ends and audited:
            return max(0, acknowledged - max(audited))
        return min((max(0, acknowledged - end) for end in ends), default=None)

    found = {}
    for blocks in partitions(workers):
        # what nobody knows of happened in one of them, or not at all
        for places in product(range(-1, len(blocks)), repeat=len(unknown)):
            each = [
                lost(block, frozenset(n for n, place in enumerate(places) if place == b))
                for b, block in enumerate(blocks)
            ]
            if None not in each:
                total = sum(n for n in each if n is not None)
                key = frozenset(blocks)
                found[key] = min(found.get(key, total), total)
    return [World(blocks, lost) for blocks, lost in found.items()]


def finals(operations: list[Operation]) -> set[int]:
    """Return the final states that can have given these answers; none if no state can.

    An increment has begun when it has read the state, and is over when it has written.
    """
    earlier = [
        [m for m, a in enumerate(operations) if a.outcome == "ok" and a.end < b.start]
        for b in operations
    ]
    seen: set[tuple[tuple[int | None, ...], int]] = set()
    ends: set[int] = set()

    def go_on(steps: tuple[int | None, ...], state: int) -> None:
        """`steps`: -1 is to come, None is over, and else what was read and is to be written."""
        if (steps, state) in seen:
            return
        seen.add((steps, state))
        if all(s is None or operations[n].outcome == "unknown" for n, s in enumerate(steps)):
            ends.add(state)
        for n, (o, step) in enumerate(zip(operations, steps, strict=True)):
            if step is None or any(steps[m] is not None for m in earlier[n]):
                continue
            if step >= 0:
                go_on((*steps[:n], None, *steps[n + 1 :]), step + 1)
            elif o.op == "read":
                if o.value == state:
                    go_on((*steps[:n], None, *steps[n + 1 :]), state)
            elif o.value in (None, state + 1):
                go_on((*steps[:n], state, *steps[n + 1 :]), state)

    go_on((-1,) * len(operations), 0)
    return ends


def live(seed: int) -> tuple[list[Operation], frozenset[Block]]:
    """A few operations in a world that is thrown by dice, and its blocks."""
    dice = Random(seed)
    workers = tuple(range(1, dice.choice([1, 2, 2, 3, 4, 5]) + 1))
    blocks = dice.choice([*partitions(workers), list(map(frozenset, zip(workers, strict=True)))])
    of = {worker: n for n, block in enumerate(blocks) for worker in block}
    states = [0] * len(blocks)
    loses, blind = dice.random() < 0.6, dice.choice([0, 0, 0, 0.3])
    unknown = dice.choice([0, 0, 0, 0.2])
    clients = dice.choice([1, 2, 3])
    left, now, busy, history = dice.randint(2, 7), 0, {}, []
    writing = dice.choice([0.8, 1])
    while left or busy:
        now += dice.choice([1, 1, 3])
        client = dice.randrange(clients)
        if client not in busy:
            if left:
                left -= 1
                op = "increment" if dice.random() < writing else "read"
                busy[client] = [op, dice.choice(workers), now, None]
            continue
        op, worker, start, seen = busy[client]
        copy = of[worker]
        if seen is None:
            busy[client][3] = states[copy]
            if op == "increment" and not loses:
                states[copy] += 1
            continue
        if op == "increment" and loses:
            states[copy] = seen + 1
        del busy[client]
        outcome = "unknown" if op == "increment" and dice.random() < unknown else "ok"
        told = outcome == "ok" and (op == "read" or dice.random() >= blind)
        history.append(
            Operation(
                client=client,
                op=op,
                start=start,
                end=now if outcome == "ok" else None,
                outcome=outcome,
                value=seen + (op == "increment") if told else None,
                worker=worker if outcome == "ok" else None,
                thread=1 if outcome == "ok" else None,
                boot=f"b{worker}" if outcome == "ok" else None,
            )
        )
    reached = dice.sample(workers, dice.choice([len(workers), dice.randint(1, len(workers))]))
    for n, worker in enumerate(reached):
        history.append(
            Operation(
                client=9,
                op="read",
                start=now + 2 + 4 * n,
                end=now + 4 + 4 * n,
                value=states[of[worker]],
                worker=worker,
                thread=1,
                boot=f"b{worker}",
                phase="audit",
            )
        )
    return history, frozenset(blocks)
