"""python -m loadtest check | judge | report | serve | locust"""

import signal
import sys
from importlib import import_module

import click

from loadtest.report.plain import say_plainly

COMMANDS = {
    "check": "loadtest.commands.check",
    "judge": "loadtest.report.judge",
    "locust": "loadtest.commands.serve",
    "report": "loadtest.commands.report",
    "serve": "loadtest.commands.serve",
}
"""Where each command is. Only the one that is called is imported: some take a second."""


class Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(cls=Lazy)
def main() -> None:
    """Where should a Flask app keep its state? Serve, load, record, judge."""


def run() -> int:
    """The command line; every error of the user's or of the machine's is one line."""
    # so that a kill ends in an orderly way too: the terminal is restored, the servers are ended
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    say_plainly()
    try:
        main(prog_name="python -m loadtest", standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"error: {error.format_message()}", err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return 130
    except (RuntimeError, ValueError) as error:
        click.echo(f"error: {error}", err=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(run())
