"""The guardian: run a command, and end it as soon as its owner is gone.

    python -I guardian_process.py FOLDER COMMAND…

It reads its standard input, a pipe that only the owner holds open. When the pipe closes (the owner
left the block, crashed or was killed) the guardian ends the command's whole process group, and then
removes FOLDER, which may be empty. This needs no signal and works on Linux and macOS alike.

Should the guardian itself be killed, then Linux ends the command; on other systems it goes on, and
its owner can only notice that.

Two signals are for faults: SIGUSR1 ends the command's process group with SIGTERM, SIGUSR2 with
SIGKILL, and each time the guardian starts it again.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

GRACE = 5.0
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
AGAIN = (signal.SIGUSR1, signal.SIGUSR2)


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
