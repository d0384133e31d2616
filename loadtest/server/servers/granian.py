"""granian: a master, and workers that it spawns, each with a pool of threads for WSGI."""

import signal

from loadtest.server.adapter import MANY, Adapter, Start


def command(start: Start) -> list[str]:
    server = start.server
    pool = [] if start.asgi or not server.threads else ["--blocking-threads", str(server.threads)]
    return [
        *(start.python, "-m", "granian", "--interface", "asgi" if start.asgi else "wsgi"),
        *("--host", "127.0.0.1", "--port", str(start.port), "--respawn-failed-workers"),
        *(["--workers", str(server.workers)] if server.workers else []),
        *pool,
        start.app,
    ]


ADAPTER = Adapter(
    "granian",
    title="granian",
    module="granian",
    command=command,
    classes=("gthread", "asgi"),
    usual=(1, MANY),
    supervises=True,
    reloads=signal.SIGHUP,
    settings=("GRANIAN_",),
)
