"""The first increments and reads, by hand: is the app understood?

One request after the other, while nobody else asks. What does not fit is said in one line: what was
asked, what came, and what to try.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import requests

from loadtest.client.http import Http
from loadtest.client.mapping import (
    BLIND,
    Reply,
    Routes,
    StepFailed,
    Steps,
    Unclear,
    at_rest,
    mapping,
)
from loadtest.history.operation import Op, short
from loadtest.kinds.counter import COUNTER
from loadtest.trial import App

SETTLE_S = 3.0
MORE = 16
"""Reads that are sent if two of them differ while nobody increments."""


class Inconsistent(Unclear):
    """Answers that do not fit one copy of a count; `app` is the app as far as it is understood."""

    def __init__(self, message: str, app: App) -> None:
        super().__init__(message)
        self.app = app


def understand(app: App, host: str) -> tuple[App, str]:
    """Return the app with what its answers taught us, and a sentence about it.

    An increment without a number is blind from then on; one that redirects, and a count that goes
    down, are marked so. Raises Unclear.
    """
    asked = mapping(app)
    with in_one_line(host), asked.connect(host) as http:
        if COUNTER.read not in asked.ops:
            return increments_alone(app, asked, http)
        return between_reads(app, asked, http)


@contextmanager
def in_one_line(host: str) -> Iterator[None]:
    """Turn whatever keeps a server from answering by hand into an Unclear."""
    try:
        yield
    except StepFailed as error:
        raise Unclear(str(error)) from None
    except requests.exceptions.InvalidURL as error:
        raise Unclear(f"{error}; the load stays there") from None
    except requests.RequestException as error:
        why = "in time" if isinstance(error, requests.Timeout) else "at all"
        raise Unclear(f"{host} does not answer {why} ({type(error).__name__})") from None


def between_reads(app: App, asked: Routes | Steps, http: Http) -> tuple[App, str]:
    """Send two increments, with reads before, between and after them."""
    did, shows = asked.name(COUNTER.write), asked.name(COUNTER.read)
    first, absent = at_the_beginning(app, asked, http)
    learnt, one, reply = increment(app, asked, http)
    second = settled(asked, http, first, wait=one is None)
    if learnt.redirected and second == first:
        raise Inconsistent(came(asked, reply, COUNTER.write), learnt)
    if one is None and second == first:
        raise Inconsistent(
            f"{did} has no number in its answer, and {shows} answered {first} before and after it: "
            "is it the same count? If an answer is kept for a while, switch that off",
            learnt,
        )
    _, two, _ = increment(app, asked, http, again=True)
    third = settled(asked, http, second, wait=two is None or two == one)
    if (second, third) == (first - 1, first - 2) and not app.descends:
        return falling(app, http)
    begin = f"{shows} answered {'nothing yet' if absent else f'{first:,}'}, {did} answered "
    rises = (second, third) == (first + 1, first + 2)
    if one is not None and (one, two) == (first + 1, first + 2):
        if third not in (first, first + 1, first + 2):
            raise Inconsistent(adds_more(asked, first, third), learnt)
        again = "" if third == two else f", and {shows} answered {third:,} after them"
        return learnt, f"{begin}{one:,} and {two:,}{again}: understood"
    if one is None and rises:
        answers = "with a redirect" if learnt.redirected else "without a number"
        return learnt, f"{begin}{answers} twice, and {shows} then answered {third:,}: {BLINDLY}"
    if second != first and third == first:
        raise Inconsistent(toggles(did, shows, (first, second, third)), learnt)
    if one is not None and one == two:
        if one == first + 1 and third == first:
            return learnt, f"{begin}{one:,} twice, and {shows} still answers {third:,}: understood"
        if third == first + 2 and isinstance(asked, Routes) and not app.increment_count:
            constant = f"{one:,} twice, which is not the count, and {shows} then answered {third:,}"
            return replace(learnt, increment_count=BLIND), f"{begin}{constant}: {BLINDLY}"
    if second == third == first + 1:
        raise Inconsistent(
            f"{shows} answered {first}, {second} after one {did} and {third} after another: it "
            "adds only once; give a request that adds each time",
            learnt,
        )
    if one is not None and third - first in (0, 1, 2):
        place = (
            "say where it is with INCREMENT_COUNT=…, or none if nowhere"
            if isinstance(asked, Routes)
            else f"return the count in {asked.file}, or nothing"
        )
        raise Inconsistent(
            f"{shows} answered {first}, {did} answered {one} and {two}, and {shows} then answered "
            f"{third}: {one} is not the count; {place}",
            learnt,
        )
    raise Inconsistent(adds_more(asked, first, third), learnt)


def falling(app: App, http: Http) -> tuple[App, str]:
    """Look again at a count that goes down by one, such as a stock: its negative goes up."""
    down = replace(app, descends=True)
    learnt, sentence = between_reads(down, mapping(down), http)
    # in the app's own numbers
    sentence = re.sub(r"(answers|answered|and) -(?=[0-9])", r"\1 ", sentence)
    return learnt, sentence.replace(": understood", f": {BY_ONE}")


BY_ONE = "goes down by one: understood"
BLINDLY = "understood; the increment is blind"


def adds_more(asked: Routes | Steps, first: int, third: int) -> str:
    did, shows = asked.name(COUNTER.write), asked.name(COUNTER.read)
    return (
        f"{shows} answered {first}, and {third} after {did} was sent twice: each has to add 1, "
        "while nobody else adds"
    )


def toggles(did: str, shows: str, values: Sequence[int]) -> str:
    seen = ", ".join(map(str, values))
    return (
        f"{shows} answered {seen}: {did} is a toggle, which takes back what it did before; give a "
        "request that adds each time, such as one of another user (MAPPING=counter.py)"
    )


def at_the_beginning(app: App, asked: Routes | Steps, http: Http) -> tuple[int, bool]:
    """Return the count before any increment, and True if there is none yet.

    Raises Inconsistent if it moves while nobody increments.
    """
    shown = asked.send(http, COUNTER.read)
    values = [at_rest(asked, shown), at_rest(asked, asked.send(http, COUNTER.read))]
    if values[0] is None:
        raise Unclear(came(asked, shown, COUNTER.read))
    if values[0] != values[1]:
        values += [at_rest(asked, asked.send(http, COUNTER.read)) for _ in range(MORE)]
        seen = ", ".join(map(str, dict.fromkeys(values)))
        raise Inconsistent(
            f"{asked.name(COUNTER.read)} answered {short(seen, 40)}, and nobody incremented: if it "
            "counts itself, give it as INCREMENT and leave READ out; if something else adds to it, "
            "stop that",
            app,
        )
    return values[0], asked.answer(COUNTER.read, shown).value is None


def increment(
    app: App, asked: Routes | Steps, http: Http, again: bool = False
) -> tuple[App, int | None, Reply]:
    """Send one increment; return what its answer taught us, its number if any, and the answer."""
    reply = asked.send(http, COUNTER.write)
    if again and 400 <= reply.status_code < 500:
        raise Unclear(
            f"{asked.name(COUNTER.write)} was answered once, and then {reply.status_code}: give a "
            "request that can be sent again and again, or begin with more left"
        )
    if 300 <= reply.status_code < 400:
        return replace(app, redirected=True, **blind(asked)), None, reply
    value = found(asked, reply, COUNTER.write, must=bool(app.increment_count))
    return app if value is not None else replace(app, **blind(asked)), value, reply


def blind(asked: Routes | Steps) -> dict[str, Any]:
    return {"increment_count": BLIND} if isinstance(asked, Routes) else {}


def settled(asked: Routes | Steps, http: Http, before: int, *, wait: bool) -> int:
    """Return the count after an increment; wait a little for another than before."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        shown = asked.send(http, COUNTER.read)
        after = asked.answer(COUNTER.read, shown).value
        if after not in (None, before) or not wait or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    if after is None:
        raise Unclear(came(asked, shown, COUNTER.read))
    return after


def increments_alone(app: App, asked: Routes | Steps, http: Http) -> tuple[App, str]:
    """Send increments to an app without a read."""
    name = asked.name(COUNTER.write)
    one, two = (number(asked, http, COUNTER.write) for _ in range(2))
    if abs(two - one) == 1:
        how = "understood" if two > one else BY_ONE
        sentence = f"{name} answered {one:,}, then {two:,}: {how}; it is read with increments"
    if two == one + 1:
        return app, sentence
    if two == one - 1:
        # two copies, or a toggle, can look so once
        three = number(asked, http, COUNTER.write)
        if three == one - 2:
            return replace(app, descends=True), sentence
        raise Inconsistent(toggles(name, name, (one, two, three)), app)
    values = [one, two, *(number(asked, http, COUNTER.write) for _ in range(2))]
    if values[:2] == values[2:] and one != two:
        raise Inconsistent(toggles(name, name, values), app)
    if len(set(values)) == 1:
        raise Inconsistent(
            f"{name} answered {one} four times: is COUNT the count? READ='GET …' can tell", app
        )
    seen = ", ".join(map(str, values))
    raise Inconsistent(
        f"{name} answered {seen}: it has to answer one more each time, while nobody else asks; is "
        "COUNT the count?",
        app,
    )


def number(asked: Routes | Steps, http: Http, op: Op) -> int:
    """Return the number in an answer given by hand. Raise Unclear if there is none."""
    value = found(asked, asked.send(http, op), op)
    assert value is not None
    return value


def found(asked: Routes | Steps, reply: Reply, op: Op, must: bool = True) -> int | None:
    answer = asked.answer(op, reply)
    if answer.value is not None or answer.outcome == "ok":
        if answer.value is None and op == COUNTER.read:
            raise Unclear(came(asked, reply, op))
        return answer.value
    if must or not 200 <= reply.status_code < 300:
        raise Unclear(came(asked, reply, op))
    return None


def came(asked: Routes | Steps, reply: Reply, op: Op) -> str:
    """Describe the request, the answer, and what to try."""
    name = asked.name(op)
    said = " ".join(reply.text.split())
    said = f" {said[:80]!r}" if said else ""
    return f"{name} answered {reply.status_code}{said}: {advice(asked, reply, op)}"


def advice(asked: Routes | Steps, reply: Reply, op: Op) -> str:
    status, headers = reply.status_code, reply.headers
    login = "a login, a CSRF token or two steps go into a file, MAPPING=counter.py"
    if status < 300:
        if isinstance(asked, Steps):
            return f"{op}(http) in {asked.file} returned that; it has to return a whole number"
        count = asked.count(op).said
        where = f"COUNT={count!r} finds" if count else "the body is"
        what = asked.count(op).find(reply) if count else None
        seen = "" if what is None else f" but {short(str(what), 30)!r}"
        return (
            f"{where} no whole number there{seen}; write COUNT=… as a JMESPath (data.hits), "
            r"/(\d+) views/ or @Header"
        )
    if status < 400:
        to = urlsplit(headers.get("Location", ""))
        if isinstance(asked, Routes) and to.path == f"{asked.requests[op].path}/":
            return f"it wants a slash at the end: '{asked.requests[op].method} {to.path}'"
        return f"it leads to {to.path or 'nowhere'}; ask there, or if it asks for a login: {login}"
    if status == 404:
        return "is the path right, and CHDIR the folder of this app?"
    if status == 405:
        return f"it takes other methods: {headers.get('Allow', 'it does not say which')}"
    if status in (401, 403):
        return f"give HEADERS='Authorization: …' or 'Cookie: …'; {login}"
    if status == 429:
        return "it limits how often it is asked; switch that off for the test"
    if status < 500:
        return f"it wants another body, such as 'POST /hits {{\"by\": 1}}'; {login}"
    return "the app failed; its log says why"
