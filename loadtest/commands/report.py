"""python -m loadtest report: the page that the last check wrote."""

import webbrowser

import click

from loadtest.commands.results import RESULTS


@click.command()
def report() -> None:
    """Open the page that the last check wrote."""
    latest = RESULTS / "latest" / "report.html"
    if not latest.exists():
        raise click.ClickException("there is no report yet; make check writes one")
    click.echo(f"opening {latest}")
    webbrowser.open(latest.resolve().as_uri())
