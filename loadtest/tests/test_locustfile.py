"""Tests of the clients, and of what people who run locust see."""

import json
import resource
import signal
import subprocess
import sys
import threading

import psutil
import pytest
import requests

from loadtest import history, trial
from loadtest.checker import judge
from loadtest.server.running import serve
from loadtest.tests.locusts import LOCUST, LOCUSTFILE, ROOT, of, recorded
from loadtest.tests.odd import odd
from loadtest.tests.waiting import wait_until


@pytest.mark.parametrize("kept", [False, True])
def test_keep_alive_only_on_request(locust, kept):
    """Connections are kept only on request."""
    with odd() as server:
        locust(server.url, *(["--keep-alive"] if kept else []))
        requests_, increments = server.asked.total(), server.asked["increment"]
        assert increments > 16
        assert (server.connections <= requests_ - increments + 8) == kept
        assert (server.connections >= requests_) != kept


def test_stops_with_enough(locust):
    """A load stops once it has enough, and leaves the verdict to its caller."""
    with odd() as server:
        done = locust(server.url, "--at-least", "0.1", "50", enough=lambda: False)
        assert server.asked["increment"] >= 50
    assert done.returncode == 0
    assert "linearizable" not in done.stdout


def test_list_stays_short(locust):
    """The list grows no longer than it should."""
    with odd() as server:
        enough = lambda: server.asked["increment"] > 200  # noqa: E731
        done = locust(server.url, "--items", "10", enough=enough)
        in_flight = 8
        assert 10 <= len(server.state[1]) <= 10 + in_flight
    assert len({each.item for each in of(done, "append")}) == len(of(done, "append"))


def test_end_prints_the_verdict(locust, tmp_path):
    """The end prints the verdict in a few lines of 80 columns."""
    with serve(trial.Trial("plain_global", trial.Server(2, 4)), log=tmp_path / "log") as server:
        done = locust(server.url, enough=lambda: recorded(tmp_path) > 200)
    verdict = done.stdout.partition("\nviolated: ")[2].strip().splitlines()
    assert "2 counters, one per worker" in " ".join(verdict)
    assert any("|--" in line for line in verdict)
    assert len(verdict) < 12
    assert max(map(len, verdict)) <= 80
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("mischief", "status"),
    [
        (lambda op, n: None, 0),
        (lambda op, n: ("text", "3") if op == "increment" else None, 1),
        (lambda op, n: 404 if op in ("increment", "append") else None, 2),
    ],
    ids=["linearizable", "violated", "inconclusive"],
)
def test_the_exit_status_can_be_the_verdict(locust, mischief, status):
    with odd(mischief) as server:
        done = locust(server.url, "--exit-by-verdict")
    assert done.returncode == status
    assert judge(history.read(done.path)).verdict in done.stdout


def test_runs_in_any_folder(tmp_path):
    """A load runs in any folder, and makes one for the history."""
    with odd() as server:
        command = [LOCUST, "-f", LOCUSTFILE, "--headless", "--host", server.url]
        command += ["--at-least", "0", "20"]
        subprocess.run(list(map(str, command)), cwd=tmp_path, capture_output=True, timeout=60)
    (path,) = (tmp_path / "results").glob("*/history.jsonl")
    assert history.read(path).filter(phase="audit").height


def test_ctrl_c_gives_the_verdict_too(locust):
    with odd() as server:
        done = locust(server.url, "--exit-by-verdict", how=signal.SIGINT)
    # it may break into a request, which is unknown then
    assert "linearizable: 0 in " in done.stdout
    assert done.returncode == 0


def test_load_without_a_history(locust):
    """Without a history nothing is recorded, and the load is the same."""
    with odd() as server:
        enough = lambda: server.asked["increment"] > 200 and server.asked["append"] >= 30  # noqa: E731
        done = locust(server.url, "--no-history", "--items", "30", enough=enough)
        in_flight = 8
        assert 30 <= server.asked["append"] <= 30 + in_flight
    assert not of(done, "increment")
    assert "linearizable" not in done.stdout + done.stderr


def started(address, users=4):
    form = {"user_count": users, "spawn_rate": 100}
    assert requests.post(f"{address}/swarm", data=form, timeout=5).json()["success"]


def verdict_of_a_run(address, server, increments):
    before = server.asked["increment"]
    started(address)
    wait_until(lambda: server.asked["increment"] > before)
    # what was shown of the run before is gone
    assert requests.get(f"{address}/state/verdict.json", timeout=5).status_code == 404
    wait_until(lambda: server.asked["increment"] > before + increments)
    requests.post(f"{address}/stop", timeout=30)
    return requests.get(f"{address}/state/verdict.json", timeout=5).json()


def test_run_has_its_own_history(web, tmp_path):
    """Each run of a process has its own history and verdict."""
    with odd() as server, web(server.url) as address:
        first = verdict_of_a_run(address, server, 50)
        server.mischief = lambda op, n: ("text", "3") if op == "increment" else None
        second = verdict_of_a_run(address, server, 30)
        got = requests.get(f"{address}/state/history.jsonl", timeout=5).content
    assert (first["verdict"], second["verdict"]) == ("linearizable", "violated")
    for verdict, name in ((first, "h.jsonl"), (second, "h-2.jsonl")):
        frame = history.read(tmp_path / name)
        assert json.loads(json.dumps(judge(frame).to_json())) == verdict
        assert frame.filter(op="create").height
    assert got == (tmp_path / "h-2.jsonl").read_bytes()


def test_next_run_waits_for_the_audit(web, tmp_path):
    """A run started during the last run's audit waits for it."""
    over = threading.Event()
    slow_audit = odd(lambda op, n: "slow" if op == "read" and over.is_set() else None)
    with slow_audit as server, web(server.url) as address:
        started(address)
        wait_until(lambda: server.asked["increment"] > 50)
        over.set()
        stop = threading.Thread(target=requests.post, args=[f"{address}/stop"])
        stop.start()
        now = f"{address}/state/now.json"
        wait_until(lambda: requests.get(now, timeout=5).json()["phase"] == "auditing")
        started(address)
        stop.join()
        over.clear()
        wait_until(lambda: recorded(tmp_path, "h-2.jsonl") > 50)
        requests.post(f"{address}/stop", timeout=30)
    for name in ("h.jsonl", "h-2.jsonl"):
        assert judge(history.read(tmp_path / name)).verdict == "linearizable"


def test_failed_start_then_a_good_run(web):
    """A run that cannot begin is reported, and the next run is unaffected."""
    refusing = odd(lambda op, n: 500 if op == "create" else None)
    with refusing as server, web(server.url) as address:
        started(address)
        rows = f"{address}/state/now.json"
        wait_until(lambda: requests.get(rows, timeout=5).json()["phase"] == "failed")
        ((what, _, why),) = requests.get(rows, timeout=5).json()["rows"]
        assert what == "did not start"
        assert "is a variant served there?" in why
        server.mischief = lambda op, n: None
        assert verdict_of_a_run(address, server, 30)["verdict"] == "linearizable"


def test_web_page_is_local(web):
    """The web page is for this machine alone."""
    with web("http://127.0.0.1:1"):
        (running,) = psutil.Process(web.process.pid).children()
        assert {each.laddr.ip for each in listening(running.pid)} == {"127.0.0.1"}


def test_processes_listen_locally(tmp_path):
    """The processes of one load listen on this machine alone."""
    command = [LOCUST, "-f", LOCUSTFILE, "--headless", "--processes", "2", "--no-history"]
    with odd() as server:
        running = subprocess.Popen(
            [*map(str, command), "--host", server.url],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            heard = []
            wait_until(lambda: heard.extend(listening(running.pid)) or heard)
        finally:
            running.terminate()
            running.wait(timeout=60)
    assert {each.laddr.ip for each in heard} == {"127.0.0.1"}


def listening(pid):
    heard = psutil.Process(pid).net_connections("tcp")
    return [each for each in heard if each.status == "LISTEN"]


def test_killed_locust_leaves_nothing(web):
    """Nothing is left of locust, whatever kills it."""
    with odd() as server, web(server.url) as address:
        verdict_of_a_run(address, server, 10)
        (killed,) = psutil.Process(web.process.pid).children()
        (beside,) = killed.children()
        assert "loadtest.report.live.follower" in beside.cmdline()
        killed.kill()
        beside.wait(timeout=30)


def test_load_imports_no_polars():
    """The process that makes the load does without polars."""
    # it takes memory in every locust process, and threads do not survive a fork
    code = "import sys, locust, loadtest.locustfile; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


@pytest.mark.parametrize("room", [0, 300, 20_000], ids="{} bytes".format)
def test_unwritable_history_ends_load(locust, tmp_path, room):
    """An operation that cannot be written ends the load without a verdict."""

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    with odd() as server:
        done = locust(
            server.url, "--exit-by-verdict", enough=lambda: False, preexec_fn=limited, read=False
        )
    assert done.returncode == 74
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert '{"recorded"' not in done.path.read_text()[20:]
