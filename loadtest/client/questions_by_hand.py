"""The first claim, echo and text, by hand: is the app understood?

One request after the other, while nobody else asks. What does not fit is reported in one line: what
was sent, what was answered, and what to try.
"""

from __future__ import annotations

from loadtest.client.by_hand import in_one_line
from loadtest.client.http import Http
from loadtest.client.mapping import Unclear
from loadtest.client.questions import Questions, Visitor
from loadtest.client.tokens import tokens
from loadtest.history.operation import Op, short
from loadtest.kinds.check import CHECK
from loadtest.kinds.claim import CLAIM
from loadtest.kinds.request import WHOAMI
from loadtest.kinds.visitor import LOAD, SAVE

TRIES = 16
"""Reads of a text that a server with several workers may have in one of them only."""
LOGIN = "a login or two steps go into a file, MAPPING=shop.py"


def understand_questions(asked: Questions, host: str) -> list[str]:
    """Return a sentence about each question. Raises Unclear."""
    sentences = []
    with in_one_line(host):
        if CLAIM.name in asked.ops:
            sentences.append(_claim(asked, host))
        if WHOAMI.name in asked.ops:
            sentences.append(_echo(asked, host))
        if SAVE.name in asked.ops:
            sentences.append(_visit(asked, host))
        if CHECK.name in asked.ops:
            sentences.append(_check(asked, host))
    return sentences


def _claim(asked: Questions, host: str) -> str:
    name = asked.name(CLAIM.name)
    with asked.connect(host) as http:
        answer = asked.answer(CLAIM.name, asked.send(http, CLAIM.name, _item(asked, CLAIM.name)))
        if not answer.value:
            hints = dict.fromkeys((409, 410, 422, 429), "nothing is left; begin with LIMIT places")
            hints[404] = "is the path right, and does this item exist?"
            raise Unclear(_came(name, http, hints))
        status = f" {http.seen[-1].status_code}" if http.seen else ""
        most = "once" if asked.limit == 1 else f"{asked.limit:,} times"
        what = "" if asked.one_limit else ", each {item}"
        return f"{name} answered{status}, which takes a place: understood; {most} at most{what}"


def _echo(asked: Questions, host: str) -> str:
    name = asked.name(WHOAMI.name)
    sent: list[str] = []
    for number in range(2):
        with asked.connect(host) as http:
            item = asked.item(WHOAMI.name, 0, number)
            answer = asked.answer(WHOAMI.name, asked.send(http, WHOAMI.name, item))
            if answer.outcome != "ok" or (answer.answer is None and not sent):
                why = "the answer does not hold the token that was sent"
                raise Unclear(_came(name, http, {200: why}))
            if answer.answer in sent and item in tokens(_seen(http)):
                raise Unclear(
                    f"{name} answered {short(answer.answer or '', 24)} and {short(item, 24)}: it "
                    "holds what others sent as well, as a list does; ECHO needs an answer about "
                    "this request alone"
                )
            if answer.answer != item:
                return f"{name} was sent {item} and answered {answer.answer}: it leaks already"
            sent.append(item)
    return f"{name} was sent {sent[0]} and answered {_around(http, sent[-1], sent[0])}: understood"


def _visit(asked: Questions, host: str) -> str:
    wrote, read = asked.name(SAVE.name), asked.name(LOAD.name)
    with asked.connect(host) as ann, asked.connect(host) as bob:
        own, other = (asked.item(SAVE.name, client, 0) for client in (0, 1))
        for visitor, item in ((ann, own), (bob, other)):
            answer = asked.answer(SAVE.name, asked.send(visitor, SAVE.name, item))
            if answer.outcome != "ok":
                raise Unclear(_came(wrote, visitor, {}))
        for _ in range(TRIES):
            answer = asked.answer(LOAD.name, asked.send(ann, LOAD.name))
            if answer.outcome != "ok":
                raise Unclear(_came(read, ann, {}))
            if answer.answer is not None:
                break
        else:
            why = "what was written is not there; is it the same visitor's, and the right path?"
            raise Unclear(_came(read, ann, dict.fromkeys((200, 404), why)))
        if own in tokens(_seen(ann)) and answer.answer != own:
            raise Unclear(
                f"{read} answered what two visitors wrote: it is not about one visitor, as a list "
                "is not; READ_BACK needs an answer about this visitor alone"
            )
        if answer.answer not in (own, None):
            return f"{read} answered one visitor what another had sent to {wrote}: it leaks already"
        return f"{wrote} was sent {own}, and {read} answered it: understood"


def _check(asked: Questions, host: str) -> str:
    name = asked.name(CHECK.name)
    for _ in range(TRIES):
        with asked.connect(host) as http:
            answer = asked.answer(CHECK.name, asked.send(http, CHECK.name))
            if answer.outcome != "ok":
                raise Unclear(_came(name, http, {}))
            if answer.value:
                return f"{name} returned True: understood"
    raise Unclear(
        f"{name} returned False {TRIES} times while nobody else asks: it has to return True then"
    )


def _item(asked: Questions, op: Op) -> str:
    # no client of the load has this number
    return asked.item(op, 0, 0)


def _seen(http: Http) -> str:
    return "\n".join(f"{reply.text} {reply.headers.get('Location', '')}" for reply in http.seen)


def _around(http: Http, token: str, shown: str) -> str:
    """Return an answer's text around a token, which is shown as another."""
    text = " ".join(_seen(http).split())
    at = text.lower().find(token)
    before, after = text[max(0, at - 20) : at], text[at + len(token) :][:20]
    return repr(f"{before}{shown}{after}")


def _came(name: str, http: Visitor, hints: dict[int, str]) -> str:
    """Describe the request, the answer, and what to try."""
    if not http.seen:
        return f"{name} sent no request"
    reply = http.seen[-1]
    status = reply.status_code
    said = " ".join(reply.text.split())
    said = f" {said[:80]!r}" if said else ""
    known = {
        401: f"give HEADERS='Authorization: …' or 'Cookie: …'; {LOGIN}",
        403: f"give HEADERS='Authorization: …' or 'Cookie: …'; {LOGIN}",
        404: "is the path right, and CHDIR the folder of this app?",
        405: f"it takes other methods: {reply.headers.get('Allow', 'it does not say which')}",
        429: "it limits how often it is asked; switch that off for the test",
    } | hints
    if status in known:
        hint = known[status]
    elif status >= 500:
        hint = "the app failed; its log says why"
    elif status >= 400:
        hint = f'it wants another body, such as \'POST /me {{"name": "{{token}}"}}\'; {LOGIN}'
    elif status >= 300:
        hint = f"it leads to {reply.headers.get('Location', 'nowhere')}; ask there, or {LOGIN}"
    else:
        hint = hints.get(200, LOGIN)
    return f"{name} answered {status}{said}: {hint}"
