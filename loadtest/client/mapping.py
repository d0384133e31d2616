"""Which request means which operation, and where in its answer the number is.

A person says it in a line each, as they would to a colleague:

    INCREMENT   'POST /hits'   'POST /hits {"by": 1}'   'POST /hits by=1'
    COUNT       hits           a JMESPath into JSON
                /(\\d+) views/   a regular expression with one group: text, HTML, metrics
                @X-Hits        a header
                nothing        the body is the number, as text or JSON
                none           there is no number: the increment is blind
    HEADERS     'Authorization: Bearer …', or several as a JSON object

Before the load, a read in which nothing stands in the place of the count says 0: a metric with
labels is not there until it is incremented. By hand it is seen to appear, or COUNT is wrong.

The routes of `variants.app` are the default, and nothing is special to them but that they have a
create and a list.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol
from urllib.parse import quote

import requests

from loadtest.client.http import Http
from loadtest.history.operation import LARGEST, Op, Outcome
from loadtest.kinds import CREATE, KINDS, OPERATIONS
from loadtest.kinds.counter import COUNTER
from loadtest.kinds.kind import Answers
from loadtest.kinds.list import LIST
from loadtest.trial import App

BLIND = "none"
ITEM = "{item}"
RESENT = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE")
"""The methods that a client library may send twice, because HTTP calls them idempotent."""


class Unclear(ValueError):
    """A description of an app that is not understood; the message says what to write."""


class Reply(Protocol):
    """The parts of an answer that are needed, whichever client it comes from."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class Request:
    """A request; the body is JSON if it looks so, else a form."""

    method: str
    path: str
    body: str | None = None

    @classmethod
    def parse(cls, text: str, name: str) -> Request:
        """From 'POST /hits {"by": 1}'. Raises Unclear, which calls it `name`."""
        match = re.fullmatch(r"\s*([A-Za-z]+)\s+(/\S*)(?:\s+(\S.*?))?\s*", text, re.DOTALL)
        if not match:
            raise Unclear(f"{name}={text!r} is no request; write its method and path: 'POST /hits'")
        request = cls(match[1].upper(), match[2], match[3])
        if request.is_json:
            try:
                json.loads(request.body or "")
            except ValueError as error:
                raise Unclear(f"{name}: the body {request.body!r} is no JSON: {error}") from None
        return request

    @property
    def is_json(self) -> bool:
        return (self.body or "").startswith(("{", "[", '"'))

    @property
    def headers(self) -> dict[str, str]:
        if self.body is None:
            return {}
        kind = "json" if self.is_json else "x-www-form-urlencoded"
        return {"Content-Type": f"application/{kind}"}

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Count:
    """The place of the number in an answer, as people write it; "" is the whole body."""

    said: str = ""
    find: Callable[[Reply], Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "find", self.finder())

    def finder(self) -> Callable[[Reply], Any]:
        said = self.said
        if said == BLIND:
            return lambda reply: None
        if not said:
            return lambda reply: read_json(reply.text, otherwise=reply.text)
        if said == "@":
            raise Unclear("COUNT='@' names no header; write @X-Hits")
        if said.startswith("@"):
            return lambda reply: reply.headers.get(said[1:])
        if said.startswith("/"):
            pattern = self.pattern()
            return lambda reply: (found := pattern.search(reply.text)) and found[1]
        import jmespath
        from jmespath.exceptions import JMESPathError

        try:
            path = jmespath.compile(said)
        except JMESPathError as error:
            why = str(error).partition(": Parse error")[0].replace("\n", " ")
            raise Unclear(
                f"COUNT={said!r} is no JMESPath ({why[:80]}); write a path into JSON such as "
                "data.hits or 'sold.\"42\"', or /(\\d+) views/ or @Header"
            ) from None

        def search(reply: Reply) -> Any:
            try:
                return path.search(read_json(reply.text))
            except JMESPathError:  # such as length() of a number
                return None

        return search

    def pattern(self) -> re.Pattern[str]:
        try:
            pattern = re.compile(self.said[1:].removesuffix("/"), re.MULTILINE)
        except re.error as error:
            raise Unclear(f"COUNT={self.said} is no regular expression: {error}") from None
        if pattern.groups != 1 or not self.said.endswith("/"):
            raise Unclear(
                f"COUNT={self.said} needs one group for the number, between slashes: "
                "/(\\d+) views/; others are written (?:…)"
            )
        return pattern

    def number(self, reply: Reply) -> int | None:
        """The number in an answer, or None if there is none that can be a count."""
        return as_count(self.find(reply))


def read_json(text: str, otherwise: Any = None) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return otherwise


def as_count(found: Any) -> int | None:
    """42 from 42, 42.0, "42", "4.2e+01", 1234 from "1,234"; None from True, 0.5, "4 2" and what is
    no count."""
    if isinstance(found, str):
        text = found.strip()
        if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", text):
            text = text.replace(",", "")
        if not re.fullmatch(r"[+-]?\d{1,19}(\.\d{1,19})?(e\+?\d\d?)?", text, re.ASCII):
            return None
        exactly = Decimal(text)
        found = int(exactly) if exactly == exactly.to_integral_value() else None
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    return found if type(found) is int and abs(found) < LARGEST else None


@dataclass(frozen=True)
class Answer:
    """The outcome of a request, and what its answer holds."""

    outcome: Outcome
    value: int | None = None
    items: tuple[str, ...] | None = None
    answer: str | None = None


@dataclass(frozen=True)
class Routes:
    """The requests of an app, an operation each, where its numbers are, and what goes with all.

    Without a create nothing can be made empty: what is there before the load is subtracted. An
    increment that is `redirected` answers so as a rule (a form that was posted) and has happened.
    Of a count that `descends`, such as a stock, the negative is counted.
    """

    requests: Mapping[Op, Request]
    counts: Mapping[Op, Count] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    redirected: bool = False
    worker_header: str = ""
    descends: bool = False

    @property
    def ops(self) -> frozenset[Op]:
        """The operations that the app has a request for."""
        return frozenset(self.requests)

    @property
    def blind(self) -> bool:
        return self.count(COUNTER.write).said == BLIND

    @property
    def quick(self) -> bool:
        """True if any client library may send its writes, because none sends them again."""
        writes = (request for op, request in self.requests.items() if OPERATIONS[op].writes)
        return all(request.method not in RESENT for request in writes)

    def connect(self, host: str, *, keep_alive: bool = False) -> Http:
        """A client of its own."""
        return Http(host, dict(self.headers), keep_alive=keep_alive)

    def send(self, client: Any, op: Op, item: str | None = None) -> Reply:
        """Ask for an operation, with a client of requests' kind.

        An item takes the place of ITEM in the path, or else is the `item` of a JSON body.
        """
        request = self.requests[op]
        if item is not None and ITEM in request.path:
            request = replace(request, path=request.path.replace(ITEM, quote(item, safe="")))
        elif item is not None:
            request = Request(request.method, request.path, json.dumps({"item": item}))
        body = request.body.encode() if request.body is not None else None
        reply: Reply = client.request(
            request.method,
            request.path,
            data=body,
            headers={**self.headers, **request.headers},
            allow_redirects=False,
        )
        return reply

    def only(self, kinds: Iterable[str]) -> Routes:
        """The requests about these kinds of state, and the one that makes them empty."""
        ops = {CREATE.name, *(op for kind in kinds for op in KINDS[kind].ops)}
        return replace(self, requests={op: r for op, r in self.requests.items() if op in ops})

    def name(self, op: Op) -> str:
        """Return the name of an operation that people know."""
        return str(self.requests[op])

    def count(self, op: Op) -> Count:
        return self.counts.get(op, Count())

    def answer(self, op: Op, reply: Reply | None) -> Answer:
        """Return the outcome of an operation; "ok" needs the answer that was asked for."""
        moved = self.redirected and op == COUNTER.write and reply and 300 <= reply.status_code < 400
        outcome: Outcome = "ok" if moved else by_status(reply)
        if outcome != "ok" or reply is None:
            return Answer(outcome)
        answers = OPERATIONS[op].answers
        if answers == "nothing":
            return Answer("ok")
        if answers != "count":
            return as_answer(answers, read_json(reply.text, otherwise=0))
        value = self.count(op).number(reply)
        if value is None and not (op == COUNTER.write and self.blind):
            return Answer("unknown")
        return Answer("ok", value if value is None or not self.descends else -value)


def as_answer(answers: Answers, found: object) -> Answer:
    """Return the answer that a JSON value is; unknown if it is of another type."""
    if answers == "items" and isinstance(found, list):
        if all(isinstance(item, str) for item in found):
            return Answer("ok", len(found), tuple(found))
    elif answers == "flag" and isinstance(found, bool):
        return Answer("ok", int(found))
    elif answers == "text" and (found is None or isinstance(found, str)):
        return Answer("ok", answer=found)
    return Answer("unknown")


def at_rest(mapping: Routes | Steps, reply: Reply) -> int | None:
    """Return the count of a read while nobody increments; 0 if no count is there yet."""
    said = mapping.answer(COUNTER.read, reply).value
    if said is None and by_status(reply) == "ok" and isinstance(mapping, Routes):
        return 0 if mapping.count(COUNTER.read).find(reply) is None else None
    return said


def by_status(reply: Reply | None) -> Outcome:
    """Return the outcome that a status means; FastHttpUser answers 0 for a broken connection."""
    if reply is None or not 200 <= reply.status_code < 500 or 300 <= reply.status_code < 400:
        return "unknown"
    return "fail" if reply.status_code >= 400 else "ok"


OURS = Routes(
    {each.name: Request(each.method, each.path) for each in OPERATIONS.values() if each.path}
)
"""The routes of `variants.app`."""


def kept(host: str) -> list[str]:
    """Return the kinds of state that a server with our routes keeps, which it answers at /.

    A server that does not say so is taken for one with a counter and a list.
    """
    with OURS.connect(host) as http:
        try:
            index = read_json(http.get("/").text)
        except requests.RequestException:
            index = None
    kinds = [kind for kind in KINDS if isinstance(index, dict) and kind in index]
    return kinds or [COUNTER.name, LIST.name]


def mapping(app: App) -> Routes | Steps:
    """Parse the description of an app's count. Raise Unclear."""
    header = parse_worker_header(app.worker_header)
    if app.mapping:
        if app.increment or app.read or app.count or app.increment_count or app.headers:
            raise Unclear("MAPPING says it all; leave INCREMENT, READ, COUNT and HEADERS out")
        return replace(steps(Path(app.mapping)), worker_header=header, descends=app.descends)
    described = routes(
        app.increment, app.read, app.count, app.increment_count, app.headers, app.redirected
    )
    return replace(described, worker_header=header, descends=app.descends)


def parse_worker_header(text: str) -> str:
    """Return the header that names the worker, from '@X-Pid'. Raise Unclear."""
    if text and not re.fullmatch(r"@[\w!#$%&'*+.^`|~-]+", text):
        raise Unclear(f"WORKER_HEADER={text!r} names no header; write @X-Pid")
    return text[1:]


@dataclass(frozen=True)
class Origin:
    """The worker, its thread and its start that an answer names; None where it does not."""

    worker: int | None
    thread: int | None
    boot: str | None


def origin(headers: Mapping[str, str], worker_header: str) -> Origin:
    """Return where an answer comes from, by our labels or else by a header of the app's own."""
    own = headers.get(worker_header) if worker_header else None
    return Origin(
        number(headers.get("X-Worker", own)),
        number(headers.get("X-Thread")),
        headers.get("X-Boot", own),
    )


def number(label: str | None) -> int | None:
    return int(label) if label and label.isdecimal() and len(label) < 10 else None


def routes(
    increment: str,
    read: str = "",
    count: str = "",
    increment_count: str = "",
    headers: str = "",
    redirected: bool = False,
) -> Routes:
    """From what is said in a line each. Raises Unclear.

    `count` says where the number is in both answers, `increment_count` where it is in the
    increment's, if that is another place.
    """
    requests: dict[Op, Request] = {COUNTER.write: Request.parse(increment, "INCREMENT")}
    counts: dict[Op, Count] = {COUNTER.write: Count(increment_count or count)}
    if read:
        requests[COUNTER.read] = Request.parse(read, "READ")
        counts[COUNTER.read] = Count(count)
        if count == BLIND:
            raise Unclear("COUNT=none leaves nothing to read; INCREMENT_COUNT=none is a blind one")
    elif counts[COUNTER.write].said == BLIND:
        raise Unclear("an increment that answers no number needs READ, such as READ='GET /hits'")
    return Routes(requests, counts, parse_headers(headers), redirected)


def parse_headers(text: str) -> dict[str, str]:
    """From 'Name: value', or a JSON object of several. What they say is in no error."""
    if not text.strip():
        return {}
    if text.lstrip().startswith("{"):
        several = read_json(text)
        if isinstance(several, dict) and all(isinstance(each, str) for each in several.values()):
            return several
    name, colon, value = text.partition(":")
    if not colon or not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name.strip()) or "\n" in value.strip():
        raise Unclear("HEADERS is none; write 'Name: value', or several as a JSON object of texts")
    return {name.strip(): value.strip()}


class StepFailed(requests.RequestException):
    """A function of a mapping file raised; the message says what, in one line."""


@dataclass(frozen=True)
class Told:
    """The return value of a mapping file's function, as an answer to a request."""

    status_code: int
    text: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Steps:
    """The functions of a mapping file, which take a client of requests' kind.

    An answer from 400 on raises in them, as if they had called `raise_for_status()`. An operation
    is all that a function does; labelled by what it posted last, or else asked last.
    """

    file: str
    increment: Callable[[Http], int | None]
    read: Callable[[Http], int]
    setup: Callable[[Http], object]
    ops: frozenset[Op] = frozenset(COUNTER.ops)
    # what it posts may be a form that redirects, and what it says may be read from that page
    quick: bool = False
    worker_header: str = ""
    descends: bool = False

    def connect(self, host: str, *, keep_alive: bool = False) -> Http:
        """A client of its own, set up. Raises StepFailed."""
        client = Http(host, keep_alive=keep_alive)
        client.raises = True
        try:
            self.setup(client)
        except Exception as error:
            raise StepFailed(f"setup(http) in {self.file}: {in_a_line(error)}") from None
        return client

    def send(self, client: Any, op: Op, item: str | None = None) -> Reply:
        client.seen.clear()
        number: object = None
        status, text = 200, ""
        try:
            number = self.increment(client) if op == COUNTER.write else self.read(client)
        except requests.HTTPError:
            earlier = [reply for reply in client.seen[:-1] if writes(reply)]
            # what was posted before it was refused may count
            status = 500 if earlier else client.seen[-1].status_code
            text = client.seen[-1].text
        except requests.RequestException:
            raise
        except Exception as error:
            raise StepFailed(f"{op}(http) in {self.file}: {in_a_line(error)}") from None
        if not client.seen:
            raise StepFailed(
                f"{op}(http) in {self.file} sent no request; it has to ask the app, with the http "
                "that it is given"
            )
        answered = ([*filter(writes, client.seen)] or client.seen)[-1:]
        headers = answered[0].headers
        if number is not None:
            text = json.dumps(number, default=str)
        return Told(status, text, headers)

    def name(self, op: Op) -> str:
        return f"{op}(http)"

    def answer(self, op: Op, reply: Reply | None) -> Answer:
        outcome = by_status(reply)
        if outcome != "ok" or reply is None:
            return Answer(outcome)
        if op == COUNTER.write and not reply.text:
            return Answer("ok")
        value = as_count(read_json(reply.text))
        if value is None:
            return Answer("unknown")
        return Answer("ok", -value if self.descends else value)


def writes(reply: requests.Response) -> bool:
    return reply.request.method not in ("GET", "HEAD")


def module_of(path: Path) -> ModuleType:
    """Import a mapping file. Raises Unclear."""
    if not path.is_file():
        raise Unclear(f"MAPPING={path} is no file")
    spec = importlib.util.spec_from_file_location("mapping", path.absolute())
    if spec is None or spec.loader is None:
        raise Unclear(f"MAPPING={path} is no Python file; its name has to end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.absolute().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise Unclear(f"MAPPING={path} cannot be imported: {in_a_line(error)}") from None
    finally:
        sys.path.pop(0)
    return module


def steps(path: Path) -> Steps:
    """The functions of a count in a mapping file. Raises Unclear."""
    module = module_of(path)
    missing = [name for name in COUNTER.ops if not callable(getattr(module, name, None))]
    if missing:
        raise Unclear(
            f"MAPPING={path} has no {' and no '.join(missing)}; it has increment(http), read(http) "
            "and, if need be, setup(http)"
        )
    setup = getattr(module, "setup", lambda http: None)
    return Steps(path.name, module.increment, module.read, setup)


def in_a_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
