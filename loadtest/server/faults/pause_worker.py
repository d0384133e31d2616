"""Let the oldest worker stand still, as a long garbage collection does."""

import os
import signal
import time

from loadtest.server.fault import LASTS_S, Fault, Target
from loadtest.server.workers import serving


def inject(target: Target) -> str:
    worker = serving(target)[0]
    os.kill(worker, signal.SIGSTOP)
    try:
        time.sleep(LASTS_S)
    finally:
        os.kill(worker, signal.SIGCONT)
    return f"worker {worker}"


FAULT = Fault(
    "pause-worker",
    row=4,
    called="a long garbage collection",
    ends="nothing",
    inject=inject,
    outlasts_locks=True,
)
