"""uvicorn: an event loop in each worker. a2wsgi runs a WSGI app in threads beside it."""

import signal

from loadtest.server.adapter import Adapter, Scaling, Start


def wrapping(start: Start) -> str:
    if start.asgi:
        return ""
    pool = f", workers={start.server.threads}" if start.server.threads else ""
    return f"from a2wsgi import WSGIMiddleware\n\napp = WSGIMiddleware(app{pool})\n"


def command(start: Start) -> list[str]:
    workers, recycled = start.server.workers, start.max_requests
    return [
        *(start.python, "-m", "uvicorn", "--interface", "asgi3"),
        *("--host", "127.0.0.1", "--port", str(start.port), "--no-proxy-headers"),
        *(["--workers", str(workers)] if workers else []),
        *(["--limit-max-requests", str(recycled)] if recycled else []),
        start.app,
    ]


ADAPTER = Adapter(
    "uvicorn",
    title="uvicorn",
    module="uvicorn",
    command=command,
    wrapping=wrapping,
    classes=("gthread", "asgi"),
    usual=(1, 10),
    supervises=True,
    reloads=signal.SIGHUP,
    scaling=Scaling(more=signal.SIGTTIN, fewer=signal.SIGTTOU, ends="newest"),
    recycles=True,
    alone=True,
    settings=("UVICORN_", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS"),
)
