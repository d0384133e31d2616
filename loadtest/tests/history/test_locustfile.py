"""What a client records: every request once, as what became of it."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
import requests

from loadtest import history, trial
from loadtest.checker import judge
from loadtest.server.guardian import guarded
from loadtest.server.gunicorn import serve

ROOT = Path(__file__).parents[3]
LOCUST = Path(sys.executable).with_name("locust")
LOCUSTFILE = ROOT / "loadtest" / "locustfile.py"
IMPATIENT = """
import loadtest.locustfile
from loadtest.locustfile import Client
Client.network_timeout = Client.connection_timeout = 0.3
"""


class Odd(BaseHTTPRequestHandler):
    """A counter and a list that are right, and answers that need not be: `mischief(op, n)` says
    what becomes of the n-th request for an operation. Requests for which `shy(n)` is true go to
    another worker, which has its own state, not empty at first."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        server = self.server
        op = self.path.strip("/")
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with server.lock:
            server.asked[op] += 1
            what = server.mischief(op, server.asked[op])
            shy = server.shy(server.asked.total())
            state = server.others if shy else server.state
            if what != 404:
                state[:] = {"create": [0, []]}.get(op, state)
                state[0] += op == "increment"
                state[1] += [json.loads(sent)["item"]] if op == "append" else []
            count, items = state
            body = {"append": len(items), "items": items}.get(op, count)
        if what == "drop":
            self.close_connection = True
            return
        if what in ("slow", "hang"):
            server.over.wait(1 if what == "slow" else 20)
        status = what if isinstance(what, int) else 200
        text = what[1] if isinstance(what, tuple) else json.dumps(body)
        with suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.send_header("X-Worker", "7")
            self.send_header("X-Boot", "shy" if shy else "b7")
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(text.encode())

    do_GET = do_POST = answer

    def setup(self):
        super().setup()
        self.server.connections += 1

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


@contextmanager
def odd(mischief=lambda op, n: None, shy=lambda n: False):
    server = Server(("127.0.0.1", 0), Odd)
    server.mischief, server.lock, server.over = mischief, threading.Lock(), threading.Event()
    server.state, server.asked, server.connections = [0, []], Counter(), 0
    server.others, server.shy = [500, ["old"]], shy
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def locust(tmp_path):
    """Runs locust without its web UI in a folder of its own, ends it when the history is long
    enough, and reads that."""

    def run(url, *options, file=LOCUSTFILE, enough=None, how=signal.SIGTERM):
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
        )
        try:
            wait_until(lambda: process.poll() is not None or enough())
            process.send_signal(how)
        except AssertionError:
            process.kill()
        said, logged = process.communicate(timeout=60)
        done = subprocess.CompletedProcess(command, process.returncode, said, logged)
        done.path = path
        done.operations = history.operations(history.read(path)) if path.exists() else []
        return done

    return run


def recorded(folder, name="h*.jsonl"):
    """How many increments are in the histories there."""
    return sum(path.read_text().count("increment") for path in folder.glob(name))


def wait_until(what, seconds=40):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


@pytest.fixture
def impatient(tmp_path):
    """Our locustfile, but for a shorter timeout; it can be used from another one."""
    path = tmp_path / "impatient.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{IMPATIENT}")
    return path


def of(done, op, phase="load"):
    return [each for each in done.operations if each.op == op and each.phase == phase]


MISCHIEF = {
    "drop": ("unknown", False),
    500: ("unknown", True),
    302: ("unknown", True),
    404: ("fail", True),
    ("text", "one"): ("unknown", True),
    ("text", "true"): ("unknown", True),
    ("text", "1" + "0" * 30): ("unknown", True),
    ("text", '["1"]'): ("unknown", True),
    ("text", ""): ("unknown", True),
    None: ("ok", True),
}


def test_each_request_is_recorded_once_as_what_became_of_it_and_none_is_sent_again(locust):
    kinds = list(MISCHIEF)
    became = Counter()

    def mischief(op, n):
        if op != "increment":
            return None
        kind = kinds[n % len(kinds)]
        became[MISCHIEF[kind]] += 1
        return kind

    with odd(mischief) as server:
        done = locust(server.url)
        increments = of(done, "increment")
        assert server.asked["increment"] == len(increments) > len(kinds)
        assert server.asked["append"] == len(of(done, "append"))
        assert Counter((each.outcome, each.end is not None) for each in increments) == became
        refused = sum(each.outcome == "fail" for each in increments)
        assert server.state[0] == len(increments) - refused
    labelled = [each for each in increments if each.end is not None]
    assert {(each.worker, each.thread, each.boot) for each in labelled} == {(7, None, "b7")}
    assert all((each.value is not None) == (each.outcome == "ok") for each in increments)


def test_what_is_not_answered_in_time_is_unknown_and_not_sent_again(locust, impatient):
    with odd(lambda op, n: "hang" if op == "increment" else None) as server:
        done = locust(server.url, file=impatient)
        increments = of(done, "increment")
        # the server may not even have read what the client no longer waits for
        assert 0 < server.asked["increment"] <= len(increments)
    assert {(each.outcome, each.end) for each in increments} == {("unknown", None)}
    assert max(Counter(each.client for each in increments).values()) > 1


def test_a_list_of_anything_but_text_is_no_answer(locust):
    odd_lists = ["[1]", "[null]", "null", '{"a": 1}']
    with odd(lambda op, n: ("text", odd_lists[n % 4]) if op == "items" else None) as server:
        done = locust(server.url)
    assert {each.outcome for each in of(done, "items")} == {"unknown"}


def test_a_client_that_is_stopped_in_mid_request_records_it_as_unknown(locust):
    with odd(lambda op, n: "hang" if op == "increment" else None) as server:
        all_hang = lambda: server.asked["increment"] == 8  # noqa: E731
        done = locust(server.url, "--stop-timeout", "1", enough=all_hang)
        increments = of(done, "increment")
        assert server.asked["increment"] == len(increments) == 8
    assert {(each.outcome, each.end) for each in increments} == {("unknown", None)}


@pytest.mark.parametrize("kept", [False, True])
def test_connections_are_kept_only_if_asked_for(locust, kept):
    with odd() as server:
        locust(server.url, *(["--keep-alive"] if kept else []))
        requests_, increments = server.asked.total(), server.asked["increment"]
        assert increments > 16
        assert (server.connections <= requests_ - increments + 8) == kept
        assert (server.connections >= requests_) != kept


def test_a_run_begins_with_an_empty_state_whoever_used_the_server_before(locust):
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


def test_a_state_that_cannot_be_emptied_is_not_loaded(locust):
    with odd(lambda op, n: ("text", "5") if op == "read" else None) as server:
        done = locust(server.url, enough=lambda: False)
        assert not server.asked["increment"]
    assert done.returncode == 2
    assert "still has a count after 40 times" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("at", [30, 40])
def test_a_worker_that_is_seldom_reached_is_made_empty_too(locust, at):
    # of each 32 requests the first 16 are creates: a read comes first there, or nothing at all
    with odd(shy=lambda n: n % 80 == at or n % 120 == at) as server:
        done = locust(server.url)
    boots = {each.boot: each.value for each in of(done, "create")}
    assert boots == {"b7": 0, "shy": 0}
    assert "over-count" not in {each.name for each in judge(history.read(done.path)).anomalies}


def test_a_worker_that_is_never_made_empty_is_not_loaded(locust):
    with odd(shy=lambda n: n == 20) as server:
        done = locust(server.url, enough=lambda: False)
        assert not server.asked["increment"]
    assert done.returncode == 2


def test_a_server_that_does_not_answer_is_said_in_one_line(locust):
    done = locust("http://127.0.0.1:1", enough=lambda: False)
    assert done.returncode == 2
    assert "http://127.0.0.1:1/create does not answer 0; is a variant served there?" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_audit_reads_every_worker_when_nothing_is_in_flight_any_more(locust, tmp_path):
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


def test_it_stops_once_it_has_enough_and_leaves_the_verdict_to_whoever_asked(locust):
    with odd() as server:
        done = locust(server.url, "--at-least", "0.1", "50", enough=lambda: False)
        assert server.asked["increment"] >= 50
    assert done.returncode == 0
    assert "linearizable" not in done.stdout


def test_the_list_grows_no_longer_than_it_should(locust):
    with odd() as server:
        enough = lambda: server.asked["increment"] > 200  # noqa: E731
        done = locust(server.url, "--items", "10", enough=enough)
        in_flight = 8
        assert 10 <= len(server.state[1]) <= 10 + in_flight
    assert len({each.item for each in of(done, "append")}) == len(of(done, "append"))


def test_the_end_has_the_verdict_in_a_few_lines_of_80_columns(locust, tmp_path):
    with serve(trial.Trial("plain_global", trial.Server(2, 4)), log=tmp_path / "log") as server:
        done = locust(server.url)
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


def test_it_runs_in_any_folder_and_makes_one_for_the_history(tmp_path):
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


def test_without_a_history_nothing_is_recorded_and_the_load_is_the_same(locust):
    with odd() as server:
        enough = lambda: server.asked["increment"] > 60  # noqa: E731
        done = locust(server.url, "--no-history", "--items", "20", enough=enough)
        assert server.asked["append"] <= 28
    assert not of(done, "increment")
    assert "linearizable" not in done.stdout + done.stderr


@pytest.fixture
def web(tmp_path):
    """Runs locust with its web UI, and gives its address."""

    @contextmanager
    def run(url):
        port = free_port()
        command = [LOCUST, "-f", LOCUSTFILE, "--host", url, "--history", tmp_path / "h.jsonl"]
        command += ["--web-host", "127.0.0.1", "--web-port", port]
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
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        return server.server_port


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


def test_each_run_of_a_process_has_its_own_history_and_verdict(web, tmp_path):
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


def test_a_run_that_is_started_during_the_audit_of_the_last_waits_for_it(web, tmp_path):
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


def test_a_run_that_cannot_begin_is_said_and_the_next_one_is_as_any(web):
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


def test_whatever_kills_locust_nothing_is_left_of_it(web):
    with odd() as server, web(server.url) as address:
        verdict_of_a_run(address, server, 10)
        (killed,) = psutil.Process(web.process.pid).children()
        (beside,) = killed.children()
        assert "loadtest.report.follow" in beside.cmdline()
        killed.kill()
        beside.wait(timeout=30)


def test_the_process_that_makes_the_load_does_without_polars():
    # it takes memory in every locust process, and threads do not survive a fork
    code = "import sys, locust, loadtest.locustfile; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


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
