"""The tables of the servers' page: each server as it comes, and the faults that it can take.

Each stands between `<!-- name -->` and `<!-- /name -->`.
"""

from collections.abc import Sequence

import polars as pl
from rich.table import Table

from loadtest import ROOT, history
from loadtest.cell import Cell
from loadtest.expected import impossible
from loadtest.report import terminal
from loadtest.server.faults import FAULTS
from loadtest.server.servers import ADAPTERS, adapter_of
from loadtest.trial import Server, Trial
from variants import VARIANTS

PAGE = ROOT / "loadtest" / "server" / "servers" / "README.md"


def servers() -> list[Server]:
    """Return each server as it comes; one whose classes differ in that comes once for each."""
    found = []
    for adapter in ADAPTERS.values():
        # gunicorn picks its class itself, and an ASGI class serves no Flask app
        classes = adapter.classes[:1] if adapter.pools else adapter.classes
        found += [Server(0, 0, each, name=adapter.name) for each in classes]
    return found


def trials(server: Server) -> list[Trial]:
    """Return the trials of the five variants under a server."""
    return [Trial(variant, server) for variant in VARIANTS]


def table(cells: Sequence[Cell]) -> Table:
    """Return the table for a terminal."""
    found = Table(box=None, pad_edge=False)
    heading, *rows = lines(cells, "\n")
    for name in heading:
        found.add_column(name)
    for row in rows:
        found.add_row(*row)
    return found


def renew(cells: Sequence[Cell]) -> None:
    """Write the tables of the page anew; the row of a server that was not run stays as it is."""
    heading, *measured = lines(cells, "<br>")
    rows = {row[0]: row for row in [*on_page("defaults"), *measured]}
    titles = [title(server) for server in servers()]
    tables = {
        "defaults": [heading, *(rows[each] for each in titles if each in rows)],
        "faults": fault_lines(),
    }
    page = PAGE.read_text(encoding="utf-8")
    for name, (first, *others) in tables.items():
        parts = [first, ["---"] * len(first), *others]
        text = "".join(f"| {' | '.join(row)} |\n" for row in parts)
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, _, rest = page.partition(begin)
        page = before + begin + text + end + rest.partition(end)[2]
    PAGE.write_text(page, encoding="utf-8")


def on_page(name: str) -> list[list[str]]:
    """Return the rows of a table of the page, without its heading."""
    page = PAGE.read_text(encoding="utf-8")
    text = page.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]
    return [line.strip("| ").split(" | ") for line in text.splitlines()][2:]


def fault_lines() -> list[list[str]]:
    """Return the heading and a row for each server: the faults of servers that it can take."""
    faults = [fault for fault in FAULTS.values() if fault.needs == "server"]
    rows = [["server", *(f"`{fault.name}`" for fault in faults)]]
    for adapter in ADAPTERS.values():
        workers = 4 if adapter.processes else 1
        server = Server(workers, 1, adapter.classes[0], name=adapter.name)
        asked = (Trial(VARIANTS[0], server, fault=fault.name) for fault in faults)
        rows.append([adapter.title, *("–" if impossible(each) else "yes" for each in asked)])
    return rows


def lines(cells: Sequence[Cell], newline: str) -> list[list[str]]:
    """Return the heading and a row for each server."""
    rows = [["server", "workers × threads", *VARIANTS, "so a module global"]]
    for server in dict.fromkeys(cell.trial.server for cell in cells):
        row = {cell.trial.variant: cell for cell in cells if cell.trial.server == server}
        squares = [
            f"{row[name].verdict.sign} {newline.join(terminal.figures(row[name].verdict))}"
            for name in VARIANTS
        ]
        rows.append([title(server), seen(list(row.values())), *squares, meaning(row)])
    return rows


def title(server: Server) -> str:
    """Return the name of a server, with its class where it has several without threads."""
    adapter = adapter_of(server)
    if adapter.pools:
        return adapter.title
    return f"{adapter.title}, {'patched' if server.worker_class == 'gevent' else 'unpatched'}"


def seen(cells: Sequence[Cell]) -> str:
    """Return how many workers answered, and in how many threads: the most in any of these cells."""
    workers, threads = [0], [0]
    for cell in cells:
        answers = history.read(cell.history).filter(pl.col("worker").is_not_null())
        counts = answers.group_by("worker").agg(pl.col("thread").n_unique())
        workers.append(counts.height)
        threads += counts["thread"].to_list()
    server = cells[0].trial.server
    if server.worker_class == "gevent":
        return f"{max(workers)} × a greenlet for each connection"
    if adapter_of(server).unbounded:
        return f"{max(workers)} × a thread for each connection"
    return f"{max(workers)} × {max(threads)}"


def meaning(row: dict[str, Cell]) -> str:
    """Return what these verdicts mean for a module global."""
    alone, locked = row["plain_global"].verdict, row["locked_global"].verdict
    if alone.linearizable:
        return "holds: one request at a time, until you add threads or workers"
    if locked.linearizable:
        return "loses updates; behind a lock it holds, until you add workers"
    return "is another in each worker"
