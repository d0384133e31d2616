"""python -m loadtest serve, locust: a variant to try by hand."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from loadtest import commands
from loadtest.cell import locust as locust_command
from loadtest.cell import state_of_its_own
from loadtest.commands.results import new_folder, postgres_for, redis_for
from loadtest.promises import promise
from loadtest.server.environment import for_load
from loadtest.server.faults import Target
from loadtest.server.guardian import guarded
from loadtest.server.gunicorn import Running, answers, listening, wait_for
from loadtest.server.stage import stage
from loadtest.trial import Load, Server, Trial, WorkerClass

STARTUP_S = 30


@click.command()
@click.argument("variant")
@commands.workers_option
@commands.threads_option
@commands.worker_class_option
@commands.preload_option
@click.option("--port", envvar="PORT", type=click.IntRange(1, 65535), default=8000)
@commands.pause_option
def serve(
    variant: str,
    workers: int | None,
    threads: int | None,
    worker_class: WorkerClass,
    preload: bool,
    port: int,
    pause_ms: float,
) -> None:
    """Serve VARIANT under gunicorn on 127.0.0.1, 4×8 unless told otherwise, until Ctrl-C."""
    shape = server(workers, threads, worker_class, preload)
    with served(Trial(variant, shape, Load(pause_ms=pause_ms)), port) as (running, _):
        click.echo(
            f"{running.trial.name} on {running.url}   (Ctrl-C ends it)\n\n"
            f"  curl -X POST {running.url}/increment\n"
            f"  curl {running.url}/read\n"
            f"  curl -i {running.url}/read    # X-Worker says which worker answered\n"
        )
        status = running.process.wait()
    raise click.ClickException(f"the server ended by itself, with status {status}; {running.log}")


@click.command()
@click.argument("variant")
@commands.workers_option
@commands.threads_option
@commands.worker_class_option
@commands.preload_option
@commands.users_option
@click.option("--port", envvar="PORT", type=click.IntRange(1, 65535), default=8089)
@commands.pause_option
@commands.keep_alive_option
def locust(
    variant: str,
    workers: int | None,
    threads: int | None,
    worker_class: WorkerClass,
    preload: bool,
    users: int,
    port: int,
    pause_ms: float,
    keep_alive: bool,
) -> None:
    """Serve VARIANT and open locust's web UI against it, until Ctrl-C ends both."""
    listening(port).close()
    shape = server(workers, threads, worker_class, preload)
    with served(Trial(variant, shape, Load(pause_ms=pause_ms)), 0) as (running, target):
        options = ["--web-host", "127.0.0.1", "--web-port", str(port), "--target", str(target)]
        options += ["--keep-alive"] if keep_alive else []
        log = running.log.with_name(f"{running.trial.slug}.locust.log")
        history = log.with_name(f"{running.trial.slug}.jsonl")
        command = locust_command(running, history, users, *options)
        with guarded(command, log=log, env=for_load(log.parent), cwd=log.parent) as process:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + STARTUP_S
            while not answers(address):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise click.ClickException(f"locust did not start; {log} says why")
            click.echo(f"{running.trial.name}: open {address}   (Ctrl-C ends it)")
            status = process.wait()
    if status:
        raise click.ClickException(f"locust ended by itself, with status {status}; {log} says why")


def server(
    workers: int | None, threads: int | None, worker_class: WorkerClass, preload: bool
) -> Server:
    usual = 8 if worker_class == "gthread" else 1
    return Server(workers or 4, threads or usual, worker_class, preload)


@contextmanager
def served(trial: Trial, port: int) -> Iterator[tuple[Running, Target]]:
    promise(trial)
    folder = new_folder()
    path = folder / f"{trial.slug}.jsonl"
    with (
        redis_for([trial.variant], folder) as (redis_url, guardian),
        postgres_for([trial.variant], folder) as database_url,
    ):
        env = state_of_its_own(path, redis_url, database_url)
        with stage(trial, path, env, guardian, port=port) as on:
            wait_for(on[0])
            yield on
