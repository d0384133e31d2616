"""uWSGI, as the wheel pyuwsgi: a master that loads the app, and workers that it forks."""

import signal

from loadtest.server.adapter import Adapter, Start

RUN = "import sys, pyuwsgi; pyuwsgi.run(sys.argv[1:])"


def command(start: Start) -> list[str]:
    server = start.server
    return [
        *(start.python, "-c", RUN, "--http-socket", f"127.0.0.1:{start.port}"),
        *("--module", start.app),
        *("--master", "--need-app", "--die-on-term", "--disable-logging"),
        # or a second server could not be told from the first
        *("--auto-procname", "--procname-prefix", f"state-{start.port} "),
        *(["--processes", str(server.workers)] if server.workers else []),
        *(["--threads", str(server.threads)] if server.threads else []),
        *(["--max-requests", str(start.max_requests)] if start.max_requests else []),
        *start.options,
    ]


ADAPTER = Adapter(
    "uwsgi",
    title="uWSGI",
    module="pyuwsgi",
    command=command,
    preloads=True,
    takes_preload=True,
    provides="uwsgi",
    supervises=True,
    reloads=signal.SIGHUP,
    recycles=True,
    settings=("UWSGI_",),
)
