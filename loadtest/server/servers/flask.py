"""`flask run`, Werkzeug's server for development: one process, a thread for each request."""

from loadtest.server.adapter import MANY, Adapter, Start


def command(start: Start) -> list[str]:
    return [
        *(start.python, "-m", "flask", "--app", start.app, "run"),
        *("--host", "127.0.0.1", "--port", str(start.port), "--no-reload", "--no-debugger"),
        *(["--without-threads"] if start.server.threads == 1 else []),
    ]


ADAPTER = Adapter(
    "flask",
    title="flask run",
    module="flask",
    command=command,
    processes=False,
    unbounded=True,
    usual=(1, MANY),
    settings=("FLASK_APP", "FLASK_DEBUG", "FLASK_ENV", "FLASK_RUN_"),
)
