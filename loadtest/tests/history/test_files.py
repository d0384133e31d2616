"""Several locust processes write one history, or say which files it lies in."""

from collections import Counter
from contextlib import contextmanager

import psutil
import pytest

from loadtest import history
from loadtest.checker import judge
from loadtest.server.guardian import guarded
from loadtest.tests.locusts import LOCUST, ROOT, free_port, of
from loadtest.tests.odd import odd


def test_several_locust_processes_make_one_history(locust, tmp_path):
    with odd() as server:
        done = locust(server.url, "--processes", "2", "--exit-by-verdict")
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


@pytest.fixture
def worker(tmp_path):
    """A locust worker, which may say that it is on another machine."""

    @contextmanager
    def run(port, elsewhere=False):
        path = tmp_path / ("elsewhere.py" if elsewhere else "here.py")
        path.write_text(
            f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            f"{ELSEWHERE if elsewhere else ''}\nfrom loadtest.locustfile import Client\n"
        )
        command = [LOCUST, "-f", path, "--worker", "--master-port", port]
        with guarded(list(map(str, command)), log=path.with_suffix(".log")) as process:
            yield process

    return run


def test_histories_on_several_machines_are_named_and_not_judged_apart(worker, locust, tmp_path):
    port = free_port()
    master = (
        "--master",
        "--master-bind-port",
        str(port),
        "--expect-workers",
        "2",
        "--exit-by-verdict",
    )
    with odd() as server, worker(port), worker(port, elsewhere=True):
        done = locust(server.url, *master)
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


def test_what_a_killed_locust_worker_did_is_missing_and_not_judged(worker, locust):
    port = free_port()
    master = ("--master", "--master-bind-port", str(port), "--expect-workers", "2")
    with odd() as server, worker(port), worker(port) as victim:

        def killed():
            if server.asked["increment"] <= 20:
                return False
            (process,) = psutil.Process(victim.pid).children()
            process.kill()
            return True

        stop = ("--stop-timeout", "1")
        done = locust(server.url, *master, *stop, "--exit-by-verdict", enough=killed)
    assert done.returncode == 2
    assert "(it breaks off)" in done.stdout
    assert "violated" not in done.stdout
