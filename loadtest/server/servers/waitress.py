"""waitress: one process, and a pool of threads."""

from loadtest.server.adapter import Adapter, Start


def command(start: Start) -> list[str]:
    threads = start.server.threads
    return [
        *(start.python, "-m", "waitress", f"--listen=127.0.0.1:{start.port}"),
        *([f"--threads={threads}"] if threads else []),
        start.app,
    ]


ADAPTER = Adapter(
    "waitress",
    title="waitress",
    module="waitress",
    command=command,
    processes=False,
    usual=(1, 4),
)
