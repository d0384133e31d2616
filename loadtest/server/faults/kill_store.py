"""Kill the store's process and start it again, as after a crash."""

import os
import signal
from contextlib import suppress

import psutil

from loadtest.server.documentation import REDIS_SYNCS_EACH_COMMAND
from loadtest.server.fault import Fault, Target
from loadtest.server.stores import store_answers
from loadtest.server.workers import until


def inject(target: Target) -> str:
    assert target.store
    (before,) = psutil.Process(target.store).children()
    # those of PostgreSQL have sessions of their own, and would go on for a while
    others = before.children(recursive=True)
    # the guardian first, or it might take their end for the store's own
    os.kill(target.store, signal.SIGUSR2)
    for each in others:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    until(lambda: not before.is_running() and store_answers(target), "the store was not back")
    return f"{'Redis' if target.redis_url else 'PostgreSQL'} {before.pid}"


FAULT = Fault(
    "kill-store",
    row=9,
    called="a crash",
    ends="store",
    needs="process",
    inject=inject,
    button=True,
    documented=(REDIS_SYNCS_EACH_COMMAND,),
)
