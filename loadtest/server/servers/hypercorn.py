"""hypercorn: an event loop in each worker, and threads beside it for a WSGI app.

By itself it has the threads of asyncio's pool: the processors and four. a2wsgi sets another number.
"""

import os

from loadtest.server.adapter import Adapter, Start


def wrapping(start: Start) -> str:
    threads = start.server.threads
    if start.asgi or not threads:
        return ""
    return f"from a2wsgi import WSGIMiddleware\n\napp = WSGIMiddleware(app, workers={threads})\n"


def command(start: Start) -> list[str]:
    workers, recycled = start.server.workers, start.max_requests
    alone = not start.asgi and not start.server.threads
    return [
        *(start.python, "-m", "hypercorn", "--bind", f"127.0.0.1:{start.port}"),
        *(["--workers", str(workers)] if workers else []),
        *(["--max-requests", str(recycled)] if recycled else []),
        f"wsgi:{start.app}" if alone else f"asgi:{start.app}",
    ]


ADAPTER = Adapter(
    "hypercorn",
    title="hypercorn",
    module="hypercorn",
    command=command,
    wrapping=wrapping,
    classes=("gthread", "asgi"),
    usual=(1, min(32, (os.cpu_count() or 1) + 4)),
    recycles=True,
    alone=True,
)
