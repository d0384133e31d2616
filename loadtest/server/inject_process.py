"""Inject a fault into a server or its store while the load runs, and undo it again.

    FAULTS_TARGET=… python -m loadtest.server.inject_process NAME FILE [TIMES [SECONDS]]

The target is not an argument, because anybody on the machine can read those. The fault is injected
so many times, and again until so many seconds have passed. Each injection is a line of FILE.
"""

import json
import os
import sqlite3
import sys
import time
from pathlib import Path

import psutil

from loadtest.server.fault import Fault, FaultError, Injection, Target
from loadtest.server.faults import FAULTS
from loadtest.server.injections import TARGET
from loadtest.server.workers import APART_S, until


def injected(fault: Fault, target: Target, nth: int) -> Injection:
    """Inject a fault once, or wait until the server did by itself. Raise FaultError."""
    if in_log := fault.found_in_log:
        log = Path(target.log)
        until(lambda: len(in_log(log)) > nth, f"{fault.name} was not seen in the server's log")
        return in_log(log)[nth]
    assert fault.inject
    start = time.monotonic_ns()
    try:
        what = fault.inject(target)
    except (OSError, psutil.Error, sqlite3.Error, IndexError) as error:
        raise FaultError(f"{fault.name}: {error}") from None
    return Injection(fault.name, start, time.monotonic_ns(), what)


def main(name: str, path: str, times: str = "1", seconds: str = "0") -> None:
    fault, target = FAULTS[name], Target(**json.loads(os.environ[TARGET]))
    if target.redis_url and fault.needs != "server":
        # its import would take longer than the fault
        import redis  # noqa: F401
    began, count = time.monotonic(), 0

    def enough() -> bool:
        return count >= int(times) and time.monotonic() >= began + float(seconds)

    with Path(path).open("a", buffering=1) as out:
        while not enough():
            out.write(f"{injected(fault, target, count)}\n")
            count += 1
            # requests come before the next one, and a new worker gets some after the last
            if not enough() or fault.ends != "nothing":
                time.sleep(APART_S)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except FaultError as error:
        sys.exit(str(error))
