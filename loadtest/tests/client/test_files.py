"""Several locust processes write one history, or say which files it lies in."""

from collections import Counter
from contextlib import contextmanager

import psutil
import pytest

from loadtest import history
from loadtest.server.guardian import guarded
from loadtest.tests.locusts import LOCUST, ROOT, free_port, of, recorded
from loadtest.tests.odd import odd
from loadtest.tests.waiting import wait_until


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
import socket, time
from loadtest.client import clocks, files
socket.gethostname = lambda: "another-machine"
# its clock is 100,000 s ahead
ahead, here = 10**14, time.monotonic_ns
time.monotonic_ns = lambda: here() + ahead
files.clock_name = lambda: "another-clock"
"""
DIES = """
import os
from loadtest.client.files import Files
Files.send = lambda *_, **__: os._exit(1)
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
        command += ["--history", tmp_path / "theirs" / "h.jsonl"]
        with guarded(list(map(str, command)), log=path.with_suffix(".log")) as process:
            yield process

    return run


def master(port):
    """Return the options of a master that waits for two workers."""
    options = ("--master", "--master-bind-port", str(port), "--expect-workers", "2")
    return (*options, "--exit-by-verdict")


def theirs(folder, name="h.*.jsonl"):
    """Return the files that locust workers keep."""
    return sorted((folder / "theirs").glob(name))


def two_have_sent(folder):
    """Both workers have asked, and the master has heard of it."""
    return lambda: sum("increment" in p.read_text() for p in folder.glob("h.part*.jsonl")) == 2


def test_two_machines_are_judged(worker, locust, tmp_path):
    """Two machines make one history in the master's time, though their clocks differ."""
    port = free_port()
    with odd() as server, worker(port), worker(port, does=ELSEWHERE):
        done = locust(server.url, *master(port), enough=two_have_sent(tmp_path))
        assert server.asked["increment"] == len(of(done, "increment"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "linearizable" in done.stdout
    assert {path.name for path in tmp_path.glob("h*.jsonl")} == {"h.jsonl"}
    assert len({each.clock for each in done.operations}) == 1
    creates = max(each.end for each in done.operations if each.op == "create")
    load = [each for each in done.operations if each.phase == "load" and each.op == "increment"]
    audit = [each for each in done.operations if each.phase == "audit"]
    assert creates <= min(each.start for each in load)
    assert max(each.end or 0 for each in load) <= min(each.start for each in audit)
    # in the time of its own clock
    kept = [history.read(path) for path in theirs(tmp_path)]
    assert {frame["clock"].unique().item() for frame in kept} > {"another-clock"}


def test_machines_that_lose(worker, locust, tmp_path):
    """A loss is found across machines: the load had ended before the audit began."""
    port = free_port()
    late = lambda op, n: ("text", "9") if op == "read" and server.asked["increment"] else None  # noqa: E731
    with odd(late) as server, worker(port), worker(port, does=ELSEWHERE):
        done = locust(server.url, *master(port), enough=two_have_sent(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "lost" in done.stdout


NAMES_A_PATH = """
from loadtest.client.files import Files
send = Files.send_piece
def send_piece(self, text, *, last):
    sending = self.runner.send_message
    self.runner.send_message = lambda kind, piece: sending(kind, piece | {
        "path": %(path)r, "file": %(path)r, "part": {"path": %(path)r, "machine": "here"},
        "machine": %(path)r, "run": piece["run"]})
    send(self, text, last=last)
    self.runner.send_message = sending
Files.send_piece = send_piece
"""


def test_no_path_of_another_machine(worker, locust, tmp_path):
    """A path in a message is neither read nor removed."""
    secret = tmp_path / "secret"
    secret.write_text("do not read\n")
    port = free_port()
    named = NAMES_A_PATH % {"path": str(secret)}
    with odd() as server, worker(port), worker(port, does=named):
        done = locust(server.url, *master(port), enough=two_have_sent(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert secret.read_text() == "do not read\n"
    assert "do not read" not in done.path.read_text()


@pytest.mark.parametrize("change", ["sent='now'", "text='{}\\n', clock='x'"])
def test_odd_piece_is_no_verdict(worker, locust, tmp_path, change):
    """A message that is not as it should be breaks its part, and nothing is judged."""
    port = free_port()
    does = f"""
from loadtest.client.files import Files
send = Files.send_piece
def send_piece(self, text, *, last):
    sending = self.runner.send_message
    self.runner.send_message = lambda kind, piece: sending(kind, piece | dict({change}))
    send(self, text, last=last)
    self.runner.send_message = sending
Files.send_piece = send_piece
"""
    with odd() as server, worker(port), worker(port, does=does):
        done = locust(server.url, *master(port), "--stop-timeout", "1")
    assert done.returncode == 2
    assert "of it is not as it should be" in done.stdout


def test_killed_worker_is_not_judged(worker, locust, tmp_path):
    """The part of a killed locust worker is missing, and not judged."""
    port = free_port()
    with odd() as server, worker(port), worker(port) as victim:

        def killed():
            if not all(recorded(tmp_path / "theirs", f"h.{index}.jsonl") for index in (0, 1)):
                return False
            (process,) = psutil.Process(victim.pid).children()
            process.kill()
            return True

        stop = ("--stop-timeout", "1")
        done = locust(server.url, *master(port), *stop, enough=killed)
    assert done.returncode == 2
    assert "it breaks off" in done.stdout
    assert "violated" not in done.stdout


def test_dead_before_its_first_message(worker, locust):
    """A locust worker that dies before its first message is missing."""
    port = free_port()
    with odd() as server, worker(port), worker(port, does=DIES):
        done = locust(server.url, *master(port), "--stop-timeout", "1")
    assert done.returncode == 2
    assert "nothing was heard of it" in done.stdout


def test_killed_master_ends_its_workers(worker, tmp_path):
    """A worker whose master was killed ends within seconds, and not with status 0."""
    port = free_port()
    with odd() as server, worker(port) as alone:
        command = [LOCUST, "-f", ROOT / "loadtest" / "locustfile.py", "--headless", "-u", "4"]
        command += ["--host", server.url, "--history", tmp_path / "h.jsonl", "--master"]
        command += ["--master-bind-port", port, "--expect-workers", "1"]
        with guarded(list(map(str, command)), log=tmp_path / "master.log") as its_master:
            wait_until(lambda: recorded(tmp_path, "h.part*.jsonl"))
            (process,) = psutil.Process(its_master.pid).children()
            process.kill()
        assert alone.wait(40) == 2
    (log,) = tmp_path.glob("worker*.log")
    assert "the master has not answered for 10 s" in log.read_text()


@pytest.mark.parametrize("distributed", [False, True], ids=["alone", "with a worker"])
def test_time_counts_from_an_empty_state(worker, locust, distributed):
    """A time limit counts from when the state is empty, however long that takes."""
    port = free_port()
    slow = lambda op, n: "slow" if op == "create" and n <= 32 else None  # noqa: E731
    there = ("--master", "--master-bind-port", str(port), "--expect-workers", "1")
    with odd(slow) as server, worker(port):
        limit = ("-t", "1s", "--exit-by-verdict")
        done = locust(server.url, *limit, *(there if distributed else ()), enough=lambda: False)
    assert of(done, "increment")
    assert done.returncode == 0, done.stdout + done.stderr
