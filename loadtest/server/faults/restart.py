"""End the whole server and start it again, as a reboot does."""

import os
import signal

from loadtest.server.documentation import SQLITE_IS_DURABLE
from loadtest.server.fault import Fault, Target
from loadtest.server.workers import serving, wait_until_back


def inject(target: Target) -> str:
    before = serving(target)
    # its guardian ends it with SIGTERM and starts it again
    os.kill(target.server, signal.SIGUSR1)
    wait_until_back(target, before, len(before))
    return "the server"


FAULT = Fault(
    "restart",
    row=6,
    called="a reboot, a new container",
    ends="server",
    inject=inject,
    documented=(SQLITE_IS_DURABLE,),
)
