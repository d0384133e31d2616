"""Tests that a refusal of the machine, or a signal, is never the status of a verdict."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from loadtest import ROOT
from loadtest.commands import command_line
from loadtest.commands.check import shown
from loadtest.tests.waiting import command_line as process_command
from loadtest.tests.waiting import family, wait_until, wait_until_gone

SMALL = "check locked_global --workers 1 --threads 1 --duration 0.1"
NO_VERDICT = {
    "> /dev/full": (2, "the output: No space left on device"),
    "| true": (141, ""),
    "; rm -r results; mkdir -p results/latest;": (2, "results/latest: it is no link of ours"),
    "; rm -r results; touch results;": (2, "Not a directory"),
}


@pytest.fixture
def bash(tmp_path, environment):
    def run(command):
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
        )

    return run


@pytest.mark.parametrize("how", NO_VERDICT)
def test_machine_errors_are_status_2(bash, tmp_path, how):
    """An error of the machine is never the status of a verdict."""
    status, said = NO_VERDICT[how]
    command = f"{sys.executable} -m loadtest {SMALL}"
    if how.startswith(";"):
        (tmp_path / "results").mkdir()
        command = f"{how[1:]} {command}"
    else:
        command = f"{command} {how}"
    done = bash(command)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_closed_streams_change_nothing(bash):
    """Closed streams change nothing."""
    assert bash(f"{sys.executable} -m loadtest {SMALL} <&- >&- 2>&-").returncode == 0


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
    # it says where, and that it is the machine
    where = r"\(\d+ kB are free there\)$|could not be written to \S+: No space left on device$"
    assert re.search(where, one_line(done))


def test_read_only_results_are_status_2(shell, tmp_path):
    """Results that are read-only end with status 2."""
    with mounted(tmp_path / "results", "ro"):
        done = shell("check", "locked_global")
    assert re.fullmatch(r"error: results/\S+: Read-only file system", one_line(done))


def guardians(process, found):
    """Return the guardians of gunicorn."""
    lines = ((pid, process_command(pid)) for pid in family(process.pid))
    found.extend(
        pid for pid, said in lines if b"guardian_process.py" in said and b"gunicorn" in said
    )
    return found


def test_killed_guardian_is_status_2(start):
    """A guardian that is killed meanwhile ends the check with status 2."""
    found = []
    process = start("check", "locked_global", "--workers", "1", "--duration", "30")
    wait_until(lambda: guardians(process, found))
    children = family(process.pid)
    os.kill(found[0], signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert "error: the server: the process that guards it was killed; run it again" in err
    wait_until_gone(children)


def test_a_file_that_may_not_grow_is_no_verdict_on_who_writes_to_it(bash):
    """The history fits, and SQLite's own file does not."""
    command = f"ulimit -f 1000; {sys.executable} -m loadtest check sqlite_row --workers 1"
    assert "could not be" in one_line(bash(f"{command} --threads 8 --duration 4"))


def test_ended_store_is_status_2(shell, environment, tmp_path):
    """A store of ours that ends by itself ends the check with status 2."""
    del environment["REDIS_URL"]
    with mounted(tmp_path / "tiny", "size=60k"):
        more = {"TMPDIR": str(tmp_path / "tiny")}
        done = shell("check", "redis_key", "--workers", "1", "--duration", "3", **more)
    assert done.returncode == 2
    assert "error: our Redis ended: " in done.stderr
    assert "NOT AS EXPECTED" not in done.stdout


def test_stopped_guardian_is_killed(start, tmp_path):
    """A guardian that stands still does not keep a check for ever."""
    process = start("check", "locked_global", "--workers", "1", "--threads", "1")
    found = []
    wait_until(lambda: [*(tmp_path / "results").rglob("*.jsonl")])
    guardians(process, found)
    children = family(process.pid)
    os.kill(found[0], signal.SIGSTOP)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 2
    assert "the process that guards it was killed; run it again" in err
    wait_until_gone(children)


def test_exit_in_a_mapping_is_status_2(shell, tmp_path):
    """A mapping file that exits ends the check with status 2."""
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(1)\n", encoding="utf-8")
    (tmp_path / "shop.py").write_text("app = lambda environ, start: []\n", encoding="utf-8")
    done = shell("check", "--app", "shop:app", "--mapping", "ends.py", "--workers", "1")
    assert "ends.py cannot be imported: SystemExit" in one_line(done)


def test_missing_package_is_named(environment, tmp_path):
    """A missing package is reported with the command that installs it."""
    command = [sys.executable, "-S", "-m", "loadtest", "check"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert one_line(done) == "error: No module named 'click'; make setup installs it in .venv"


def test_log_in_another_encoding(shell, tmp_path):
    """A server whose log is not UTF-8 is reported in its own words."""
    source = (ROOT / "variants" / "plain_global.py").read_text(encoding="utf-8")
    says = 'import os\nos.write(2, b"\\xff\\xfe\\n")\nraise RuntimeError("boom")\n'
    (tmp_path / "garbled.py").write_text(source + says, encoding="utf-8")
    done = shell("check", "garbled", "--workers", "1", "--threads", "1")
    assert one_line(done) == "error: the server ended: RuntimeError: boom"


def test_probe_ends_with_a_killed_check(start, tmp_path):
    """The process that looks at an app does not outlive a killed check."""
    (tmp_path / "hangs.py").write_text("import time\ntime.sleep(600)\n", encoding="utf-8")
    process = start("check", "--app", "hangs:app", "--increment", "POST /hits")
    wait_until(lambda: any(b"hangs:app" in process_command(pid) for pid in family(process.pid)))
    children = family(process.pid)
    process.kill()
    wait_until_gone(children)


@pytest.mark.parametrize("typed", [["--headers", "A: s3cret"], ["--headers=A: s3\ncret"]])
def test_headers_are_not_in_the_report(typed):
    """The headers of requests are not in the report."""
    words = shown(["check", *typed, "--workers", "1"])
    assert " ".join(words).replace("=", " ") == "check --headers … --workers 1"


def test_dropped_signal_is_repeated(monkeypatch):
    """A signal that Python drops does not make a command deaf."""
    monkeypatch.setattr(command_line, "stopped_at", -command_line.ENDING_S)
    with pytest.raises(command_line.Stopped):
        command_line.stop(signal.SIGINT, None)
    # while what was started is being ended
    command_line.stop(signal.SIGINT, None)
    monkeypatch.setattr(command_line, "stopped_at", time.monotonic() - command_line.ENDING_S - 1)
    with pytest.raises(command_line.Stopped):
        command_line.stop(signal.SIGINT, None)


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
    seen = b""
    while b"\x1b[?25l" not in seen:
        seen += os.read(terminal, 1000)
    os.write(terminal, key)
    try:
        while more := os.read(terminal, 1000):
            seen += more
    except OSError:
        # Linux says so when the other end closes
        pass
    os.close(terminal)
    _, ended = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(ended) == status, seen
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
    assert seen.rstrip().endswith(b"stopped")
