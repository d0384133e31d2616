"""A trial → what must come out of it: one rule, from what the variant says of itself."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from loadtest.checker import Failure, KindVerdict, Verdict
from loadtest.server.disk import missing
from loadtest.server.fault import Fault
from loadtest.server.faults import FAULTS, fault_of
from loadtest.server.servers import adapter_of, at_once, preloads, topology, with_master
from loadtest.trial import Server, Trial
from variants import VARIANTS
from variants.facts import SURVIVES, Facts, facts

ELSEWHERE = ("machine", "network")
"""The places outside the server."""


@dataclass(frozen=True)
class Expectation:
    """The faults that a verdict must name, and those that it may name.

    What `hides` may be there and not be seen: nobody is answered, what is read stays old, or who
    could tell has ended. That something is wrong is enough in its place then.
    """

    must: frozenset[Failure]
    may: frozenset[Failure]
    why: str
    hides: frozenset[Failure] = frozenset()

    @property
    def expect(self) -> Literal["holds", "breaks", "either"]:
        return "breaks" if self.must else "either" if self.may - {Failure.REFUSES} else "holds"

    def kept(self, verdict: Verdict) -> bool:
        """Return True if a verdict is as expected; an inconclusive one never is."""
        if verdict.inconclusive:
            return False
        if self.expect == "holds":
            return verdict.linearizable and verdict.failures <= self.may
        division = verdict.division
        hidden = (
            verdict.unread > 0
            or division is None
            or division.of == "unclear"
            or any(copy.audited is None for copy in division.copies)
            or Failure.LOSES in self.may & verdict.failures
        )
        must = self.must - self.hides if verdict.violated and hidden else self.must
        return must <= verdict.failures <= self.must | self.may

    def kept_by(self, verdict: KindVerdict) -> bool:
        """Return True if the verdict on one kind is as expected; an inconclusive one never is."""
        if verdict.verdict == "inconclusive":
            return False
        wrong = verdict.verdict == "violated"
        if self.expect == "holds":
            return not wrong
        must = self.must - self.hides if wrong else self.must
        return must <= verdict.failures <= self.must | self.may


def refusal(trial: Trial) -> str | None:
    """Why its fault cannot be done to a trial here; None if it can, or if there is none.

    Raises ValueError if there is no such variant, or no such fault.
    """
    if why := impossible(trial):
        return why
    said = None if trial.own else facts(trial.variant)
    fault = fault_of(trial.fault)
    of_redis = (
        fault is not None and fault.needs != "server" and said is not None and said.uses_redis
    )
    if of_redis and os.environ.get("REDIS_URL"):
        return "the Redis at REDIS_URL is not ours; unset REDIS_URL"
    if fault and fault.needs == "disk" and (lacking := missing()):
        # never quietly done as a kill
        return f"what was never synced survives a kill, and for a disk that drops it {lacking}"
    return None


def impossible(trial: Trial) -> str | None:
    """Return why the fault can never be injected in this trial; None if it can."""
    said = None if trial.own else facts(trial.variant)
    if trial.after_restart and trial.own and trial.own.runs_already:
        return "a server that runs already is not ours to start again"
    if trial.after_restart and said and said.lives_in not in ELSEWHERE:
        return f"{trial.variant} says that its state ends with the server"
    fault = fault_of(trial.fault)
    if fault is None:
        return None
    if trial.own and trial.own.runs_already:
        return "a server that runs already is not ours"
    adapter = with_master(trial.server)
    if lacking := fault.lacking(adapter):
        alone = " with one worker" if adapter != adapter_of(trial.server) else ""
        return f"{adapter.title}{alone} {lacking}"
    if trial.own and fault.needs != "server":
        return "the store of an app of one's own is not ours"
    if fault.needs == "server":
        return None
    if said is None:
        return f"{trial.variant} does not say where it keeps its state"
    if said.uses_postgres and fault.needs in ("store", "process"):
        return None
    in_a_file = said.lives_in == "machine" and fault.needs in ("store", "disk")
    if said.uses_redis or in_a_file:
        return None
    there_is = {"machine": "a file, and no store with a process of its own", "network": "no Redis"}
    return f"{trial.variant} has {there_is.get(said.lives_in, 'no store')}"


def expectation(trial: Trial) -> Expectation:
    """Return the expectation of a trial. A module without facts must be linearizable.

    Raises ValueError if there is no such variant, or if its fault cannot be done to it.
    """
    if why := impossible(trial):
        raise ValueError(f"{trial.fault or 'a restart'} cannot be done: {why}")
    may = [Failure.REFUSES] if trial.fault else []
    if trial.own:
        return expect(may=may, why="whoever is asked, it is one count")
    said = facts(trial.variant)
    if said is None:
        why = f"{trial.variant} says nothing of itself, so it must be linearizable"
        return expect(may=may, why=why)
    fault = fault_of(trial.fault)
    alone = undisturbed(trial, said)
    return disturbed(alone, said, fault, preloads(trial.server)) if fault else alone


def outlives(trial: Trial) -> bool:
    """Return True if a process started after the load must find what was acknowledged.

    Either somebody asks for it, or the variant says that its state survives the end of its store.
    """
    said = None if trial.own else facts(trial.variant)
    stored = (
        said is not None and said.lives_in in ELSEWHERE and said.survives in ("store", "machine")
    )
    fault = fault_of(trial.fault)
    # on two machines a new one would have a disk of its own, and the defaults of Redis keep nothing
    gone = fault is not None and (fault.machines > 1 or fault.store_defaults)
    return trial.after_restart or (stored and not gone)


@dataclass(frozen=True)
class Place:
    """The place that a trial's state lives in.

    `copies` is how many there are, and `sharing` how many requests may be in one at once; `workers`
    are the processes that serve, on all machines.
    """

    name: str
    copies: int
    sharing: int
    guard: str
    workers: int
    greenlets: bool


def place_of(trial: Trial, said: Facts) -> Place:
    """Find the place of the state, from the facts of a variant and its server."""
    server, fault = topology(trial.server), fault_of(trial.fault)
    machines = fault.machines if fault else 1
    greenlets = server.worker_class == "gevent"
    name = said.preloaded if preloads(server) else said.lives_in
    if name == "thread" and greenlets:
        # a greenlet ends with its connection
        name = "request"
    workers = server.workers * machines
    copies = {"thread": workers * server.threads, "worker": workers, "machine": machines}
    of_worker = at_once(server)
    sharing = {"request": 1, "client": 1, "thread": 1, "worker": of_worker}
    return Place(
        name,
        copies.get(name, 1),
        sharing.get(name, server.workers * of_worker),
        said.under_gevent if greenlets else said.guard,
        workers,
        greenlets,
    )


def undisturbed(trial: Trial, said: Facts) -> Expectation:
    """Return the expectation without a fault."""
    place = place_of(trial, said)
    if place.name == "request":
        return expect(Failure.LOSES, why="the state ends with each request")
    if place.name == "client":
        why = "each client counts for itself, and nobody else can read what it has"
        return expect(Failure.DIVIDED, why=why)
    must = [Failure.DIVIDED] if place.copies > 1 else []
    each = f"each {place.name} counts for itself; " if place.copies > 1 else ""
    if place.sharing == 1:
        return expect(*must, why=f"{each}nothing comes between a read and its write")
    may = [Failure.REFUSES] if said.refuses == "may" else []
    if place.guard == "none":
        if trial.load.pause_ms:
            why = "others read between a read and its write"
            loses = expect(Failure.LOSES, *must, may=may, why=why)
            return replace(loses, hides=loses.must) if may else loses
        why = "without a pause threads seldom take turns between read and write, but they can"
        return expect(*must, may=[Failure.LOSES, *may], why=why)
    if said.refuses == "must":
        # what is answered 503 may have happened: then one copy could have given the same answers
        return expect(Failure.REFUSES, may=must, why="of two that overlap, one is refused")
    whole = f"{each}nothing comes between a read and its write"
    if said.answers == "read again":
        why = f"{whole}, but the answer is read again afterwards"
        if must:
            # each copy may be asked too seldom
            return expect(*must, may=[Failure.ANSWERS_LATE, *may], why=why)
        waits = said.pauses and trial.load.pause_ms > 0
        return late(may, why, certain=waits or not place.greenlets)
    if said.answers == "cached":
        why = f"{whole}, but reads come from a copy that may be old"
        certain = place.workers > 1 and not place.greenlets
        old = late([Failure.LOSES, *may], why, certain=certain)
        return replace(old, hides=old.must)
    return expect(*must, may=may, why=whole)


def disturbed(alone: Expectation, said: Facts, fault: Fault, preload: bool) -> Expectation:
    """Return the expectation under a fault, from the expectation without it."""
    # what must come out is not left to chance
    may = {*alone.may, Failure.REFUSES} - alone.must
    if said.expires and fault.outlasts_locks:
        why = "who stands still for longer than the lock lasts goes on without it"
        return replace(alone, may=frozenset({*may, Failure.LOSES, Failure.ANSWERS_LATE}), why=why)
    if said.sends == "again" and fault.needs != "server":
        if fault.loses_replies and not alone.must:
            why = "a write whose reply is lost is sent again, and counts twice"
            must = frozenset({Failure.COUNTS_TWICE})
            return replace(alone, must=must, may=frozenset(may), why=why)
        may.add(Failure.COUNTS_TWICE)
    if fault.ends == "nothing" or said.lives_in == "request":
        return replace(alone, may=frozenset(may))
    outlives = SURVIVES.index(said.outlives(preload))
    if fault.ends == "machine" and said.uses_redis:
        why = f"{alone.why}, and Redis syncs its file before it answers"
        return replace(alone, may=frozenset(may), why=why)
    if fault.ends != "disk" and outlives >= SURVIVES.index(fault.ends):
        why = f"{alone.why}, and it outlives a {fault.ends}"
        return replace(alone, may=frozenset(may), why=why)
    if fault.ends == "machine" and said.survives == "store":
        why = f"{alone.why}, but a power cut may undo the last commit"
        # a count that starts lower explains what is missing as well as a lost update does
        hides = alone.hides | (alone.must & {Failure.LOSES})
        return replace(alone, may=frozenset({*may, Failure.FORGETS}), why=why, hides=hides)
    what = "store" if fault.ends == "disk" else fault.ends
    # the old and the new one may answer side by side for a while
    may |= {Failure.DIVIDED} if fault.ends in ("worker", "server") else set()
    if Failure.ANSWERS_LATE in alone.must:
        why = "counts that tell two the same, one after the other, look like one that loses"
        return Expectation(frozenset(), frozenset({*may, *alone.must, Failure.FORGETS}), why)
    why = f"{alone.why}, but it ends with the {what}"
    must = alone.must | {Failure.FORGETS}
    # the last one may have been asked by the audit alone, and the others have ended
    hides = alone.hides | (alone.must & {Failure.LOSES})
    # of several copies one that nobody reads any more may have ended, or not have been reached
    hides |= {Failure.FORGETS} if Failure.DIVIDED in alone.must else set()
    return replace(alone, must=must, may=frozenset(may - alone.must), why=why, hides=hides)


def late(may: list[Failure], why: str, *, certain: bool) -> Expectation:
    """Greenlets take turns only where one waits, and a worker alone seldom meets its own copy."""
    if certain:
        return expect(Failure.ANSWERS_LATE, may=may, why=why)
    return expect(may=[Failure.ANSWERS_LATE, *may], why=why)


def expect(*must: Failure, may: Iterable[Failure] = (), why: str) -> Expectation:
    return Expectation(frozenset(must), frozenset(may), why)


def markdown(servers: Sequence[Server]) -> str:
    """Return the table of expectations, as the guide in this folder shows it."""
    rows = [["variant", *map(str, servers)], ["---"] * (len(servers) + 1)]
    for variant in VARIANTS:
        expectations = (expectation(Trial(variant, server)) for server in servers)
        said = (", ".join(sorted(each.must, reverse=True)) for each in expectations)
        link = f"[`{variant}`](../variants/{variant}.py)"
        rows.append([link, *(faults or "**linearizable**" for faults in said)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def survival(server: Server) -> str:
    """Return the table of expectations under faults, as the README shows it."""
    rows = [["fault", "people call it", *(f"`{name}`" for name in VARIANTS)]]
    rows += [["---"] * len(rows[0])]
    for fault in FAULTS.values():
        trials = [Trial(variant, server, fault=fault.name) for variant in VARIANTS]
        rows.append([f"`{fault.name}`", fault.called, *map(_survives, trials)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _survives(trial: Trial) -> str:
    if impossible(trial):
        return "–"
    return ", ".join(sorted(expectation(trial).must)) or "**holds**"
