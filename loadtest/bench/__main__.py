"""python -m loadtest.bench: how fast, as ratios taken side by side in one run. It never fails."""

import json
import tempfile
import time
from pathlib import Path
from statistics import median

import polars as pl
import requests
from rich.table import Table

from loadtest import cell, history
from loadtest.bench import judging
from loadtest.client.load import apply, locust
from loadtest.report.terminal import console
from loadtest.server.guardian import guarded
from loadtest.server.redis import redis_server
from loadtest.server.running import Running, answers, listening, serve
from loadtest.trial import Load, Server, Trial
from variants import VARIANTS

SHAPE = Server(2, 4)
LOAD = Load(seconds=2, increments=0, pause_ms=0)
ROUNDS = 5
RUN_S = 10
BARE = "loadtest.bench.nothing"


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


def recording() -> Table:
    """Locust's requests per second when it records and shows what it does, and when it does not."""
    ways: dict[str, tuple[str, list[str]]] = {
        "without its web UI": ("without its web UI", ["--headless", "--no-history"]),
        "  recording": ("without its web UI", ["--headless"]),
        "with its web UI": ("with its web UI", ["--no-history"]),
        "  recording and the live tab": ("with its web UI", []),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serve(Trial(BARE, SHAPE, LOAD), log=folder / "server.log") as server:
            for number in range(ROUNDS):
                for n, (way, (_, options)) in enumerate(ways.items()):
                    path = folder / f"{n}-{number}.jsonl"
                    rates[way].append(locust_rate(server, path, options))
    table = Table("locust", "requests/s", "of the line above", box=None)
    for way, (base, _) in ways.items():
        ratio = median(a / b for a, b in zip(rates[way], rates[base], strict=True))
        shown = "" if way == base else f"{ratio:.2f}"
        table.add_row(way, f"{median(rates[way]):,.0f}", shown)
    return table


def locust_rate(server: Running, path: Path, options: list[str]) -> float:
    """Requests per second as locust itself counts them; somebody looks at its web UI if it has one.

    The run begins when the live page could be drawn, as it would with people.
    """
    # locust adds the ending
    figures = path.with_suffix(".json")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    web = ["--web-host", "127.0.0.1", "--web-port", str(port)]
    options = [*options, "--json-file", str(path.with_suffix(""))]
    headless = "--headless" in options
    options += ["--run-time", f"{RUN_S}s"] if headless else web
    log = path.with_suffix(".log")
    with guarded(locust(server, path, 16, *options), log=log) as process:
        deadline = time.monotonic() + RUN_S + 60
        while process.poll() is None and (headless or not answers(address)):
            if time.monotonic() > deadline:
                raise SystemExit(f"error: locust does not come to its end; {log} says why")
            time.sleep(0.1)
        if not headless:
            if process.poll() is not None:
                raise SystemExit(f"error: locust did not start; {log} says why")
            requests.get(f"{address}/state/vega.js", timeout=60)
            requests.post(
                f"{address}/swarm", data={"user_count": 16, "spawn_rate": 100}, timeout=60
            )
            for _ in range(RUN_S // 2):
                time.sleep(2)
                for page in ("stats/requests", "state/now.json"):
                    requests.get(f"{address}/{page}", timeout=10)
            requests.get(f"{address}/stop", timeout=60)
    rows = json.loads(figures.read_text())
    began = min(row["start_time"] for row in rows)
    ended = max(row["last_request_timestamp"] for row in rows)
    return float(sum(row["num_requests"] for row in rows) / (ended - began))


def free_port() -> int:
    with listening(0) as listener:
        return int(listener.getsockname()[1])


def rate(variant: str, path: Path, redis_url: str) -> float:
    """Requests per second that were answered during the load."""
    env = cell.state_of_its_own(path, redis_url)
    log = path.with_suffix(".server.log")
    with serve(Trial(variant, SHAPE, LOAD), log=log, env=env) as server:
        apply(LOAD, server, path)
    load = history.read(path).filter(pl.col("op") != "create", phase="load", outcome="ok")
    nanoseconds = pl.col("end").max() - pl.col("start").min()
    return float(load.select(pl.len() / (nanoseconds / 1e9)).item())


def main() -> None:
    out = console()
    for title, table in (
        *judging.TABLES,
        ("What recording costs", recording),
        (f"What each variant costs, at {SHAPE} without a pause", variants_against_a_bare_route),
    ):
        out.print(f"[bold]{title}[/bold]")
        out.print(table())
        out.print()


if __name__ == "__main__":
    main()
