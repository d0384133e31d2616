"""A trial → what must come out of each kind of state that is asked by all clients together.

The rules follow from where a variant's state lives and what guards it, as for the count: a name
leaks where requests that overlap share the place, a visitor's text is missed where there are
several copies of it, and an item is sold again by each copy, or between its check and its write.
"""

from collections.abc import Callable
from dataclasses import replace

from loadtest.checker import Failure
from loadtest.expected import Expectation, Place, expect, place_of
from loadtest.kinds import KINDS
from loadtest.server.fault import Fault
from loadtest.server.faults import fault_of
from loadtest.server.servers import preloads
from loadtest.trial import Trial
from variants.facts import SURVIVES, Facts, facts


def expectations(trial: Trial) -> dict[str, Expectation]:
    """Return the expectation of each of these kinds; a module without facts must be right."""
    said = None if trial.own else facts(trial.variant)
    if said is None:
        right = expect(why="nothing is known of it, so it must be right")
        return dict.fromkeys(KINDS, right)
    fault = fault_of(trial.fault)
    place = place_of(trial, said)
    pauses = trial.load.pause_ms > 0
    alone = {kind: rule(place, pauses) for kind, rule in RULES.items()}
    if fault is None:
        return alone
    return {
        kind: under_fault(each, said, fault, preloads(trial.server)) if kind != "request" else each
        for kind, each in alone.items()
    }


def request(place: Place, pauses: bool) -> Expectation:
    """A guard does not help: it is given back between the two functions of a request."""
    if place.sharing == 1:
        return expect(why=f"no other request is in its {place.name} meanwhile")
    why = "requests that overlap share the place"
    if not pauses or place.guard == "transaction":
        # writers wait for each other, and seldom finish inside another's pause
        return expect(may=[Failure.LEAKS], why=why)
    return expect(Failure.LEAKS, why=why)


def visitor(place: Place, pauses: bool) -> Expectation:
    """Each visitor has an entry of their own, and a save writes all of it."""
    if place.name == "request":
        forgets = expect(Failure.FORGETS, why="the state ends with each request")
        # no answer of a thread that never saved shows that the text is gone
        return replace(forgets, may=frozenset({Failure.LOSES}), hides=forgets.must)
    if place.copies > 1:
        divided = expect(Failure.DIVIDED, why=f"each {place.name} has texts of its own")
        return replace(divided, hides=divided.must) if place.name == "thread" else divided
    return expect(why="all requests of a visitor find one place")


def claim(place: Place, pauses: bool) -> Expectation:
    """An item is sold once for each copy, and more often where nothing guards check and write."""
    if place.name in ("request", "client"):
        return expect(Failure.OVERSELLS, why=f"each {place.name} finds every item free")
    if place.copies > 1:
        return expect(Failure.OVERSELLS, why=f"each {place.name} sells every item")
    if place.guard != "none" or place.sharing == 1:
        return expect(why="nothing comes between the check and the write")
    why = "others check between a check and its write"
    if not pauses:
        return expect(may=[Failure.OVERSELLS], why=why)
    return expect(Failure.OVERSELLS, why=why)


RULES: dict[str, Callable[[Place, bool], Expectation]] = {
    rule.__name__: rule for rule in (request, visitor, claim)
}
"""The rule of each kind, by its name."""


def under_fault(alone: Expectation, said: Facts, fault: Fault, preload: bool) -> Expectation:
    """Add what a fault may do to state that ends with it: texts are gone, items are sold again."""
    if said.lives_in in ("request", "client") or fault.ends == "nothing":
        return alone
    survives = fault.ends not in ("disk", "nothing") and SURVIVES.index(
        said.outlives(preload)
    ) >= SURVIVES.index(fault.ends)
    if survives and not (fault.ends == "machine" and said.survives == "store"):
        return alone
    more = {Failure.FORGETS, Failure.DIVIDED, Failure.LOSES, Failure.OVERSELLS}
    why = f"{alone.why}, but it ends with the {fault.ends}"
    return replace(alone, may=alone.may | more - alone.must, hides=alone.must, why=why)
