"""The configuration of gunicorn: labels on every reply, and each worker's start and end in the log.

It runs in the server's interpreter, which may be another than ours: Python 3.9 or newer, and
nothing but the standard library and gunicorn.
"""

from __future__ import annotations

import runpy
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

labels = runpy.run_path(str(Path(__file__).with_name("labels.py")))

# its default path is one per user, and a second server would take it over; older ones have none
control_socket_disable = True


def on_starting(master: Any) -> None:
    """Import Flask before there are workers, if the app is ours: they are ready sooner."""
    if not master.app.app_uri.startswith("variants.app:"):
        return
    if master.cfg.worker_class_str in ("gthread", "sync"):
        import flask  # noqa: F401
    elif sys.version_info >= (3, 10):  # noqa: UP036 (this may be somebody's older one)
        # gevent has to be there before Flask; it asks for its plugins 25 times, and each time all
        # packages would be looked through
        metadata.entry_points = metadata.entry_points().select


def post_worker_init(worker: Any) -> None:
    """Label the replies of a worker that has loaded its app, and serves nobody yet."""
    made = labels["Labels"]()
    if getattr(worker, "asgi", None) is not None:
        worker.asgi = labels["around_asgi"](worker.asgi, made)
    else:
        worker.wsgi = labels["around_wsgi"](worker.wsgi, made)
    worker.log.info(labels["event"](worker.pid, labels["SERVES"]))


def worker_exit(master: Any, worker: Any) -> None:
    """Log a worker's end."""
    worker.log.info(labels["event"](worker.pid, labels["ENDS"]))
