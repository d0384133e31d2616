"""Further questions about somebody's app: a limit, a request's own data, a visitor's text.

A person types a line for each, or writes functions into a file:

    CLAIM       'POST /redeem', with LIMIT=40, or 'POST /seats/{item}'    claim(http, item) -> bool
    ECHO        'GET /hello?name={token}'                                 echo(http, token) -> text
    WRITE       'PUT /profile {"name": "{token}"}'                        write(http, token)
    READ_BACK   'GET /profile', or 'GET /jobs/{id}' with the id that      read_back(http) -> text
                the answer to WRITE holds, at ID=job_id
                whatever has to be true at any time                       check(http) -> bool

A {token} is new in each request and recognized in any text, so nothing has to be extracted. Each
client is a visitor: it keeps its cookies. A claim that is answered 4xx is refused: an answer.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn
from urllib.parse import quote

import requests

from loadtest.client.http import Http
from loadtest.client.mapping import (
    Answer,
    Count,
    Reply,
    Request,
    StepFailed,
    Told,
    Unclear,
    as_answer,
    by_status,
    in_a_line,
    parse_headers,
    read_json,
)
from loadtest.client.tokens import token, tokens
from loadtest.history.operation import Op
from loadtest.kinds import OPERATIONS
from loadtest.kinds.check import CHECK
from loadtest.kinds.claim import CLAIM
from loadtest.kinds.request import WHOAMI
from loadtest.kinds.visitor import LOAD, SAVE
from loadtest.trial import App

FUNCTIONS = {
    "claim": CLAIM.name,
    "echo": WHOAMI.name,
    "write": SAVE.name,
    "read_back": LOAD.name,
    "check": CHECK.name,
}
"""The functions of a file, and what they are in a history."""
ABSENT = (401, 403, 404, 410)
"""The statuses of an answer that has nothing for this visitor."""
RIVALS = 4
"""So many clients in a row claim one item, or more if the limit is higher."""


class Visitor(Http):
    """A client with its cookies, and what it has written."""

    def __init__(self, host: str, headers: dict[str, str], *, keep_alive: bool) -> None:
        super().__init__(host, headers, keep_alive=keep_alive)
        self.written: list[str] = []
        self.id = ""


Ask = Callable[[Visitor, str], Told]
"""Sends one request with an item, and returns its answer as JSON, as `as_answer` reads it."""


@dataclass(frozen=True)
class Questions:
    """The requests of an app about other kinds of state than a count."""

    asks: Mapping[Op, Ask]
    names: Mapping[Op, str]
    limit: int = 1
    one_limit: bool = False
    """True if all claims are of one thing, which may have been claimed before the load."""
    headers: Mapping[str, str] | None = None
    setup: Callable[[Http], object] | None = None
    file: str = ""
    quick: bool = False
    worker_header: str = ""

    @property
    def ops(self) -> frozenset[Op]:
        """The operations that the app has a request for."""
        return frozenset(self.asks)

    def connect(self, host: str, *, keep_alive: bool = False) -> Visitor:
        """Return a client of its own, set up. Raises StepFailed."""
        client = Visitor(host, dict(self.headers or {}), keep_alive=keep_alive)
        client.raises = bool(self.file)
        if self.setup:
            try:
                self.setup(client)
            except Exception as error:
                raise StepFailed(f"setup(http) in {self.file}: {in_a_line(error)}") from None
        return client

    def item(self, op: Op, client: int, number: int) -> str:
        """Return the item of a client's request, one of so many in this process."""
        if op != CLAIM.name:
            return token(client, number)
        rivals = max(RIVALS, 2 * self.limit)
        return self.names[op] if self.one_limit else token(0, number // rivals)

    def send(self, client: Any, op: Op, item: str | None = None) -> Told:
        """Send one request; return what its answer means, as JSON."""
        client.seen.clear()
        return self.asks[op](client, item or "")

    def name(self, op: Op) -> str:
        """Return the name of an operation that people know."""
        return self.names[op]

    def answer(self, op: Op, reply: Reply | None) -> Answer:
        """Return the outcome of an operation, and what its answer holds."""
        outcome = by_status(reply)
        if outcome != "ok" or reply is None:
            return Answer(outcome)
        if OPERATIONS[op].answers == "nothing":
            return Answer("ok")
        return as_answer(OPERATIONS[op].answers, read_json(reply.text, otherwise=0))


def questions(app: App) -> Questions:
    """Return the requests that an app is described with, a line each. Raises Unclear."""
    asks: dict[Op, Ask] = {}
    names: dict[Op, str] = {}
    for name, line, op in (
        ("CLAIM", app.claim, CLAIM.name),
        ("ECHO", app.echo, WHOAMI.name),
        ("WRITE", app.write, SAVE.name),
        ("READ_BACK", app.read_back, LOAD.name),
    ):
        if line:
            names[op] = str(Request.parse(line, name))
    if bool(app.write) != bool(app.read_back):
        lacking, example = (
            ("READ_BACK", "READ_BACK='GET /profile'")
            if app.write
            else ("WRITE", """WRITE='PUT /profile {"name": "{token}"}'""")
        )
        raise Unclear(f"{lacking} is missing: give both, such as {example}")
    if app.echo and "{token}" not in app.echo:
        raise Unclear(f"ECHO={app.echo!r} sends no {{token}}; write 'GET /hello?name={{token}}'")
    if app.claim:
        asks[CLAIM.name] = _claim(Request.parse(app.claim, "CLAIM"))
    if app.echo:
        asks[WHOAMI.name] = _echo(Request.parse(app.echo, "ECHO"))
    if app.write:
        asks[SAVE.name], asks[LOAD.name] = _visit(app)
    one_limit = "{item}" not in app.claim
    return Questions(asks, names, app.limit, one_limit, headers=parse_headers(app.headers))


def filled(request: Request, **values: str) -> Request:
    """Return a request with values in place of {item}, {token} and {id}."""
    path, body = request.path, request.body
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
        body = body if body is None else body.replace(f"{{{name}}}", value)
    return replace(request, path=path, body=body)


def _sent(client: Visitor, request: Request) -> requests.Response:
    body = request.body.encode() if request.body is not None else None
    headers = request.headers
    return client.request(
        request.method, request.path, data=body, headers=headers, allow_redirects=False
    )


def _meaning(value: object, reply: requests.Response | None) -> Told:
    """Return an answer that was understood, with the labels of the reply."""
    return Told(200, json.dumps(value), reply.headers if reply is not None else {})


def _claim(request: Request) -> Ask:
    def claim(client: Visitor, item: str) -> Told:
        reply = _sent(client, filled(request, item=item, token=item))
        if 200 <= reply.status_code < 300 or 400 <= reply.status_code < 500:
            return _meaning(reply.status_code < 300, reply)
        return Told(reply.status_code, reply.text, reply.headers)

    return claim


def _echo(request: Request) -> Ask:
    def echo(client: Visitor, item: str) -> Told:
        reply = _sent(client, filled(request, token=item))
        if reply.status_code < 400:
            return _meaning(heard(_text(reply), [item]), reply)
        return Told(reply.status_code, reply.text, reply.headers)

    return echo


def _visit(app: App) -> tuple[Ask, Ask]:
    """Return the requests that write a visitor's text, and read it back."""
    write, read_back = Request.parse(app.write, "WRITE"), Request.parse(app.read_back, "READ_BACK")
    with_token, with_id = "{token}" in app.write, "{id}" in app.read_back
    if not with_token and not with_id:
        raise Unclear(
            "WRITE sends no {token} and READ_BACK asks for no {id}; write one of them, such as "
            """WRITE='PUT /profile {"name": "{token}"}' or READ_BACK='GET /jobs/{id}'"""
        )
    ids: dict[str, str] = {}
    where = Count(app.id or "id")

    def save(client: Visitor, item: str) -> Told:
        client.written.append(item)
        reply = _sent(client, filled(write, token=item))
        if reply.status_code >= 400:
            return Told(reply.status_code, reply.text, reply.headers)
        if with_id:
            found = where.find(reply)
            if not isinstance(found, str | int):
                raise StepFailed(
                    f"{write} answered no {app.id or 'id'} in {short_text(reply)}: say where the "
                    "id is with ID=…, a JMESPath, /a regular expression/ or @Header"
                )
            client.id = str(found)
            ids[client.id] = item
        return _meaning(None, reply)

    def load(client: Visitor, item: str) -> Told:
        reply = _sent(client, filled(read_back, id=client.id))
        if reply.status_code in ABSENT:
            return _meaning(None, reply)
        if reply.status_code >= 400:
            return Told(reply.status_code, reply.text, reply.headers)
        if with_token:
            return _meaning(heard(_text(reply), client.written), reply)
        # what was asked for by its id is there; another's id in it belongs to somebody else
        words = [*dict.fromkeys(re.findall(r"[\w-]+", reply.text))]
        others = [ids[word] for word in words if word in ids and word != client.id]
        own = [client.written[-1]] if client.written else [None]
        return _meaning((others if client.id not in words and others else own)[0], reply)

    return save, load


def heard(text: str, own: Sequence[str]) -> str | None:
    """Return the token that an answer holds: another's, if there is one, or one's own last.

    None if it holds none; an older one of one's own only if the last is missing.
    """
    found = tokens(text)
    others = [each for each in found if each not in own]
    mine = [each for each in own if each in found]
    return next(iter([*others, *reversed(mine)]), None)


def _text(reply: requests.Response) -> str:
    """Return all of an answer that can hold a token: a redirect has it in its address."""
    return f"{reply.text}\n{reply.headers.get('Location', '')}"


def short_text(reply: requests.Response) -> str:
    """Return the beginning of an answer, on one line."""
    return repr(" ".join(reply.text.split())[:80])


def from_module(path: Path, module: ModuleType, limit: int) -> Questions | None:
    """Return the questions that a file has functions for; None if it has none of them.

    Raises Unclear.
    """
    functions = {
        name: function for name in FUNCTIONS if callable(function := getattr(module, name, None))
    }
    if not functions:
        return None
    if ("write" in functions) != ("read_back" in functions):
        raise Unclear(f"MAPPING={path} has one of write(http, token) and read_back(http): add both")
    made = {
        "claim": _claim_of,
        "echo": _echo_of,
        "write": _write_of,
        "read_back": _read_back_of,
        "check": _check_of,
    }
    asks = {FUNCTIONS[name]: made[name](path.name, each) for name, each in functions.items()}
    names = {
        FUNCTIONS[name]: f"{name}{inspect.signature(each)}" for name, each in functions.items()
    }
    one_limit = "claim" in functions and _arguments(functions["claim"]) < 2
    setup = getattr(module, "setup", None)
    return Questions(asks, names, limit, one_limit, setup=setup, file=path.name)


def _arguments(function: Callable[..., Any]) -> int:
    return len(inspect.signature(function).parameters)


def _call(file: str, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of a file. Raises what requests raises, and StepFailed for all else."""
    try:
        return function(*arguments)
    except requests.RequestException:
        raise
    except Exception as error:
        raise StepFailed(f"{name}(http) in {file}: {in_a_line(error)}") from None


def _last(client: Visitor) -> requests.Response | None:
    return client.seen[-1] if client.seen else None


def _returned(file: str, name: str, value: object, wanted: str) -> NoReturn:
    shown = repr(value)[:40]
    raise StepFailed(f"{name}(http) in {file} returned {shown}; it has to return {wanted}")


def _claim_of(file: str, function: Callable[..., Any]) -> Ask:
    def claim(client: Visitor, item: str) -> Told:
        arguments = (client, item)[: _arguments(function)]
        try:
            value = _call(file, "claim", function, *arguments)
        except requests.HTTPError:
            (reply,) = client.seen[-1:]
            refused = 400 <= reply.status_code < 500
            return _meaning(False, reply) if refused else Told(500, "", reply.headers)
        if not isinstance(value, bool):
            _returned(file, "claim", value, "True (a place was taken) or False")
        return _meaning(value, _last(client))

    return claim


def _check_of(file: str, function: Callable[..., Any]) -> Ask:
    def check(client: Visitor, item: str) -> Told:
        try:
            value = _call(file, "check", function, client)
        except requests.HTTPError:
            return Told(client.seen[-1].status_code, "", client.seen[-1].headers)
        if not isinstance(value, bool):
            _returned(file, "check", value, "True or False")
        return _meaning(value, _last(client))

    return check


def _as_text(file: str, name: str, value: object) -> str:
    if isinstance(value, requests.Response):
        return _text(value)
    if isinstance(value, str | dict | list) or value is None:
        return json.dumps(value)
    _returned(file, name, value, "the text of the answer")


def _echo_of(file: str, function: Callable[..., Any]) -> Ask:
    def echo(client: Visitor, item: str) -> Told:
        try:
            text = _as_text(file, "echo", _call(file, "echo", function, client, item))
        except requests.HTTPError:
            return Told(client.seen[-1].status_code, "", client.seen[-1].headers)
        return _meaning(heard(text, [item]), _last(client))

    return echo


def _write_of(file: str, function: Callable[..., Any]) -> Ask:
    def save(client: Visitor, item: str) -> Told:
        client.written.append(item)
        try:
            _call(file, "write", function, client, item)
        except requests.HTTPError:
            return Told(client.seen[-1].status_code, "", client.seen[-1].headers)
        return _meaning(None, _last(client))

    return save


def _read_back_of(file: str, function: Callable[..., Any]) -> Ask:
    def load(client: Visitor, item: str) -> Told:
        try:
            text = _as_text(file, "read_back", _call(file, "read_back", function, client))
        except requests.HTTPError:
            (reply,) = client.seen[-1:]
            if reply.status_code in ABSENT:
                return _meaning(None, reply)
            return Told(reply.status_code, "", reply.headers)
        return _meaning(heard(text, client.written), _last(client))

    return load
