"""python -m loadtest.bench: how fast, as ratios taken side by side in one run. It never fails."""

import tempfile
from pathlib import Path
from statistics import median

import polars as pl
from rich.table import Table

from loadtest import cell, history
from loadtest.cell import Load
from loadtest.redis_server import redis_server
from loadtest.report import console
from loadtest.server import serve
from loadtest.topology import Topology
from variants import VARIANTS

SHAPE = Topology(2, 4)
LOAD = Load(seconds=2, increments=0, pause_ms=0)
ROUNDS = 3
BARE = "loadtest.nothing"


def variants_against_a_bare_route() -> Table:
    """Requests per second of each variant, beside a route that keeps no state at all."""
    rates: dict[str, list[float]] = {name: [] for name in (BARE, *VARIANTS)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with redis_server(folder / "redis.log") as url:
            for number in range(ROUNDS):
                for variant in rates:
                    rates[variant].append(rate(variant, folder / f"{variant}-{number}.jsonl", url))
    table = Table("variant", "requests/s", "of the bare route", box=None)
    for variant, measured in rates.items():
        ratio = median(a / b for a, b in zip(measured, rates[BARE], strict=True))
        title = "no state at all" if variant == BARE else variant
        table.add_row(title, f"{median(measured):,.0f}", f"{ratio:.2f}")
    return table


def rate(variant: str, path: Path, redis_url: str) -> float:
    """Requests per second that were answered during the load."""
    env = cell.state_of_its_own(path, redis_url)
    log = path.with_suffix(".server.log")
    with serve(variant, SHAPE, log=log, pause_ms=LOAD.pause_ms, env=env) as server:
        cell.apply(LOAD, server, path)
    load = history.read(path).filter(pl.col("op") != "create", phase="load", outcome="ok")
    nanoseconds = pl.col("end").max() - pl.col("start").min()
    return float(load.select(pl.len() / (nanoseconds / 1e9)).item())


def main() -> None:
    out = console()
    out.print(variants_against_a_bare_route())


if __name__ == "__main__":
    main()
