"""The description of a fault, and the target that it is injected into."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from loadtest.errors import CouldNotRun
from loadtest.server.adapter import Adapter

if TYPE_CHECKING:
    # who serves imports no polars
    from loadtest.checker import Verdict

LASTS_S = 1.0
"""The seconds that a worker stands still, or a store is locked."""


class FaultError(CouldNotRun):
    """A fault could not be injected, or not be undone; the message says which."""


@dataclass(frozen=True)
class Target:
    """The target of faults; a field is None if there is no such thing or it is not ours.

    server, store   the process ids of the guardians of the server and of its store
    log             the server's
    adapter         the name of the server's adapter
    redis_url       where Redis is, without a proxy between
    database_url    where PostgreSQL is
    sqlite          the file
    disk            the folder of a disk whose power can be cut
    lose            the file that makes the proxy drop an answer
    """

    server: int
    log: str
    adapter: str = "gunicorn"
    store: int | None = None
    redis_url: str | None = None
    database_url: str | None = None
    sqlite: str | None = None
    disk: str | None = None
    lose: str | None = None

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    @property
    def state_env(self) -> dict[str, str]:
        """The places of the state for a process started later, by environment variable."""
        places = {
            "REDIS_URL": self.redis_url,
            "DATABASE_URL": self.database_url,
            "SQLITE_PATH": self.sqlite,
        }
        return {name: place for name, place in places.items() if place}


@dataclass(frozen=True)
class Injection:
    """One injection of a fault; times in nanoseconds, on the history's clock."""

    fault: str
    start: int
    end: int
    what: str

    def __str__(self) -> str:
        """Return its line in the file of injections."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Quotation:
    """A sentence from the documentation of a store or server, which a fault puts to the test.

    `holds` reads in a verdict whether it came out so.
    """

    whose: str
    text: str
    address: str
    holds: Callable[[Verdict], bool]


@dataclass(frozen=True)
class Fault:
    """The description of a fault. Each file in `faults/` has one, called FAULT.

    name            the name of its file, with hyphens
    row             its place in tables: the lowest first
    called          the event in production that it stands for
    ends            whose memory goes with it
    needs           the parts that have to be there: a server of ours (always), a store, a store
                    with a process of its own, Redis, or a disk whose power can be cut
    inject          injects it, undoes it, and returns what was struck, in a word or two. It may
                    raise FaultError, and OSError, psutil.Error or sqlite3.Error.
    times           how often it is injected during a load
    machines        how many servers share the load, each with a disk of its own
    store_defaults  Redis runs with its default settings
    loses_replies   a proxy stands before Redis, which drops an answer on demand
    outlasts_locks  somebody stands still for longer than a lock that expires
    max_requests    the server replaces a worker by itself after so many requests; 0 is never
    found_in_log    the injections in the server's log, for a fault that the server injects itself:
                    then `inject` is None
    lacking         the reason, after the server's name, why a server cannot take it; "" if it can
    button          the live page has a button for it
    documented      sentences that it puts to the test
    """

    name: str
    row: int
    called: str
    ends: Literal["nothing", "worker", "server", "store", "disk", "machine"]
    needs: Literal["server", "store", "process", "Redis", "disk"] = "server"
    inject: Callable[[Target], str] | None = None
    times: int = 2
    machines: int = 1
    store_defaults: bool = False
    loses_replies: bool = False
    outlasts_locks: bool = False
    max_requests: int = 0
    found_in_log: Callable[[Path], list[Injection]] | None = None
    lacking: Callable[[Adapter], str] = lambda _: ""
    button: bool = False
    documented: tuple[Quotation, ...] = ()

    @property
    def summary(self) -> str:
        """The first line of its file: what is done, in a sentence."""
        source = self.inject or self.found_in_log
        return str(sys.modules[source.__module__].__doc__).partition("\n")[0]
