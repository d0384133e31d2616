"""Tests of servers that run already, judged by their address."""

import json
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from loadtest import ROOT, history
from loadtest.tests.copies import counting
from loadtest.tests.sockets import serving

pytestmark = pytest.mark.timeout(400)


@contextmanager
def counter_that_closes_silently():
    """Serve one right counter, which closes each connection without a word about it.

    uWSGI and gevent.pywsgi answer so.
    """
    count = 0
    lock = threading.Lock()

    def answer(connection):
        nonlocal count
        with connection:
            request = connection.recv(65536)
            if not request:
                return
            with lock:
                count += request.startswith(b"POST")
                body = b"%d" % count
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
            connection.sendall(head % len(body) + body)

    with serving(answer) as port:
        yield f"http://127.0.0.1:{port}"


def check(*options, cwd):
    """Run a check in a folder of its own; its JSON is on standard output."""
    return subprocess.run(
        [sys.executable, "-m", "loadtest", "check", *options, "--json"],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("read", ["GET /r", None], ids=["post", "get"])
def test_silent_close_is_not_refused(read, tmp_path):
    """A server that closes without saying so is right: no request meets a dead connection."""
    increment = "POST /i"
    with counter_that_closes_silently() as url:
        options = ["--url", url, "--increment", increment, *(["--read", read] if read else [])]
        done = check(*options, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (cell,) = json.loads(done.stdout)["cells"]
    assert all(not kind["unknown"] for kind in cell["verdict"]["answered"])


def test_copies_by_address(tmp_path):
    """Copies that disagree before the load are the verdict, with no number that nobody answered."""
    with counting((150, 192, 7)) as url:
        options = ["--url", url, "--increment", "POST /i", "--read", "GET /r"]
        done = check(*options, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    (cell,) = json.loads(done.stdout)["cells"]
    division = cell["verdict"]["division"]
    assert division["at_least"] == 3
    assert division["sentence"] == cell["verdict"]["why"]
    assert cell["verdict"]["lost"] == 0
    rows = history.operations(history.read(tmp_path / cell["history"]))
    assert min(each.value for each in rows if each.value is not None) >= 7
    assert "At least 3 copies answer" in done.stderr
