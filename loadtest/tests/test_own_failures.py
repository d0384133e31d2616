"""What the machine refuses, or somebody ends, is never the status of a verdict."""

import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from loadtest.tests.waiting import command_line, family, wait_until, wait_until_gone

SMALL = "check locked_global --workers 1 --threads 1 --duration 0.1"
NO_VERDICT = {
    "> /dev/full": (2, "the output: No space left on device"),
    "| true": (141, ""),
    "; rm -r results; mkdir -p results/latest;": (2, "results/latest: it is no link of ours"),
    "; rm -r results; touch results;": (2, "Not a directory"),
}


@pytest.mark.parametrize("how", NO_VERDICT)
def test_what_the_machine_refuses_is_never_the_status_of_a_verdict(environment, tmp_path, how):
    status, said = NO_VERDICT[how]
    command = f"{sys.executable} -m loadtest {SMALL}"
    if how.startswith(";"):
        (tmp_path / "results").mkdir()
        command = f"{how[1:]} {command}"
    else:
        command = f"{command} {how}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        timeout=100,
    )
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_streams_that_are_closed_change_nothing(environment, tmp_path):
    command = f"{sys.executable} -m loadtest {SMALL} <&- >&- 2>&-"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, timeout=100)
    assert done.returncode == 0


@contextmanager
def mounted(folder, options):
    """A file system in memory, until the block ends; only root can have one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    if os.getuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def one_line(done):
    assert (done.returncode, done.stdout) == (2, ""), done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if not re.match(r"\[ *\d+/", line)]
    return line


@pytest.mark.parametrize("variant", ["locked_global", "sqlite_row"])
@pytest.mark.parametrize("kilobytes", [4, 300])
def test_a_disk_that_is_full_is_no_verdict(shell, tmp_path, variant, kilobytes):
    with mounted(tmp_path / "results", f"size={kilobytes}k"):
        done = shell("check", variant, "--workers", "1", "--duration", "3")
    line = one_line(done)
    assert re.search(r"could not be written|No space left|disk is full|kB are free", line)


def test_results_that_are_read_only_are_no_verdict(shell, tmp_path):
    with mounted(tmp_path / "results", "ro"):
        done = shell("check", "locked_global")
    assert re.fullmatch(r"error: results/\S+: Read-only file system", one_line(done))


def test_a_guardian_that_is_killed_meanwhile_is_no_verdict(start):
    def guardian():
        lines = ((pid, command_line(pid)) for pid in family(process.pid))
        found.extend(pid for pid, line in lines if b"guardian.py" in line and b"gunicorn" in line)
        return found

    found = []

    process = start("check", "locked_global", "--workers", "1", "--duration", "30")
    wait_until(guardian)
    children = family(process.pid)
    os.kill(found[0], signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert "error: the server: the process that guards it was killed; run it again" in err
    wait_until_gone(children)


@pytest.mark.parametrize(("key", "status"), [(b"\x03", 130), (b"\x1c", 131)], ids=["^C", "^\\"])
def test_what_is_stopped_in_a_terminal_gives_the_cursor_back(environment, tmp_path, key, status):
    """As somebody types it, in a terminal that hides its cursor while a check shows progress."""
    pid, terminal = pty.fork()
    if pid == 0:
        for how in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(how, signal.SIG_DFL)
        os.chdir(tmp_path)
        command = [sys.executable, "-m", "loadtest", "check", "locked_global"]
        os.execve(sys.executable, command, environment | {"TERM": "xterm"})
    shown = b""
    while b"\x1b[?25l" not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, key)
    try:
        while more := os.read(terminal, 1000):
            shown += more
    except OSError:
        # Linux says so when the other end closes
        pass
    os.close(terminal)
    _, ended = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(ended) == status, shown
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")
    assert shown.rstrip().endswith(b"stopped")
