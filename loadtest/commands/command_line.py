"""The command line: which command is called, and how whatever goes wrong is said."""

import gc
import os
import sys
import time
from contextlib import suppress
from importlib import import_module
from types import FrameType

import click

from loadtest.errors import CouldNotRun
from loadtest.report.plain import say_plainly
from loadtest.signals import leave_at_once, on_signals, stop_at_once

COMMANDS = {
    "check": "loadtest.commands.check",
    "faults": "loadtest.commands.faults",
    "gallery": "loadtest.commands.gallery",
    "judge": "loadtest.commands.judge",
    "locust": "loadtest.commands.serve",
    "report": "loadtest.commands.report",
    "serve": "loadtest.commands.serve",
    "servers": "loadtest.commands.servers",
    "soak": "loadtest.commands.faults",
}
"""The module of each command. Only the called one is imported: some take a second."""


ENDING_S = 15.0
stopped_at = -ENDING_S
"""The time of the last answered signal."""


class Stopped(BaseException):
    """A signal came, of this number."""


def stop(number: int, _: FrameType | None) -> None:
    """Once is enough, since what was started is being ended; but not for ever, since Python drops
    what is raised while it destroys an object."""
    global stopped_at
    if time.monotonic() - stopped_at > ENDING_S:
        stopped_at = time.monotonic()
        raise Stopped(number)


class Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        gc.disable()  # a tenth of the time, and nothing that is imported is garbage
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        gc.freeze()
        gc.enable()
        on_signals(stop)
        return command

    def invoke(self, ctx: click.Context) -> int:
        """The exit status."""
        try:
            super().invoke(ctx)
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 2
        except OSError as error:
            # click would take a closed pipe for status 1, which is a verdict
            raise Failed(error) from None
        return 0


class Failed(Exception):
    """The machine refused something; its cause is an OSError."""


@click.group(cls=Lazy)
def main() -> None:
    """Where should a Flask app keep its state? Serve, load, record, judge."""


def run() -> int:
    """The command line; every error of the user's or of the machine's is one line, and status 2.

    Status 1 is a verdict, and nothing else.
    """
    open_streams()
    say_plainly()
    at_the_end = stop_at_once
    try:
        status = main(prog_name="python -m loadtest", standalone_mode=False) or 0
        sys.stdout.flush()
    except Stopped as stopped:
        (number,) = stopped.args
        at_the_end = leave_at_once
        return said("stopped", 128 + number)
    except click.ClickException as error:
        return said(f"error: {error.format_message()}")
    except click.Abort:
        return said("stopped", 130)
    except (Failed, OSError) as error:
        cause = error.args[0] if isinstance(error, Failed) else error
        if isinstance(cause, BrokenPipeError):
            return unread(128 + 13)
        if cause.strerror is None:
            # such as a RequestException, which has no number of an error
            return said(f"error: {type(cause).__name__}: {cause}")
        name = "the output" if cause.filename is None else cause.filename
        return unread(said(f"error: {name}: {cause.strerror}"))
    except (CouldNotRun, ValueError) as error:
        return said(f"error: {error}")
    except BaseException as error:
        # a panic of polars is no Exception
        where = error.__traceback__
        while where and where.tb_next:
            where = where.tb_next
        line = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where else ""
        return said(f"error: {type(error).__name__}: {error} ({line})")
    finally:
        on_signals(at_the_end)
    return int(status)


def open_streams() -> None:
    """Replace closed streams by /dev/null, so that the next file does not take their number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def said(what: str, status: int = 2) -> int:
    # the terminal may have been closed
    with suppress(OSError):
        click.echo(" ".join(what.splitlines()), err=True)
    return status


def unread(status: int) -> int:
    """Nothing more is written to an output that does not take it, and Python does not try again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return status
