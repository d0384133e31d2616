"""python -m loadtest serve, locust: a variant to try by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from loadtest import commands
from loadtest.cell import state_of_its_own
from loadtest.client.load import LoadError, secrets
from loadtest.client.load import locust as locust_command
from loadtest.commands import own_app
from loadtest.commands.results import new_folder, postgres_for, redis_for
from loadtest.commands.server_options import Wanted, server_options
from loadtest.expected import expectation, refusal
from loadtest.report import terminal
from loadtest.server.environment import for_load
from loadtest.server.fault import Target
from loadtest.server.faults import FAULTS
from loadtest.server.guardian import guarded
from loadtest.server.running import Running, answers, listening, wait_for
from loadtest.server.surroundings import surrounded
from loadtest.trial import App, Load, Server, Trial
from variants.facts import facts

OURS_BY_HAND = """
  curl -X POST URL/increment
  curl URL/read
  curl -i URL/read    # X-Worker says which worker answered
"""
BY_HAND = """
  curl -i URL/    # X-Worker says which worker answered
"""


@click.command()
@click.argument("variant", required=False)
@own_app.options
@server_options
@click.option("--port", envvar="PORT", type=click.IntRange(1, 65535), default=8000)
@commands.pause_option
def serve(
    own: App | None,
    variant: str | None,
    wanted: Wanted,
    port: int,
    pause_ms: float,
) -> None:
    """Serve VARIANT or an app on 127.0.0.1 until Ctrl-C, at 4×8 unless options name another."""
    folder = new_folder()
    shape = wanted.topology()
    if own:
        shape = own_app.fitting(own, shape, folder)
    with served(trial(own, variant, shape, pause_ms), folder, port) as (running, _):
        said = OURS_BY_HAND if own is None else BY_HAND
        click.echo(f"{running.trial.name} on {running.url}   (Ctrl-C ends it)\n")
        click.echo(said.replace("URL", running.url))
        assert running.process
        status = running.process.wait()
    raise click.ClickException(f"the server ended by itself, with status {status}; {running.log}")


@click.command()
@click.argument("variant", required=False)
@own_app.options
@server_options
@commands.users_option
@click.option("--port", envvar="PORT", type=click.IntRange(1, 65535), default=8089)
@commands.pause_option
@commands.keep_alive_option
def locust(
    own: App | None,
    variant: str | None,
    wanted: Wanted,
    users: int,
    port: int,
    pause_ms: float,
    keep_alive: bool,
) -> None:
    """Serve VARIANT or an app and open locust's web UI against it, until Ctrl-C ends both."""
    listening(port).close()
    folder = new_folder()
    shape = wanted.topology()
    if own:
        own, (shape, *_), understood = own_app.first_look(own, [shape], folder)
        terminal.console().print("\n".join(understood), markup=False)
    with served(trial(own, variant, shape, pause_ms), folder, 0) as (running, target):
        options = ["--web-host", "127.0.0.1", "--web-port", str(port)]
        options += ["--about", running.trial.name, "--buttons", *buttons(running.trial)]
        options += ["--keep-alive"] if keep_alive else []
        log = running.log.with_name(f"{running.trial.slug}.locust.log")
        history = log.with_name(f"{running.trial.slug}.jsonl")
        command = locust_command(running, history, users, *options)
        env = for_load(log.parent) | secrets(running.trial, target)
        address = f"http://127.0.0.1:{port}"
        page = guarded(
            command,
            log=log,
            env=env,
            cwd=log.parent,
            ready=lambda: answers(address),
            refusal=lambda: LoadError(f"locust did not start; {log} says why"),
        )
        with page as process:
            click.echo(f"{running.trial.name}: open {address}   (Ctrl-C ends it)")
            status = process.wait()
    if status:
        raise click.ClickException(f"locust ended by itself, with status {status}; {log} says why")


def trial(own: App | None, variant: str | None, server: Server, pause_ms: float) -> Trial:
    """Return the trial that the options name. Raise UsageError for none or two."""
    if (own is None) == (variant is None):
        raise click.UsageError("name one variant, or an app of your own with --app")
    name = variant or (own.target if own else "")
    return Trial(name, server, Load(pause_ms=pause_ms), own)


def buttons(trial: Trial) -> list[str]:
    """Return the faults that the live page has a button for, as far as they can be injected."""
    variant = None if trial.own else facts(trial.variant)
    # which PostgreSQL that is, nobody asked
    foreign = variant is not None and variant.uses_postgres
    return [
        fault.name
        for fault in FAULTS.values()
        if fault.button
        and not (foreign and fault.needs != "server")
        and not refusal(replace(trial, fault=fault.name))
    ]


@contextmanager
def served(trial: Trial, folder: Path, port: int) -> Iterator[tuple[Running, Target]]:
    expectation(trial)
    variants = [] if trial.own else [trial.variant]
    path = folder / f"{trial.slug}.jsonl"
    with (
        redis_for(variants, folder) as (redis_url, guardian),
        postgres_for(variants, folder) as database_url,
    ):
        env = state_of_its_own(path, redis_url, database_url)
        with surrounded(trial, path, env, guardian, port=port) as on:
            wait_for(on[0])
            yield on
