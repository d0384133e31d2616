"""gunicorn, the default: a master and its workers, each with one thread or several."""

import signal
from pathlib import Path

from loadtest.server.adapter import Adapter, Scaling, Start
from loadtest.trial import Server

CONFIG = Path(__file__).parents[1] / "gunicorn_config.py"


def command(start: Start) -> list[str]:
    server = start.server
    return [
        *(start.python, "-m", "gunicorn", start.target),
        # named, so that no gunicorn.conf.py of somebody's is taken instead
        *("--config", str(CONFIG)),
        *("--bind", f"fd://{start.listener}"),
        *(topology(server) if server.workers else []),
        # it would believe whoever is on this machine that they are a proxy
        *("--forwarded-allow-ips", ""),
        *("--graceful-timeout", "1"),
        *(["--preload"] if server.preload else []),
        # a second server of the same name would end the first one's dirty arbiter
        *("--name", f"state-{start.port}"),
        *start.options,
        *(recycling(start.max_requests) if start.max_requests else []),
        *(["--chdir", start.chdir] if start.chdir else []),
    ]


def topology(server: Server) -> list[str]:
    """Return the options for workers, threads and the worker class."""
    numbers = ("--workers", str(server.workers), "--threads", str(server.threads))
    # by its full name: gunicorn turns sync into gthread silently once there are threads
    return [*numbers, "--worker-class", server.worker_class]


def recycling(requests: int) -> list[str]:
    """Return the options with which gunicorn replaces a worker after so many requests."""
    # the jitter keeps the workers from ending all at once
    return ["--max-requests", str(requests), "--max-requests-jitter", str(requests // 4)]


ADAPTER = Adapter(
    "gunicorn",
    title="gunicorn",
    module="gunicorn",
    command=command,
    classes=("gthread", "sync", "gevent", "asgi"),
    takes_preload=True,
    labels=True,
    lent=True,
    supervises=True,
    reloads=signal.SIGHUP,
    scaling=Scaling(more=signal.SIGTTIN, fewer=signal.SIGTTOU, ends="oldest"),
    recycles=True,
    settings=("GUNICORN_CMD_ARGS", "WEB_CONCURRENCY", "SCRIPT_NAME", "FORWARDED_ALLOW_IPS"),
)
