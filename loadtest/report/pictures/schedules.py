"""For each wrong idiom, the shortest order of steps in which it goes wrong, one actor a line.

An idiom's docstring has them in a line `Steps`: the failure, how the order is known, and where it
happens, if not everywhere; then the steps. A bar separates two orders.

    Steps: loses, explored: A reads 0; B reads 0; A writes 1; B writes 1
    Steps: loses, tested, under gevent: … | answers late, by hand: …

Where two requests take turns at the idiom's pause there are six orders. The tests go through all
six of each explored idiom: the overlapping ones go wrong and the others do not. A test plays the
tested ones. The rest were written by hand: their gap lies between two workers, or in a server.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from loadtest.checker import Failure
from variants.facts import Facts, facts
from variants.gallery import GALLERY

FAILURES = {str(failure): failure for failure in Failure}
KNOWN = {
    "explored": "all six orders at the pause were tried",
    "tested": "a test does just this",
    "by hand": "by hand",
}


class Order(NamedTuple):
    """Steps that end in a failure, how they are known, and where they happen, if not everywhere."""

    fault: Failure
    steps: tuple[str, ...]
    known: str = "by hand"
    where: str = ""

    @property
    def evidence(self) -> str:
        """The source of the order, in words for people."""
        return KNOWN[self.known]


def written(idiom: str) -> list[Order]:
    """Return the orders in an idiom's docstring.

    Raise ValueError if a line is not a failure, how it is known, and steps.
    """
    lines = facts(idiom)
    text = lines.lines.get("Steps", "") if lines else ""
    return [parse(idiom, order) for order in text.split(" | ") if order]


def parse(idiom: str, text: str) -> Order:
    """Return the order that one part of a line `Steps` describes."""
    known = rf"({'|'.join(FAILURES)}), ({'|'.join(KNOWN)})"
    match = re.fullmatch(rf"{known}(?:, ([^:]+))?: (.+)", text)
    if match is None:
        raise ValueError(f"{idiom}: Steps {text!r} is not '<failure>, <{known}>: A …; B …'")
    where = (match[3] or "")[:1].upper() + (match[3] or "")[1:]
    return Order(FAILURES[match[1]], tuple(match[4].split("; ")), match[2], where)


def orders(idiom: str) -> list[Order]:
    """Ways in which an idiom goes wrong, with what happens on one machine first; none for what
    does not go wrong."""
    lines = facts(idiom) if idiom in GALLERY else None
    if lines is None:
        return []
    found = written(idiom)
    if lines.lives_in in ("thread", "worker"):
        # beside what a test plays, since that is the rarer way
        at = next((n for n, each in enumerate(found) if each.known == "tested"), len(found))
        found.insert(at, apart(lines))
    # a store on one machine is no longer one on two, whatever guards it
    return found or [apart(lines)] * (lines.lives_in == "machine")


def apart(lines: Facts) -> Order:
    """Return the order of steps for a state that lives in several places."""
    place = lines.lives_in
    where = "Between " + ("two machines" if place == "machine" else f"{place}s")
    where += ", without --preload" * (lines.preloaded != place)
    in_ = "in" if place == "thread" else "at"
    steps = (
        f"A {in_} {place} 1 counts up to 1, is answered 1",
        f"B {in_} {place} 2 counts up to 1, is answered 1",
        f"{place} 1 has 1, {place} 2 has 1",
    )
    return Order(Failure.DIVIDED, steps, where=where)
