"""cheroot, CherryPy's server: one process, and a pool of threads."""

from loadtest.server.adapter import Adapter, Start


def command(start: Start) -> list[str]:
    threads = start.server.threads
    pool = ["--threads", str(threads), "--max-threads", str(threads)] if threads else []
    return [start.python, "-m", "cheroot", "--bind", f"127.0.0.1:{start.port}", *pool, start.app]


ADAPTER = Adapter(
    "cheroot",
    title="cheroot",
    module="cheroot",
    command=command,
    processes=False,
    usual=(1, 10),
)
