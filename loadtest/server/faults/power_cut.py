"""Cut the power: all processes end at once, and the disk keeps what was synced."""

import signal
from pathlib import Path

import psutil

from loadtest.server.documentation import REDIS_SYNCS_EACH_COMMAND, SQLITE_IS_DURABLE
from loadtest.server.fault import Fault, Target
from loadtest.server.stores import store_answers
from loadtest.server.workers import ended, serving, until, wait_until_back


def inject(target: Target) -> str:
    assert target.disk
    before = serving(target)
    guardians = [psutil.Process(pid) for pid in (target.store, target.server) if pid]
    try:
        for guardian in guardians:
            guardian.suspend()
        # at once: a process that runs on might sync what had not been, or start another
        stopped: set[psutil.Process] = set()
        while (
            more := {each for one in guardians for each in one.children(recursive=True)} - stopped
        ):
            for each in more:
                each.suspend()
            stopped |= more
        for each in stopped:
            each.kill()
        until(lambda: all(ended(each.pid) for each in stopped), "the machine was not off")
        cut = Path(target.disk, "cut")
        cut.mkdir()
        cut.rmdir()
    finally:
        for guardian in guardians:
            guardian.send_signal(signal.SIGUSR2)
            guardian.resume()
            until(lambda: not target.store or store_answers(target), "the store was not back")
    wait_until_back(target, before, len(before))
    return "the whole machine"


FAULT = Fault(
    "power-cut",
    row=11,
    called="a power cut",
    ends="machine",
    needs="disk",
    inject=inject,
    documented=(SQLITE_IS_DURABLE, REDIS_SYNCS_EACH_COMMAND),
)
