"""Every worker is made empty before the load, and read after it."""

import os
import subprocess
from collections import Counter

import pytest

from loadtest import history, trial
from loadtest.checker import judge
from loadtest.client.audit import audit
from loadtest.client.mapping import routes
from loadtest.client.recorder import Recorder
from loadtest.server.fault import Target
from loadtest.server.running import serve
from loadtest.tests.copies import counting
from loadtest.tests.locusts import of
from loadtest.tests.odd import odd
from loadtest.tests.waiting import wait_until_gone


def test_run_begins_empty(locust):
    """A run begins with an empty state, whoever used the server before."""
    with odd() as server:
        server.state = [41, ["old"]]
        done = locust(server.url)
        # as it is pasted
        again = locust(server.url + "/")
    for run in (done, again):
        creates = of(run, "create")
        assert creates
        first = min(each.start for each in of(run, "increment"))
        assert all(each.end < first for each in creates)
        assert sorted(each.value for each in of(run, "increment"))[0] == 1


def test_state_that_stays_is_refused(locust):
    """A state that cannot be emptied is not loaded."""
    with odd(lambda op, n: ("text", "5") if op == "read" else None) as server:
        done = locust(server.url, enough=lambda: False)
        assert not server.asked["increment"]
    assert done.returncode == 2
    assert "still has a count after 40 times" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("at", [30, 40])
def test_seldom_reached_worker_emptied(locust, at):
    """A worker that is seldom reached is made empty, too."""
    # of each 32 requests the first 16 are creates: a read comes first there, or nothing at all
    with odd(shy=lambda n: n % 80 == at or n % 120 == at) as server:
        done = locust(server.url)
    boots = {each.boot: each.value for each in of(done, "create")}
    assert boots == {"b7": 0, "shy": 0}
    assert "over-count" not in {each.name for each in judge(history.read(done.path)).anomalies}


def test_unemptied_worker_is_refused(locust):
    """A worker that is never made empty is not loaded."""
    with odd(shy=lambda n: n == 20) as server:
        done = locust(server.url, enough=lambda: False)
        assert not server.asked["increment"]
    assert done.returncode == 2


def test_unanswering_server_in_one_line(locust):
    """A server that does not answer is reported in one line."""
    done = locust("http://127.0.0.1:1", enough=lambda: False)
    assert done.returncode == 2
    assert "http://127.0.0.1:1/create does not answer 0; is a variant served there?" in done.stderr
    assert "Traceback" not in done.stderr


def test_audit_reads_every_worker(locust, tmp_path):
    """The audit reads every worker when nothing is in flight."""
    with serve(trial.Trial("plain_global", trial.Server(3, 2)), log=tmp_path / "log") as server:
        done = locust(server.url)
        assert {each.worker for each in done.operations} == server.workers()
    loaded = {each.boot for each in done.operations if each.phase == "load"}
    load_ended = max(each.end for each in done.operations if each.phase == "load")
    for op in ("read", "items"):
        audit = of(done, op, "audit")
        assert all(each.start > load_ended for each in audit)
        answers = Counter(each.boot for each in audit)
        assert set(answers) == loaded
        assert min(answers.values()) >= 3
    clients = {each.client for each in done.operations if each.phase == "audit"}
    assert not clients & {each.client for each in done.operations if each.phase == "load"}


def test_ended_worker_is_not_asked(locust):
    """A worker that has ended is not asked, even if nobody has read its exit status."""
    gone = subprocess.Popen(["true"])
    wait_until_gone([gone.pid])
    target = Target(server=os.getpid(), log="")
    with odd(shy=lambda _: 20 < server.asked["increment"] < 30) as server:
        server.shy_worker = str(gone.pid)
        done = locust(server.url, "--target", target)
    gone.wait()
    assert {each.boot for each in done.operations if each.phase == "load"} == {"b7", "shy"}
    assert {each.boot for each in done.operations if each.phase == "audit"} == {"b7"}
    assert "did not answer the audit" not in done.stderr


@pytest.mark.parametrize("read", ["GET /r", ""], ids=["read", "increments alone"])
def test_audit_of_unlabelled_copies(tmp_path, read):
    """The audit goes on until no answer is new, where answers do not name their worker."""
    recorder = Recorder(tmp_path / "h.jsonl", mapping=routes("POST /i", read))
    with counting((30, 60), turn=lambda n: n == 19) as url:
        audit(recorder, url)
    recorder.close()
    rows = history.operations(history.read(tmp_path / "h.jsonl"))
    assert {each.value for each in rows} == {30, 60}
    assert {each.phase for each in rows} == {"audit"}
