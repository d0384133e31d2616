"""A reading that grows by itself while nobody asks for more: how fast under each server?

A job that each worker runs (a scheduler that is started when the app is imported) shows itself so:
with four workers the reading grows four times as fast.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import requests

from loadtest.client.mapping import Count, Request, Routes, Unclear, parse_headers
from loadtest.kinds.counter import COUNTER
from loadtest.trial import App, Server

READS = 8
"""Reads at each end, since workers may differ."""
LEAST = 3
"""A reading that grew by less shows no rate."""


@dataclass(frozen=True)
class Growth:
    """The growth of a reading under a server while nobody incremented, and its seconds."""

    server: Server
    added: int
    seconds: float

    @property
    def rate(self) -> float:
        """The growth in a second."""
        return self.added / self.seconds

    def __str__(self) -> str:
        return f"{self.rate:.2g} a second at {self.server}"


def reading(app: App) -> Routes:
    """Return the request of an app that is only read. Raises Unclear."""
    request = Request.parse(app.read, "READ")
    counts = {COUNTER.read: Count(app.count)}
    return Routes({COUNTER.read: request}, counts, parse_headers(app.headers))


def measure(
    app: App, server: Server, url: str, seconds: float, sleep: Callable[[float], None] = time.sleep
) -> Growth:
    """Return what a reading grows by in so many seconds. Raises Unclear."""
    asked = reading(app)
    before, began = highest(asked, url), time.monotonic()
    sleep(seconds)
    after, ended = highest(asked, url), time.monotonic()
    return Growth(server, abs(after - before), ended - began)


def highest(asked: Routes, url: str) -> int:
    """Return the highest count of several reads, each on a connection of its own."""
    values = []
    name = asked.name(COUNTER.read)
    for _ in range(READS):
        try:
            with asked.connect(url) as http:
                reply = asked.send(http, COUNTER.read)
        except requests.RequestException as error:
            raise Unclear(f"{url} does not answer ({type(error).__name__})") from None
        value = asked.answer(COUNTER.read, reply).value
        if value is None:
            text, count = " ".join(reply.text.split())[:80], asked.count(COUNTER.read).said
            raise Unclear(
                f"{name} answered {reply.status_code} {text!r}: COUNT={count!r} finds no whole "
                "number there; write a JMESPath, /(\\d+) views/ or @Header"
            )
        values.append(value)
    return max(values)


Word = Literal["once", "once per worker", "inconclusive"]


def runs(growths: Sequence[Growth]) -> tuple[Word, str]:
    """Return how often what adds to the reading runs, and a sentence about it.

    It needs a server with one worker, and one with several.
    """
    rates = ", ".join(map(str, growths))
    alone = [each for each in growths if each.server.workers == 1]
    several = [each for each in growths if each.server.workers > 1]
    if not any(each.added for each in growths):
        longest = max(each.seconds for each in growths)
        return "inconclusive", (
            f"Nothing grew by itself in {longest:.0f} s: give the request that adds one, such as "
            "INCREMENT='POST /hits', or a longer time, DURATION=60"
        )
    if not alone or not several:
        return "inconclusive", f"It grows by itself: {rates}; compare one worker with several"
    if any(each.added < LEAST for each in alone):
        return "inconclusive", f"It grows by itself: {rates}; too slow to compare: DURATION=60"
    base = sum(each.rate for each in alone) / len(alone)
    # nearer to once per worker than to once, as ratios
    each_worker = [each for each in several if each.rate > base * sqrt(each.server.workers)]
    if not each_worker:
        return "once", f"It grows by itself: {rates}. It runs once, however many workers there are."
    return "once per worker", (
        f"It grows by itself: {rates}. It runs once per worker: each worker starts what adds to it "
        "when it imports the app. Fix: run it in a process of its own, or let each run claim its "
        "turn in a store (variants/sqlite_row.py, claim)."
    )
