"""The description of a server: how it is started, and which topologies and faults it can take."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from loadtest.trial import Server, WorkerClass

MANY = 1000
"""More requests at once than any load has clients."""


@dataclass(frozen=True)
class Start:
    """One start of a server, for `Adapter.command`.

    server         the topology; 0 workers or threads are the server's own default
    python         the interpreter that serves
    app            the app as MODULE:NAME, with labels on its replies
    target         the app as somebody typed it, without labels
    asgi           the app is an ASGI app
    port           where to listen, on 127.0.0.1
    listener       the file descriptor of a socket that listens there, for a server that takes one
    chdir          the folder that the app is found from; "" is the current one
    max_requests   replace a worker after so many requests; 0 is never
    options        further options of the server, which a variant asks for
    """

    server: Server
    python: str
    app: str
    target: str
    asgi: bool
    port: int
    listener: int
    chdir: str = ""
    max_requests: int = 0
    options: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Scaling:
    """The signals with which a server's master starts one more worker, and ends one."""

    more: signal.Signals
    fewer: signal.Signals
    ends: Literal["oldest", "newest"]


@dataclass(frozen=True)
class Adapter:
    """The description of a server. Each file in `servers/` has one, called ADAPTER.

    name           the name of its file, which SERVER= takes
    title          the name shown to people
    module         the module that has to be importable in the interpreter that serves, or ""
    command        the command of one start
    lent           an interpreter that lacks the module gets a link to ours
    wrapping       further lines of the module that has the app, which may wrap it once more
    provides       a module that an app can import under this server alone
    classes        the worker classes that it has, the usual one first
    processes      it can have several worker processes
    pools          a worker can have several threads
    unbounded      each request gets a thread of its own, unless there is one thread
    usual          its defaults, workers × threads; MANY threads where nothing bounds them
    preloads       it loads the app before it forks, with or without --preload
    takes_preload  it has such an option
    labels         its own configuration labels the replies, and logs the workers' starts and ends
    supervises     a master starts another worker in the place of one that was killed
    reloads        the signal with which its master replaces all workers
    scaling        the signals with which its master adds and ends a worker
    recycles       it can replace a worker after so many requests
    alone          with one worker it has no master, and none of these four
    settings       environment variables that would set options which we did not give, or their
                   prefixes
    """

    name: str
    title: str
    module: str
    command: Callable[[Start], list[str]]
    lent: bool = False
    wrapping: Callable[[Start], str] = lambda _: ""
    provides: str = ""
    classes: tuple[WorkerClass, ...] = ("gthread",)
    processes: bool = True
    pools: bool = True
    unbounded: bool = False
    usual: tuple[int, int] = (1, 1)
    preloads: bool = False
    takes_preload: bool = False
    labels: bool = False
    supervises: bool = False
    reloads: signal.Signals | None = None
    scaling: Scaling | None = None
    recycles: bool = False
    alone: bool = False
    settings: tuple[str, ...] = ()

    def requirements(self) -> Path | None:
        """Return the locked packages that are installed on first use; None if none are."""
        path = Path(__file__).with_name("servers") / f"{self.name}.txt"
        return path if path.exists() else None
