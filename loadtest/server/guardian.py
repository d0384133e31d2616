"""A command that must not outlive its owner, however the owner ends.

The owner calls `guarded`. Between owner and command stands a small process, the guardian, which
runs `guardian_process.py` and ends the command as soon as the owner is gone.
"""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from loadtest.errors import CouldNotRun
from loadtest.server.guardian_process import GRACE

PROCESS = Path(__file__).with_name("guardian_process.py")
STARTUP_S = 30.0
POLL_S = 0.01
UNGUARDED = ": the process that guards it was killed; run it again"


class GuardianError(CouldNotRun):
    """A guardian was killed, so nobody knows what its command has done since."""


@contextmanager
def guarded(
    command: Sequence[str],
    *,
    log: Path,
    env: dict[str, str] | None = None,
    folder: Path | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    ready: Callable[[], bool] = lambda: True,
    refusal: Callable[[], CouldNotRun] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Yield the guardian's process, whose exit status is the command's, once `ready` is true.

    The command's process group is numbered as the child of this process. Output is appended to
    `log`. `folder`, if given, is made for the command, for this user alone, and removed at the end.
    Leaving the block ends the command. Raises GuardianError then, if the guardian was killed, and
    what `refusal` returns if the command ends, or is not ready in STARTUP_S.
    """
    with log.open("ab") as output:
        guardian = subprocess.Popen(
            [sys.executable, "-I", str(PROCESS), str(folder or ""), *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=env,
            cwd=cwd,
            pass_fds=pass_fds,
            # Ctrl-C in the terminal is for the owner alone; the guardian sees the pipe close
            start_new_session=True,
        )
    assert guardian.stdin
    # importing polars lets system calls go on after Ctrl-C, which would wait for the command's end
    signal.siginterrupt(signal.SIGINT, True)
    try:
        deadline = time.monotonic() + STARTUP_S
        while not ready():
            if guardian.poll() is not None or time.monotonic() > deadline:
                name = Path(command[0]).name
                raise refusal() if refusal else CouldNotRun(f"{name} did not start: {log}")
            time.sleep(POLL_S)
        yield guardian
    finally:
        guardian.stdin.close()
        try:
            guardian.wait(4 * GRACE)
        except subprocess.TimeoutExpired:
            # somebody has stopped it
            guardian.kill()
        if guardian.wait() < 0 and folder:
            shutil.rmtree(folder, ignore_errors=True)
    if guardian.returncode < 0:
        raise GuardianError(f"{Path(command[0]).name}{UNGUARDED} ({log})")


def last_line(log: Path) -> str:
    """Return the last line of a log; empty if there is none."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return " ".join(lines[-1:])
