"""A trial: all that is run once, as one value."""

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

WorkerClass = Literal["gthread", "sync", "gevent"]
WORKER_CLASSES: tuple[WorkerClass, ...] = get_args(WorkerClass)


@dataclass(frozen=True)
class Server:
    """What serves: gunicorn workers × threads, their class, and whether they are forked from a
    master that has loaded the app already (`preload`).

    Raises ValueError for what gunicorn would silently turn into something else.
    """

    workers: int
    threads: int
    worker_class: WorkerClass = "gthread"
    preload: bool = False

    def __post_init__(self) -> None:
        if self.threads > 1 and self.worker_class != "gthread":
            raise ValueError(f"a {self.worker_class} worker has one thread; leave THREADS out")

    def __str__(self) -> str:
        more = [self.worker_class] * (self.worker_class != "gthread") + ["preload"] * self.preload
        return " ".join([f"{self.workers}×{self.threads}", *more])

    @property
    def at_once(self) -> int:
        """How many requests a worker may have begun at once, as far as that matters."""
        return 1000 if self.worker_class == "gevent" else self.threads

    @classmethod
    def parse(cls, text: str) -> "Server":
        """From "4x8" or "4×8". Raises ValueError for anything else, and for less than 1×1."""
        match = re.fullmatch(r"(\d+)[x×](\d+)", text)
        if not match or "0" in match.groups():
            raise ValueError(f"not a topology: {text!r}; write workers×threads, such as 4x8")
        return cls(int(match[1]), int(match[2]))


SERVERS = tuple(Server(*shape) for shape in ((1, 1), (1, 8), (4, 1), (4, 8)))
"""Those of the first table."""


@dataclass(frozen=True)
class Load:
    """What the clients do: so many of them, for at least so long and so many increments."""

    users: int = 16
    seconds: float = 0.5
    increments: int = 500
    pause_ms: float = 1.0
    keep_alive: bool = False


@dataclass(frozen=True)
class Trial:
    """A variant, the server that it runs under, and what is done to the two."""

    variant: str
    server: Server
    load: Load = field(default_factory=Load)

    @property
    def name(self) -> str:
        """For people: "plain_global at 4×8"."""
        return f"{self.variant} at {self.server}"

    @property
    def slug(self) -> str:
        """For files and addresses: "plain_global-4x8"."""
        return f"{self.variant}-{self.server}".replace("×", "x").replace(" ", "-")

    @property
    def options(self) -> list[str]:
        """What `python -m loadtest check` is told, to run it again."""
        server, load = self.server, self.load
        options = [self.variant, "--workers", str(server.workers), "--threads", str(server.threads)]
        if server.worker_class != "gthread":
            options += ["--worker-class", server.worker_class]
        options += ["--preload"] * server.preload
        options += ["--users", str(load.users), "--duration", f"{load.seconds:g}"]
        options += ["--pause-ms", f"{load.pause_ms:g}"]
        return options + ["--keep-alive"] * load.keep_alive

    @property
    def app(self) -> str:
        """What gunicorn is to serve."""
        return f'variants.app:create_app("{self.variant}")'
