"""A trial: all that is run once, as one value."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

WorkerClass = Literal["gthread", "sync", "gevent", "asgi"]
WORKER_CLASSES: tuple[WorkerClass, ...] = get_args(WorkerClass)


@dataclass(frozen=True)
class Server:
    """A server: workers × threads, their class, preload, the interpreter, and its adapter's name.

    `preload` forks workers from a master that has loaded the app; `python` "" is ours; `template`
    is the command of a server without an adapter. 0 workers and threads are the server's defaults.

    Raises ValueError for a combination that gunicorn would silently change.
    """

    workers: int
    threads: int
    worker_class: WorkerClass = "gthread"
    preload: bool = False
    python: str = ""
    name: str = "gunicorn"
    template: str = ""

    def __post_init__(self) -> None:
        if self.threads > 1 and self.worker_class != "gthread":
            raise ValueError(f"a {self.worker_class} worker has one thread; leave THREADS out")

    def __str__(self) -> str:
        if self == AS_IT_RUNS:
            return "its own server"
        more = [self.worker_class] * (self.worker_class != "gthread") + ["preload"] * self.preload
        python = Path(self.python).name
        more += [python] * (python not in ("", "python", "python3"))
        if not self.workers:
            return " ".join([self.name, "as it comes", *more])
        more += [self.name] * (self.name not in ("gunicorn", self.worker_class))
        return " ".join([f"{self.workers}×{self.threads}", *more])

    @classmethod
    def parse(cls, text: str) -> "Server":
        """From "4x8" or "4×8". Raises ValueError for anything else, and for less than 1×1."""
        match = re.fullmatch(r"(\d+)[x×](\d+)", text)
        if not match or "0" in match.groups():
            raise ValueError(f"not a topology: {text!r}; write workers×threads, such as 4x8")
        return cls(int(match[1]), int(match[2]))


SERVERS = tuple(Server(*shape) for shape in ((1, 1), (1, 8), (4, 1), (4, 8)))
"""The topologies of the first table."""
ALONE = Server(1, 8)
"""The topology of the second table: there a global behind a lock is right without faults."""

AS_IT_RUNS = Server(0, 0, name="")
"""A server of somebody's that runs already; nothing is known of it."""


@dataclass(frozen=True)
class Load:
    """The load: so many clients, for at least so long and so many increments."""

    users: int = 16
    seconds: float = 0.5
    increments: int = 500
    pause_ms: float = 1.0
    keep_alive: bool = False
    kind: str = ""
    """The only kind of state that is asked about; "" is every kind that is kept."""


UNDER_FAULT = 200
"""So many increments are enough where a fault takes seconds, in which a store may stand still."""


DESCRIBED = (
    *("increment", "read", "count", "increment_count", "mapping", "worker_header"),
    *("claim", "echo", "write", "read_back", "id"),
)
"""The description of an app in words, by the names of the fields of App."""


@dataclass(frozen=True)
class App:
    """Somebody's own app, and what they say of it, as they typed it (`history.mapping`).

    `target` is what gunicorn is given, found from the folder `chdir`, or the address of a server
    that runs already. `redirected`: its increments answer with a redirect, and have happened.
    `descends`: its count goes down. `limit`: so many claims of an item may succeed.
    """

    target: str = ""
    increment: str = ""
    read: str = ""
    count: str = ""
    increment_count: str = ""
    headers: str = field(default="", repr=False)
    mapping: str = ""
    worker_header: str = ""
    redirected: bool = False
    descends: bool = False
    chdir: str = ""
    claim: str = ""
    limit: int = 1
    echo: str = ""
    write: str = ""
    read_back: str = ""
    id: str = ""

    @property
    def runs_already(self) -> bool:
        return self.target.startswith(("http://", "https://"))

    @property
    def said(self) -> dict[str, str]:
        """The description of its requests, by option; a secret is in `headers` instead."""
        limit = {"limit": str(self.limit)} if self.limit != 1 else {}
        return {
            name.replace("_", "-"): getattr(self, name) for name in DESCRIBED if getattr(self, name)
        } | limit


@dataclass(frozen=True)
class Shake:
    """Rests between the app's own instructions, chosen by `seed`: see server/shake.py.

    `also` names packages whose instructions are rested at, too.
    """

    where: Literal["switches", "anywhere"]
    seed: int
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """A variant or an app, the server that it runs under, and what is done to the two."""

    variant: str
    server: Server
    load: Load = field(default_factory=Load)
    own: App | None = None
    fault: str | None = None
    after_restart: bool = False
    """True if somebody asks what a process started after the load finds."""
    shake: Shake | None = None

    @property
    def name(self) -> str:
        """For people: "plain_global at 4×8", "redis_key at 1×8 under kill-store"."""
        return f"{self.variant} at {self.server}" + (f" under {self.fault}" if self.fault else "")

    @property
    def slug(self) -> str:
        """For files and addresses: "plain_global-4x8"."""
        name = f"{self.variant}-{self.server}" + (f"-{self.fault}" if self.fault else "")
        if self.shake:
            name += f"-shaken-{self.shake.where}-{self.shake.seed}"
        return re.sub(r"[^\w.-]+", "-", name.replace("×", "x"))

    @property
    def options(self) -> list[str]:
        """The options of `python -m loadtest check` that run it again."""
        server, load = self.server, self.load
        options = [self.variant] if not self.own else own_options(self.own)
        if server.workers:
            options += ["--workers", str(server.workers), "--threads", str(server.threads)]
        if server.worker_class != "gthread":
            options += ["--worker-class", server.worker_class]
        options += ["--preload"] * server.preload
        options += ["--serve", server.template] if server.template else []
        named = server.name not in ("", "gunicorn", "template")
        options += ["--server", server.name] if named else []
        options += ["--server-python", server.python] if server.python else []
        options += ["--users", str(load.users), "--duration", f"{load.seconds:g}"]
        options += [] if self.own else ["--pause-ms", f"{load.pause_ms:g}"]
        options += ["--keep-alive"] * load.keep_alive
        options += ["--kind", load.kind] if load.kind else []
        options += ["--audit-after-restart"] * self.after_restart
        return options + (["--fault", self.fault] if self.fault else [])

    @property
    def app(self) -> str:
        """The target that gunicorn serves."""
        return self.own.target if self.own else f'variants.app:create_app("{self.variant}")'


def own_options(app: App) -> list[str]:
    """Return the options that describe an app; a secret stays out of them."""
    options = ["--url" if app.runs_already else "--app", app.target]
    for name, value in app.said.items():
        options += [f"--{name}", value]
    options += ["--headers", "…"] if app.headers else []
    return options + (["--chdir", app.chdir] if app.chdir else [])
