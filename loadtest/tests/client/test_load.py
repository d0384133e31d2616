"""Loads are forked where locust has been imported once, and none outlives who asked for it."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from loadtest import ROOT
from loadtest.client import load
from loadtest.client.load import LoadError, forked
from loadtest.server.guardian import GuardianError
from loadtest.tests.waiting import family, wait_until, wait_until_gone

CODE = [sys.executable, "-m", "locust", "--headless", "--host", "http://127.0.0.1:9", "-u", "1"]
LOCUSTFILE = """
import os, signal, subprocess, sys, time
from locust import User, events, task
{}
class Client(User):
    @task
    def wait(self):
        time.sleep(0.1)
"""


@pytest.fixture
def locustfile(tmp_path, monkeypatch):
    """Return the options that fork a locust which does this."""
    # another test's is none of ours
    monkeypatch.setattr(load, "running", None)

    def begin(code, **more):
        path = tmp_path / "locustfile.py"
        path.write_text(LOCUSTFILE.format(code))
        env = {**os.environ, "PYTHONPATH": str(ROOT)} | more
        return forked([*CODE, "-f", str(path)], log=tmp_path / "log", env=env, cwd=tmp_path)

    yield begin
    if load.running:
        load.running.process.kill()
        load.running.process.wait()


def ended(poll):
    said = []
    wait_until(lambda: said.append(poll()) or said[-1] is not None)
    return said[-1]


def loads_of(process):
    return [child.pid for child in psutil.Process(process.pid).children()]


def begun(tmp_path):
    wait_until(lambda: (tmp_path / "log").exists() and "Ramping" in (tmp_path / "log").read_text())


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("events.init.add_listener(lambda **_: sys.exit(7))", 7),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_its_status_is_told(locustfile, code, status):
    with locustfile(code) as poll:
        assert ended(poll) == status
        # whoever asks once more is told the same
        assert poll() == status


def test_own_environment_and_folder(locustfile, tmp_path, monkeypatch):
    """A load has an environment and a folder of its own."""
    code = "print(os.environ.get('COLOR'), os.getcwd(), sys.argv[0]); sys.exit()"
    monkeypatch.setenv("COLOR", "that of what it is forked from")
    load.loads(tmp_path)
    monkeypatch.delenv("COLOR")
    for color in ("red", "green"):
        with locustfile(code, COLOR=color) as poll:
            ended(poll)
    with locustfile(code) as poll:
        ended(poll)
    shown = [line for line in (tmp_path / "log").read_text().splitlines() if " " in line]
    home = f"{tmp_path} locust"
    assert shown == [f"red {home}", f"green {home}", f"None {home}"]


def test_locust_is_imported_once_for_all(locustfile, tmp_path):
    for _ in range(2):
        with locustfile("sys.exit()") as poll:
            ended(poll)
        first = load.running
    assert load.loads(tmp_path) is first


def test_what_it_leaves_running_ends_with_it(locustfile, tmp_path):
    code = "print(subprocess.Popen(['sleep', '100']).pid); sys.exit()"
    with locustfile(code) as poll:
        ended(poll)
    wait_until_gone([int((tmp_path / "log").read_text().split()[-1])])


def test_leaving_the_block_ends_it(locustfile, tmp_path, monkeypatch):
    """Leaving the block ends a load, even one that ignores signals."""
    monkeypatch.setattr(load, "GRACE", 0.5)
    deaf = "for each in (signal.SIGTERM, signal.SIGINT): signal.signal(each, signal.SIG_IGN)\n"
    deaf += "print('Ramping', flush=True)\nwhile True: pass"
    with locustfile(deaf):
        begun(tmp_path)
        (one,) = loads_of(load.running.process)
    wait_until_gone([one])


def test_stopped_fork_server_is_killed(locustfile, tmp_path, monkeypatch):
    """A process that forks loads and stands still is ended with its loads."""
    monkeypatch.setattr(load, "GRACE", 0.5)
    with locustfile(""):
        begun(tmp_path)
        process = load.running.process
        (one,) = loads_of(process)
        process.send_signal(signal.SIGSTOP)
    assert process.wait(60) == -signal.SIGKILL
    wait_until_gone([one])
    # and the next begins anew
    with locustfile("sys.exit(3)") as poll:
        assert ended(poll) == 3


def test_killed_fork_server_is_an_error(locustfile, tmp_path):
    """A killed process is not taken for the end of a load."""
    with locustfile("") as poll:
        begun(tmp_path)
        process = load.running.process
        (one,) = loads_of(process)
        process.kill()
        with pytest.raises(GuardianError, match=r"^locust: the process that guards it was killed"):
            ended(poll)
    wait_until_gone([one])


def test_a_python_without_locust_says_so(locustfile, tmp_path, monkeypatch):
    monkeypatch.setattr(load, "for_load", lambda home: {"PYTHONPATH": str(ROOT), "PATH": ""})
    monkeypatch.setattr(sys, "executable", getattr(sys, "_base_executable", sys.executable))
    with locustfile("") as poll, pytest.raises(LoadError, match="Error: No module named"):
        ended(poll)


@pytest.fixture
def owner(tmp_path):
    """A process that has a load, and ends once there is a file `over`."""
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE.format(""))
    script = f"""
import os, time
from pathlib import Path
from loadtest.client.load import forked
command = {[*CODE, "-f", str(tmp_path / "locustfile.py")]}
with forked(command, log=Path("log"), env=dict(os.environ), cwd=Path.cwd()):
    while not Path("over").exists():
        time.sleep(0.1)
"""
    owner = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    begun(tmp_path)
    yield owner
    owner.kill()
    owner.wait()


def test_loads_end_with_their_owner(owner):
    """Loads end with their owner, however that ends."""
    everybody = family(owner.pid)
    assert len(everybody) >= 2
    owner.kill()
    owner.wait()
    wait_until_gone(everybody)


def test_ended_owner_leaves_nothing(owner, tmp_path):
    """An owner that has ended leaves nothing behind."""
    everybody = family(owner.pid)
    (tmp_path / "over").touch()
    assert owner.wait(60) == 0
    assert not [pid for pid in everybody if psutil.pid_exists(pid)]


def test_an_error_of_locusts_is_the_reason(locustfile, tmp_path):
    with locustfile("raise ValueError('it is Monday')") as poll:
        assert ended(poll) == 1
    assert "it is Monday" in load.why(tmp_path / "log")
