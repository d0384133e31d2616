"""Tests of servers that run already, judged by their address."""

import json
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from loadtest import ROOT, history
from loadtest.server.guardian import guarded
from loadtest.server.interpreter import theirs
from loadtest.server.servers import ADAPTERS
from loadtest.tests.copies import counting
from loadtest.tests.locusts import answers, free_port
from loadtest.tests.sockets import serving
from loadtest.tests.waiting import wait_until

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


NAMED = """
import os

from flask import Flask

app = Flask(__name__)
hits = 0


@app.after_request
def name(response):
    response.headers["X-Pid"] = str(os.getpid())
    return response


@app.post("/hits")
def hit():
    global hits
    hits += 1
    return str(hits)


@app.get("/hits")
def show():
    return str(hits)
"""


def test_worker_that_the_app_names(tmp_path):
    """A header that names the worker tells the copies of a running server apart."""
    (tmp_path / "named.py").write_text(NAMED)
    port = free_port()
    server = [sys.executable, "-m", "gunicorn", "named:app", "--bind", f"127.0.0.1:{port}"]
    server += ["--workers", "3", "--chdir", str(tmp_path), "--no-control-socket"]
    url = f"http://127.0.0.1:{port}"
    with guarded(server, log=tmp_path / "log", env=theirs(ADAPTERS["gunicorn"])):
        wait_until(lambda: answers(f"{url}/hits"))
        options = ["--url", url, "--increment", "POST /hits", "--read", "GET /hits"]
        done = check(*options, "--worker-header", "@X-Pid", cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    (cell,) = json.loads(done.stdout)["cells"]
    division = cell["verdict"]["division"]
    assert division["of"] == "worker"
    assert len(division["copies"]) == 3
    assert all(copy["worker"] for copy in division["copies"])


def test_worker_header_that_is_none(tmp_path):
    """A header without @ is one line with status 2."""
    with counting() as url:
        done = check("--url", url, "--increment", "POST /i", "--worker-header", "pid", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: WORKER_HEADER='pid' names no header; write @X-Pid\n"
