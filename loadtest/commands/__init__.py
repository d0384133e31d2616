"""The commands that people type, a file each, imported only when called."""

import math
from typing import Any

import click

from loadtest.kinds import KINDS


class Between(click.FloatRange):
    """As click's own, to which nan is in every range."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is no number.", param, ctx)
        return number


KEPT = [kind.name for kind in KINDS.values() if kind.functions]
"""The kinds of state that variants keep."""
kind_option = click.option(
    "--kind",
    envvar="KIND",
    type=click.Choice(["", *KEPT]),
    default="",
    metavar="KIND",
    help=f"Ask about one kind of state alone: {', '.join(KEPT)}.",
)
fault_option = click.option(
    "--fault", envvar="FAULT", metavar="NAME", help="What is done to server or store meanwhile."
)
users_option = click.option(
    "--users", envvar="USERS", type=click.IntRange(1, 1000), default=16, show_default=True
)
pause_option = click.option(
    "--pause-ms",
    envvar="PAUSE_MS",
    type=Between(0, 1000),
    default=1,
    show_default=True,
    help="Milliseconds between read and write.",
)
restart_option = click.option(
    "--audit-after-restart",
    "after_restart",
    envvar="AUDIT_AFTER_RESTART",
    is_flag=True,
    help="Ask a server that is started after the load, too.",
)
keep_alive_option = click.option(
    "--keep-alive", is_flag=True, help="Keep connections; hides divided state."
)
