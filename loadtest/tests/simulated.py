"""Histories of simulated worlds, with what really became of each write.

A scheduler lets clients, threads and workers take their steps in a random order. A copy of the
state is a tuple of the writes in it, so that each write that is gone is known by name, and why:
another write undid it, its worker ended, or the store went back to an earlier state. Each claim of
a verdict has to be true of the world that produced the history; the simulation knows nothing of
how the checker decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from loadtest.history import Operation

Name = tuple[object, ...]
"""The name of a copy: its owner."""
OWNERS = ("none", "worker", "thread", "group", "client", "request")


@dataclass(frozen=True)
class Setup:
    """The choices for one world.

    owner      the owner of each copy (OWNERS); a group is a machine with every second worker
    steps      atomic · loses (reads, then writes) · late (answers what it reads later)
    rollbacks  the chance, at each quiet moment, that the one store goes back to an earlier state,
               which it does once
    kills      the chance at each step that a worker ends; another takes its place
    """

    owner: str
    steps: str
    what: str
    workers: int
    threads: int
    clients: int
    writes: int
    reads: float
    blind: float
    unlabelled: float
    threadless: bool
    pids: str
    unknown: float
    kills: float
    rollbacks: float
    clocks: tuple[str | None, ...]
    reached: int


@dataclass
class Request:
    """One request on its way."""

    number: int
    client: int
    writes: bool
    worker: int
    boot: str
    thread: int
    start: int
    seen: tuple[int, ...] = ()
    state: tuple[int, ...] = ()
    step: int = 0
    done: bool = False


@dataclass
class World:
    """The truth about a simulated run.

    copies        the writes in each copy, in their order
    alive         the time at which each copy was first asked, and the time at which it ended
    acknowledged  write → its copy
    owners        the labelled owners of what was acknowledged or read last: (boot, thread) → copies
    forgotten     acknowledged writes that went with a worker, or with a store that went back
    read          the copies that the final reads reached
    """

    setup: Setup
    copies: dict[Name, tuple[int, ...]] = field(default_factory=dict)
    alive: dict[Name, list[float]] = field(default_factory=dict)
    acknowledged: dict[int, Name] = field(default_factory=dict)
    owners: dict[tuple[str, int], set[Name]] = field(default_factory=dict)
    went: set[int] = field(default_factory=set)
    read: set[Name] = field(default_factory=set)
    went_back: bool = False
    ended: bool = False

    @property
    def gone(self) -> set[int]:
        """The acknowledged writes that are in no copy any more."""
        if self.setup.owner == "request":
            return set(self.acknowledged)
        return {n for n, copy in self.acknowledged.items() if n not in self.copies[copy]}

    @property
    def forgotten(self) -> set[int]:
        """Writes that a worker or a store forgot, also if they had been undone before."""
        ended = {copy for copy, (_, until) in self.alive.items() if until < float("inf")}
        return {n for n in self.gone if n in self.went or self.acknowledged[n] in ended}

    @property
    def undone(self) -> set[int]:
        """Writes that another write undid."""
        if self.setup.owner == "request":
            return self.gone
        return self.gone - self.went

    @property
    def used(self) -> set[Name]:
        """The copies that acknowledged a write, or that a final read reached."""
        return {*self.acknowledged.values(), *self.read}

    @property
    def at_one_time(self) -> int:
        """The most of the used copies that there were at one time."""
        spans = [self.alive[copy] for copy in self.used]
        return max((sum(a <= at <= b for a, b in spans) for at, _ in spans), default=0)


def setup(dice: Random) -> Setup:
    """Throw the choices for one world."""
    owner = dice.choice(("none", "none", *OWNERS))
    steps = dice.choice(["atomic", "atomic", "loses", "loses", "late"])
    workers = dice.choice([1, 2, 2, 3, 4, 6])
    return Setup(
        owner=owner,
        steps=steps,
        what=dice.choice(["counter", "counter", "list"]),
        workers=workers,
        threads=dice.choice([1, 2, 3]),
        clients=dice.choice([1, 2, 3, 6]),
        writes=dice.choice([4, 8, 12, 40]),
        reads=dice.choice([0, 0.3]),
        blind=dice.choice([0, 0, 0.3, 1]),
        unlabelled=dice.choice([0, 0, 0, 0.2, 1]),
        threadless=dice.random() < 0.3,
        pids=dice.choice(["own", "own", "none", "equal"]),
        unknown=dice.choice([0, 0, 0.1]),
        kills=dice.choice([0, 0, 0.02]),
        rollbacks=dice.choice([0, 0, 0, 0.1]) if owner == "none" and steps != "late" else 0,
        clocks=dice.choice([(None,), (None,), (None,), ("m", "n")]),
        reached=dice.choice([workers, workers, dice.randint(0, workers)]),
    )


def simulate(seed: int) -> tuple[list[Operation], World]:
    """Return a history, and the truth about it."""
    dice = Random(seed)
    chosen = setup(dice)
    return _live(chosen, dice)


def _live(chosen: Setup, dice: Random) -> tuple[list[Operation], World]:
    world = World(chosen)
    apart = {clock: dice.choice([0, 5_000]) for clock in chosen.clocks}
    boots = {w: f"b{w}.0" for w in range(chosen.workers)}
    busy: dict[int, Request] = {}
    history: list[Operation] = []
    earlier: dict[Name, list[tuple[int, ...]]] = {}
    left, now, number = chosen.writes, 0, 0

    def copy_of(r: Request) -> Name:
        names: dict[str, Name] = {
            "none": (),
            "worker": (r.boot,),
            "thread": (r.boot, r.thread),
            "group": ("machine", r.worker % 2),
            "client": ("client", r.client),
            "request": ("request", r.number),
        }
        copy = names[chosen.owner]
        world.copies.setdefault(copy, ())
        world.alive.setdefault(copy, [now, float("inf")])
        return copy

    def write_down(r: Request, outcome: str, phase: str = "load") -> None:
        clock = chosen.clocks[r.client % len(chosen.clocks)]
        labelled = dice.random() >= chosen.unlabelled and outcome == "ok"
        blind = r.writes and dice.random() < chosen.blind
        is_list = chosen.what == "list"
        op = ("append" if r.writes else "items") if is_list else "increment" if r.writes else "read"
        pid = {"own": 100 + r.worker, "none": None, "equal": 100 + r.worker // 2}[chosen.pids]
        items = tuple(f"i{n}" for n in r.state) if op == "items" and outcome == "ok" else None
        history.append(
            Operation(
                client=r.client,
                op=op,
                start=r.start + apart[clock],
                end=now + apart[clock] if outcome == "ok" else None,
                outcome=outcome,
                value=len(r.state) if outcome == "ok" and not blind else None,
                item=f"i{r.number}" if op == "append" else None,
                items=items,
                worker=pid if labelled else None,
                thread=None if chosen.threadless or not labelled else r.thread,
                boot=r.boot if labelled else None,
                phase=phase,
                clock=clock,
            )
        )
        if outcome != "ok":
            return
        copy = copy_of(r)
        if r.writes:
            world.acknowledged[r.number] = copy
        if phase == "audit":
            world.read.add(copy)
        if labelled and (r.writes or phase == "audit"):
            world.owners.setdefault((r.boot, r.thread), set()).add(copy)

    def keep(copy: Name, state: tuple[int, ...]) -> None:
        earlier.setdefault(copy, [()]).append(world.copies[copy])
        world.copies[copy] = state

    def step(r: Request) -> bool:
        """Take one step. Return True if the request is done."""
        copy = copy_of(r)
        r.step += 1
        if not r.writes:
            r.state = world.copies[copy]
            return True
        if chosen.steps == "loses":
            if r.step == 1:
                r.seen = world.copies[copy]
                return False
            r.state = (*r.seen, r.number)
            keep(copy, r.state)
            return True
        if r.step == 1:
            r.state = (*world.copies[copy], r.number)
            keep(copy, r.state)
            return chosen.steps == "atomic"
        r.state = world.copies[copy]
        return True

    def end(worker: int) -> None:
        for client, r in list(busy.items()):
            if r.worker == worker:
                write_down(busy.pop(client), "unknown")
        world.ended = True
        if chosen.owner in ("worker", "thread"):
            for copy in [c for c in world.copies if c[0] == boots[worker]]:
                world.went |= set(world.copies[copy])
                world.alive[copy][1] = now
                keep(copy, ())
        boots[worker] = f"b{worker}.{now}"

    def go_back(copy: Name) -> None:
        before = dice.choice(earlier.get(copy, [()]))
        if set(world.copies[copy]) - set(before):
            world.went_back = True
            world.went |= set(world.copies[copy]) - set(before)
            keep(copy, before)

    while left or busy:
        now += 1
        if dice.random() < chosen.kills:
            end(dice.randrange(chosen.workers))
            continue
        if not busy and world.copies and not world.went_back and dice.random() < chosen.rollbacks:
            go_back(dice.choice(sorted(world.copies)))
            now += 1
            continue
        client = dice.randrange(chosen.clients)
        if client not in busy:
            if left:
                left, number = left - 1, number + 1
                worker = dice.randrange(chosen.workers)
                writes = dice.random() >= chosen.reads
                taken = {r.thread for r in busy.values() if r.worker == worker}
                free = [t for t in range(chosen.threads) if t not in taken]
                thread = dice.choice(free) if free else chosen.threads + client
                busy[client] = Request(number, client, writes, worker, boots[worker], thread, now)
        elif not busy[client].done:
            busy[client].done = step(busy[client])
        else:
            r = busy.pop(client)
            write_down(r, "unknown" if dice.random() < chosen.unknown else "ok")
    for worker in dice.sample(range(chosen.workers), chosen.reached):
        for _ in range(2):
            now, number = now + 2, number + 1
            thread = dice.randrange(chosen.threads)
            r = Request(number, chosen.clients, False, worker, boots[worker], thread, start=now - 1)
            step(r)
            write_down(r, "ok", "audit")
    return history, world
