"""Runs a command that must not outlive its owner, however the owner ends.

The owner calls `guarded`. Between owner and command stands a small process, the guardian, which
runs this file. It reads its standard input, a pipe that only the owner holds open. When the pipe
closes (the owner left the block, crashed or was killed) the guardian ends the command's whole
process group, and then removes the command's folder. This needs no signal and works on Linux and
macOS alike.

Should the guardian itself be killed, then Linux ends the command; on other systems it goes on, and
its owner can only notice that.

Whoever does things to the command while it runs has two signals for the guardian: SIGUSR1 ends the
command's process group with SIGTERM, SIGUSR2 with SIGKILL, and each time it is started again.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

GRACE = 5.0
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
AGAIN = (signal.SIGUSR1, signal.SIGUSR2)
UNGUARDED = ": the process that guards it was killed; run it again"


class GuardianError(RuntimeError):
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
) -> Iterator[subprocess.Popen[bytes]]:
    """The guardian's process, whose exit status is the command's.

    The command's process group is numbered as the child of this process. Output is appended to
    `log`. `folder`, if given, is made for the command, for this user alone, and removed at the end.
    Leaving the block ends the command. Raises GuardianError then, if the guardian was killed.
    """
    with log.open("ab") as output:
        guardian = subprocess.Popen(
            [sys.executable, "-I", __file__, str(folder or ""), *command],
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


def die_with(parent: int, how: signal.Signals) -> None:
    """Has Linux end this process when its parent ends; elsewhere nothing is changed."""
    if LIBC:
        LIBC.prctl(PR_SET_PDEATHSIG, how)
        if os.getppid() != parent:
            os._exit(1)


def end_group(leader: int, how: int) -> None:
    # the group may be gone already, which macOS calls a PermissionError
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, how)


def main(folder: str, *command: str) -> int:
    if folder:
        Path(folder).mkdir(mode=0o700)
    again = False
    guardian = os.getpid()

    # one that the other thread took might be heard only after the command's end
    signal.pthread_sigmask(signal.SIG_BLOCK, AGAIN)

    def die_with_guardian() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, AGAIN)
        die_with(guardian, signal.SIGTERM)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            close_fds=False,
            start_new_session=True,
            preexec_fn=die_with_guardian,
        )

    def when_owner_is_gone() -> None:
        nonlocal again
        os.read(0, 1)
        again = False
        end_group(child.pid, signal.SIGTERM)
        if not ended.wait(GRACE):
            end_group(child.pid, signal.SIGKILL)

    def end_and_start_again(how: signal.Signals) -> None:
        nonlocal again
        again = True
        end_group(child.pid, how)

    child = start()
    ended = threading.Event()
    threading.Thread(target=when_owner_is_gone, daemon=True).start()
    signal.signal(signal.SIGUSR1, lambda *_: end_and_start_again(signal.SIGTERM))
    signal.signal(signal.SIGUSR2, lambda *_: end_and_start_again(signal.SIGKILL))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, AGAIN)
    status = child.wait()
    while again:
        again = False
        end_group(child.pid, signal.SIGKILL)
        child = start()
        status = child.wait()
    ended.set()
    # what the command left running, such as the workers of a gunicorn that was killed
    end_group(child.pid, signal.SIGKILL)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    # a signal meant for the owner must not end the guardian before its work is done
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, lambda *_: None)
    sys.exit(main(*sys.argv[1:]))
