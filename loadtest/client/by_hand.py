"""The first increment and the first read, by hand: is the app understood?

One request after the other, while nobody else asks. What does not fit is said in one line: what was
asked, what came, and what to try.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
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
QUIET = 32


def understand(app: App, host: str) -> tuple[App, str]:
    """Return the app with what its answers taught us, and a sentence about it.

    An increment without a number is blind from then on, and an increment that redirects is marked
    so. Raises Unclear.
    """
    asked = mapping(app)
    try:
        with asked.connect(host) as http:
            if COUNTER.read not in asked.ops:
                return app, two_increments(asked, http)
            return between_reads(app, asked, http)
    except StepFailed as error:
        raise Unclear(str(error)) from None
    except requests.exceptions.InvalidURL as error:
        raise Unclear(f"{error}; the load stays there") from None
    except requests.RequestException as error:
        why = "in time" if isinstance(error, requests.Timeout) else "at all"
        raise Unclear(f"{host} does not answer {why} ({type(error).__name__})") from None


def between_reads(app: App, asked: Routes | Steps, http: Http) -> tuple[App, str]:
    shown = asked.send(http, COUNTER.read)
    before = at_rest(asked, shown)
    if before is None:
        raise Unclear(came(asked, shown, COUNTER.read))
    nothing = asked.answer(COUNTER.read, shown).value is None
    again = at_rest(asked, asked.send(http, COUNTER.read))
    if again != before:
        raise Unclear(
            f"{asked.name('read')} said {before}, then {again}, and nobody incremented: if it "
            "counts itself, give it as INCREMENT and leave READ out"
        )
    reply = asked.send(http, COUNTER.write)
    moves = 300 <= reply.status_code < 400
    told = None
    if not moves:
        told = found(asked, reply, COUNTER.write, must=bool(app.increment_count))
    deadline = time.monotonic() + SETTLE_S
    while True:
        shown = asked.send(http, COUNTER.read)
        after = asked.answer(COUNTER.read, shown).value
        if after not in (None, before) or told is not None or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    if after is None:
        raise Unclear(came(asked, shown, COUNTER.read))
    if moves and after != before + 1:
        raise Unclear(came(asked, reply, COUNTER.write))
    did, shows = asked.name(COUNTER.write), asked.name(COUNTER.read)
    if told is None and after == before:
        raise Unclear(
            f"{did} answered {reply.status_code}, and {shows} said {before} before and after it: "
            "is it the same count? If an answer is kept for a while, switch that off"
        )
    if after not in (before, before + 1):
        raise Unclear(
            f"{shows} said {before}, and {after} after {did}: it has to add 1, while nobody else "
            "adds"
        )
    if told not in (None, before + 1):
        raise Unclear(
            f"{shows} said {before}, {did} said {told}, and {shows} then said {after}: {told} is "
            "not the count; say where it is with INCREMENT_COUNT=…, or none if nowhere"
        )
    said = f"{shows} said {'nothing yet' if nothing else f'{before:,}'}, {did} said "
    if told is not None:
        gone = "" if after == told else f", and {shows} said {after:,} again"
        return app, f"{said}{told:,}{gone}: understood"
    learnt = replace(app, redirected=moves)
    if isinstance(asked, Routes):
        learnt = replace(learnt, increment_count=BLIND)
    what = f"{reply.status_code} and no number, and {shows} said {after:,}"
    return learnt, f"{said}{what}: understood; the increment is blind"


def two_increments(asked: Routes | Steps, http: Http) -> str:
    name = asked.name(COUNTER.write)
    first = number(asked, http, COUNTER.write)
    second = number(asked, http, COUNTER.write)
    if second != first + 1:
        raise Unclear(
            f"{name} said {first}, then {second}: it has to say one more each time, while nobody "
            "else asks; is COUNT the count?"
        )
    return f"{name} said {first:,}, then {second:,}: understood; it is read with increments"


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


def copies(values: Iterable[int]) -> int:
    """The fewest counters that can have given these answers to increments one at a time.

    Each counter's answers go up by one; an answer that continues none begins another.
    """
    last: list[int] = []
    for value in values:
        if value - 1 in last:
            last[last.index(value - 1)] = value
        else:
            last.append(value)
    return len(last)


def percent(share: float) -> str:
    return "less than 0.01 %" if share < 0.0001 else f"{100 * share:.2g} %"


def sounding(app: App, host: str) -> tuple[int, str]:
    """Return the fewest copies that answer, and a sentence about how sure that is.

    Increments are sent one at a time, each on a new connection, while nothing else happens. Blind
    increments carry no number, so the reads after them are compared.
    """
    asked = mapping(app)
    with asked.connect(host) as http:

        def ask(op: Op) -> list[int]:
            answers = [asked.answer(op, asked.send(http, op)).value for _ in range(QUIET)]
            return [value for value in answers if value is not None]

        told = ask(COUNTER.write)
        least, how = copies(told), f"{QUIET} increments one at a time"
        if not told:
            least, how = len(set(ask(COUNTER.read))), f"{QUIET} increments, then as many reads"
    missed = (least / (least + 1)) ** QUIET
    copy = "1 copy answers" if least == 1 else f"{least} copies answer"
    return least, (
        f"At least {copy}, as {how} show, each on a new connection; one more with an equal share "
        f"would have been missed in {percent(missed)} of tries"
    )
