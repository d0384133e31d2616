"""Several locust processes write one history, or say which files it lies in."""

from collections import Counter
from contextlib import contextmanager

import psutil
import pytest

from loadtest import history
from loadtest.checker import judge
from loadtest.server.guardian import guarded
from loadtest.tests.locusts import LOCUST, ROOT, free_port, of, recorded
from loadtest.tests.odd import odd


def two_have_asked(folder):
    """On a busy machine the other one may not yet have had its turn."""
    return lambda: sum("increment" in p.read_text() for p in folder.glob("h.*.jsonl")) == 2


def test_processes_make_one_history(locust, tmp_path):
    """Several locust processes make one history."""
    with odd() as server:
        both = two_have_asked(tmp_path)
        done = locust(server.url, "--processes", "2", "--exit-by-verdict", enough=both)
        assert server.asked["increment"] == len(of(done, "increment"))
    assert done.returncode == 0, done.stderr
    assert "linearizable" in done.stdout
    assert {path.name for path in tmp_path.glob("*.jsonl")} == {"h.jsonl"}
    owners = Counter(each.client // 1_000_000 for each in done.operations)
    assert set(owners) == {0, 1, 2}
    assert {each.phase for each in done.operations if each.client < 1_000_000} == {"load", "audit"}
    assert len({each.clock for each in done.operations}) == 1
    assert done.operations[0].clock is not None


ELSEWHERE = """
import socket
socket.gethostname = lambda: "another-machine"
"""
DIES = """
import os
from loadtest.client.files import Files
Files.tell = lambda *_, **__: os._exit(1)
"""


@pytest.fixture
def worker(tmp_path):
    """A locust worker, which `does` something before it begins."""

    @contextmanager
    def run(port, does=""):
        path = tmp_path / f"worker{len(list(tmp_path.glob('worker*.py')))}.py"
        path.write_text(
            f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            f"{does}\nfrom loadtest.locustfile import Client\n"
        )
        command = [LOCUST, "-f", path, "--worker", "--master-port", port]
        with guarded(list(map(str, command)), log=path.with_suffix(".log")) as process:
            yield process

    return run


def test_machines_are_named(worker, locust, tmp_path):
    """Histories on several machines are named, and not judged apart."""
    port = free_port()
    master = (
        "--master",
        "--master-bind-port",
        str(port),
        "--expect-workers",
        "2",
        "--exit-by-verdict",
    )
    with odd() as server, worker(port), worker(port, does=ELSEWHERE):
        done = locust(server.url, *master, enough=two_have_asked(tmp_path))
    assert done.returncode == 2
    parts = sorted(map(str, tmp_path.glob("h.*.jsonl")))
    assert len(parts) == 3
    said = done.stdout.partition("No verdict")[2]
    assert "python -m loadtest judge" in said
    named = dict(reversed(line.split(": ")) for line in said.splitlines() if ": /" in line)
    assert sorted(named) == parts
    assert sorted(where.strip() for where in named.values()) == [
        "here",
        "here",
        "on another-machine",
    ]
    frame = history.read(*parts)
    assert frame["clock"].n_unique() == 2
    assert judge(frame).verdict == "linearizable"


def test_killed_worker_is_not_judged(worker, locust, tmp_path):
    """The part of a killed locust worker is missing, and not judged."""
    port = free_port()
    master = ("--master", "--master-bind-port", str(port), "--expect-workers", "2")
    with odd() as server, worker(port), worker(port) as victim:

        def killed():
            if not all(recorded(tmp_path, f"h.{index}.jsonl") for index in (0, 1)):
                return False
            (process,) = psutil.Process(victim.pid).children()
            process.kill()
            return True

        stop = ("--stop-timeout", "1")
        done = locust(server.url, *master, *stop, "--exit-by-verdict", enough=killed)
    assert done.returncode == 2
    assert "(it breaks off)" in done.stdout
    assert "violated" not in done.stdout


def test_dead_before_its_first_message(worker, locust):
    """A locust worker that dies before its first message is missing."""
    port = free_port()
    master = ("--master", "--master-bind-port", str(port), "--expect-workers", "2")
    with odd() as server, worker(port), worker(port, does=DIES):
        done = locust(server.url, *master, "--stop-timeout", "1", "--exit-by-verdict")
    assert done.returncode == 2
    assert "on some machine: a locust worker that was not heard of again" in done.stdout
