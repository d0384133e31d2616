"""Kill the oldest worker, as the system does when memory runs out."""

import os
import signal

from loadtest.server.documentation import SQLITE_IS_DURABLE
from loadtest.server.fault import Fault, Target
from loadtest.server.workers import serving, wait_until_back


def inject(target: Target) -> str:
    before = serving(target)
    os.kill(before[0], signal.SIGKILL)
    wait_until_back(target, before[:1], len(before))
    return f"worker {before[0]}"


FAULT = Fault(
    "kill-worker",
    row=3,
    called="out of memory",
    ends="worker",
    inject=inject,
    lacking=lambda adapter: "" if adapter.supervises else "starts no worker in place of a dead one",
    button=True,
    documented=(SQLITE_IS_DURABLE,),
)
