"""Locust as tests run it, and what they read of its history."""

import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from random import SystemRandom

import pytest
import requests

from loadtest import ROOT, history
from loadtest.server.guardian import guarded
from loadtest.tests.waiting import wait_until

LOCUST = Path(sys.executable).with_name("locust")


LOCUSTFILE = ROOT / "loadtest" / "locustfile.py"


IMPATIENT = """
import loadtest.locustfile
from loadtest.locustfile import Client
Client.network_timeout = Client.connection_timeout = 0.3
"""


@pytest.fixture
def locust(tmp_path):
    """Runs locust without its web UI in a folder of its own, ends it when the history is long
    enough, and reads that."""

    def run(url, *options, file=LOCUSTFILE, enough=None, how=signal.SIGTERM, read=True, **more):
        enough = enough or (lambda: recorded(tmp_path) > 60)
        for old in tmp_path.glob("h*.jsonl"):
            old.unlink()
        path = tmp_path / "h.jsonl"
        command = [LOCUST, "-f", file, "--headless", "--only-summary", "--host", url]
        command += ["--history", path, "-u", "8", "-r", "100", *options]
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )
        try:
            wait_until(lambda: process.poll() is not None or enough())
            process.send_signal(how)
        except AssertionError:
            process.kill()
        said, logged = process.communicate(timeout=60)
        done = subprocess.CompletedProcess(command, process.returncode, said, logged)
        done.path = path
        done.operations = history.operations(history.read(path)) if read and path.exists() else []
        return done

    return run


@pytest.fixture
def impatient(tmp_path):
    """Our locustfile, but for a shorter timeout; it can be used from another one."""
    path = tmp_path / "impatient.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{IMPATIENT}")
    return path


@pytest.fixture
def web(tmp_path):
    """Runs locust with its web UI, and gives its address."""

    @contextmanager
    def run(url):
        port = free_port()
        command = [LOCUST, "-f", LOCUSTFILE, "--host", url, "--history", tmp_path / "h.jsonl"]
        command += ["--web-port", port]
        with guarded(list(map(str, command)), log=tmp_path / "locust.log") as run.process:
            address = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(address))
            yield address

    return run


def answers(address):
    try:
        return requests.get(address, timeout=2).ok
    except requests.RequestException:
        return False


def free_port():
    """One that nobody has; those that the system gives to others meanwhile are higher."""
    while True:
        port = SystemRandom().randrange(15_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def recorded(folder, name="h*.jsonl"):
    """Count the increments in the histories there."""
    return sum(path.read_text().count("increment") for path in folder.glob(name))


def of(done, op, phase="load"):
    return [each for each in done.operations if each.op == op and each.phase == phase]
