"""python -m loadtest servers: the five variants under each server, as it comes."""

import sys

import click

from loadtest.commands.cells import run_all
from loadtest.commands.check import progress, status, write
from loadtest.commands.results import RESULTS, new_folder
from loadtest.report import server_table, terminal
from loadtest.server.interpreter import PythonError, prepare
from loadtest.server.servers import ADAPTERS


@click.command()
@click.argument("names", nargs=-1, metavar="[SERVER]...")
@click.option("--readme", is_flag=True, help="Write the table of the servers' page anew.")
def servers(names: tuple[str, ...], readme: bool) -> None:
    """Judge the five variants under each SERVER (all if none is named) as it comes.

    It has its own number of workers and threads. Each is installed when it is first asked for; one
    that cannot be installed is left out, with the reason. Exit status as of check.
    """
    if unknown := [name for name in names if name not in ADAPTERS]:
        raise ValueError(f"unknown server {unknown[0]!r}; servers: {', '.join(ADAPTERS)}")
    trials = []
    for server in server_table.servers():
        if names and server.name not in names:
            continue
        try:
            prepare(server, RESULTS)
        except PythonError as error:
            click.echo(f"left out {server}: {error}", err=True)
            continue
        trials += server_table.trials(server)
    if not trials:
        raise PythonError("none of the servers could be installed")
    folder = new_folder()
    with progress(len(trials)) as tell:
        cells = run_all(trials, folder, tell, tries=3)
        tell("writing the report")
        write(cells, folder)
    if readme:
        server_table.renew(cells)
    out = terminal.console()
    out.print(server_table.table(cells))
    out.print(f"Pictures and all requests: make report, or {RESULTS}/latest", style="dim")
    out.print(terminal.conclusion(cells))
    sys.exit(status(cells))
