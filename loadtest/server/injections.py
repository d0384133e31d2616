"""The injections of a fault during a load, and the process that makes them.

The process is `inject_process`. It writes each injection to a file beside the history, a line each:

    {"fault": "kill-worker", "start": 81234, "end": 91975, "what": "worker 4242"}

`start` and `end` are on the history's clock. A fault is injected only into what this project has
started.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from loadtest import ROOT
from loadtest.server.fault import Injection
from loadtest.server.faults import FAULTS

TARGET = "FAULTS_TARGET"
"""The environment variable with the target: command lines are public, and a URL may be secret."""


def file(history: Path) -> Path:
    """Return the file of the injections during the load of a history."""
    return history.with_suffix(".faults.jsonl")


def begin(
    name: str, target: str, history: Path, *, times: int | None = None, seconds: float = 0
) -> subprocess.Popen[str]:
    """Start the process that injects a fault; its output is the reason if it could not.

    It injects so many `times`, or as often as the fault's description has it, and goes on for
    `seconds` at least.
    """
    often = times or FAULTS[name].times
    arguments = [name, str(file(history).absolute()), str(often), str(seconds)]
    return subprocess.Popen(
        [sys.executable, "-m", "loadtest.server.inject_process", *arguments],
        cwd=ROOT,
        env=os.environ | {TARGET: target},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def write(file: Path, done: Iterable[Injection]) -> None:
    """Write these injections, in place of those that the file had."""
    file.write_text("".join(f"{each}\n" for each in done))


def read(file: Path) -> list[Injection]:
    """Return the injections in a file; none if there is no such file."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [Injection(**json.loads(line)) for line in lines]
