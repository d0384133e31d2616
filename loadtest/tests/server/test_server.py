"""A server's life: it is the one that we started, it says why it cannot, it leaves nothing."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import requests

from loadtest.server.guardian import GuardianError, guarded
from loadtest.server.running import ServerError, serve
from loadtest.server.workers import ended
from loadtest.tests.waiting import family, wait_until, wait_until_gone
from loadtest.trial import Server, Trial


def test_every_worker_answers(tmp_path):
    """Every worker answers, is ours, and ends with the block."""
    with serve(Trial("plain_global", Server(3, 2)), log=tmp_path / "log") as server:
        assert len(server.workers()) == 3
        reply = requests.get(f"{server.url}/read", timeout=5)
        assert reply.json() == 0
        assert int(reply.headers["X-Worker"]) in server.workers()
        pids = [server.process.pid, *family(server.process.pid)]
        assert len(pids) == 1 + 1 + 3
    wait_until_gone(pids)
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=5)
    assert "Booting worker" in (tmp_path / "log").read_text()


def test_an_error_in_the_block_leaves_nothing(tmp_path):
    pids = []

    def fail():
        with serve(Trial("plain_global", Server(2, 1)), log=tmp_path / "log") as server:
            pids.extend(family(server.process.pid))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    wait_until_gone(pids)


def test_two_servers_at_once(tmp_path):
    """Two servers at once have a port and a state each."""
    with (
        serve(Trial("plain_global", Server(1, 1)), log=tmp_path / "a") as one,
        serve(Trial("plain_global", Server(1, 1)), log=tmp_path / "b") as other,
    ):
        assert one.url != other.url
        assert requests.post(f"{one.url}/increment", timeout=5).json() == 1
        assert requests.get(f"{other.url}/read", timeout=5).json() == 0


def test_a_port_that_is_taken_is_said_at_once(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ServerError, match=rf"port {port} .*PORT="),
            serve(Trial("plain_global", Server(1, 1)), log=tmp_path / "log", port=port),
        ):
            pass


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('boom')", "RuntimeError: boom"),
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named"),
        ("def create(): ...", "ImportError: broken_variant has no increment"),
        ("def create(:", "SyntaxError"),
    ],
)
def test_failed_app_in_its_words(tmp_path, monkeypatch, source, said):
    """An app that does not start is reported in its own words."""
    (tmp_path / "broken_variant.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (
        pytest.raises(ServerError) as error,
        serve(Trial("broken_variant", Server(2, 1)), log=tmp_path / "log"),
    ):
        pass
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_shell_settings_change_nothing(tmp_path, monkeypatch):
    """Settings of the shell do not change the server."""
    monkeypatch.setenv("WEB_CONCURRENCY", "5")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--chdir /nowhere")
    with serve(Trial("plain_global", Server(2, 1)), log=tmp_path / "log") as server:
        assert len(server.workers()) == 2


def test_killed_master_takes_workers(tmp_path):
    """A master that is killed takes its workers along."""
    with serve(Trial("plain_global", Server(2, 2)), log=tmp_path / "log") as server:
        pids = family(server.process.pid)
        (master,) = psutil.Process(server.process.pid).children()
        master.kill()
        wait_until_gone(pids)
        assert server.process.wait(timeout=15) == 128 + signal.SIGKILL


OWNER = """
import sys, time
from pathlib import Path
from loadtest.server.redis import redis_server
from loadtest.server.running import serve
from loadtest.trial import Server, Trial
log = Path(sys.argv[1])
with redis_server(log), serve(Trial("plain_global", Server(2, 2)), log=log) as server:
    print(server.url, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_left_of_any_owner(tmp_path, monkeypatch, how):
    """Nothing is left, however the owner ends."""
    monkeypatch.delenv("REDIS_URL", raising=False)
    folders = tmp_path / "folders"
    folders.mkdir()
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(folders)},
    )
    url = owner.stdout.readline().decode().strip()
    requests.get(url, timeout=5)
    assert list(folders.iterdir())
    # guardian and redis, guardian and gunicorn and two workers
    pids = family(owner.pid)
    assert len(pids) == 6
    owner.send_signal(how)
    owner.wait()
    wait_until_gone(pids)
    assert not list(folders.iterdir()), "the folder of Redis stays behind"


def test_guardian_ignores_signals(tmp_path):
    """The guardian does not end on signals of its own."""
    with serve(Trial("plain_global", Server(1, 1)), log=tmp_path / "log") as server:
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(server.process.pid, how)
        assert requests.get(f"{server.url}/read", timeout=5).json() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_killed_guardian_is_reported(tmp_path):
    """A killed guardian takes its server along, and its owner reports it."""
    folder, log = tmp_path / "made", tmp_path / "log"
    command = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"]

    def kill_the_guardian():
        with guarded(command, log=log, folder=folder) as guardian:
            wait_until(lambda: log.read_text())
            pids = family(guardian.pid)
            guardian.kill()
            wait_until_gone(pids)

    with pytest.raises(GuardianError, match="was killed"):
        kill_the_guardian()
    assert log.read_text() == "ready\n"
    assert not folder.exists()


@pytest.mark.parametrize("after_ms", [0, 1, 3, 10, 30, 100])
def test_owner_killed_while_starting(tmp_path, after_ms):
    """An owner that is killed while it starts leaves no folder."""
    code = (
        "import sys; from pathlib import Path; from loadtest.server.redis import redis_server\n"
        "print(1, flush=True)\n"
        "with redis_server(Path(sys.argv[1])): sys.stdin.read()\n"
    )
    folders = tmp_path / "folders"
    folders.mkdir()
    env = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    owner = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "log")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env | {"TMPDIR": str(folders)},
    )
    owner.stdout.readline()
    time.sleep(after_ms / 1000)
    pids = family(owner.pid)
    owner.kill()
    owner.communicate()
    wait_until_gone(pids)
    wait_until(lambda: not list(folders.iterdir()))


def test_leftover_processes_end(tmp_path):
    """Processes that a command leaves running end with it."""
    command = ["sh", "-c", "sleep 600 & echo $!"]
    with guarded(command, log=tmp_path / "log") as guardian:
        assert guardian.wait(timeout=15) == 0
    wait_until_gone([int((tmp_path / "log").read_text())])


def test_restart_by_a_stopped_guardian(tmp_path):
    """A command killed while its guardian stands still is started again every time."""
    log = tmp_path / "log"
    with guarded(["sh", "-c", "echo $$; exec sleep 600"], log=log) as guardian:
        for cut in range(1, 201):
            wait_until(lambda: log.read_text().count("\n") == cut, every=0.001)  # noqa: B023
            running = int(log.read_text().split()[-1])
            os.kill(guardian.pid, signal.SIGSTOP)
            try:
                os.kill(running, signal.SIGKILL)
                wait_until(lambda: ended(running), every=0.001)  # noqa: B023
                os.kill(guardian.pid, signal.SIGUSR2)
            finally:
                os.kill(guardian.pid, signal.SIGCONT)


def half_a_request(server):
    """A connection whose client has announced more of a body than it sends."""
    client = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])))
    head = "POST /append HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    client.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
    return client


@pytest.mark.parametrize("drips", [False, True])
def test_slow_body_frees_the_thread(tmp_path, drips):
    """A client that is slow with its body frees the only thread."""

    def drip():
        while not answered.wait(0.5):
            slow.sendall(b" ")

    answered = threading.Event()
    with serve(Trial("plain_global", Server(1, 1)), log=tmp_path / "log") as server:
        with half_a_request(server) as slow, ThreadPoolExecutor() as pool:
            if drips:
                pool.submit(drip)
            try:
                assert requests.get(f"{server.url}/read", timeout=30).json() == 0
                assert slow.recv(12) == b"HTTP/1.1 400"
            finally:
                answered.set()
        assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("chunk", ["ZZ\r\nabc", "5\r\nabcdefgh"])
def test_wrong_chunk_length_is_refused(tmp_path, chunk):
    """A chunk of another length than it claims is refused."""
    with serve(Trial("plain_global", Server(1, 1)), log=tmp_path / "log") as server:
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as client:
            head = "POST /append HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            head += "Transfer-Encoding: chunked\r\n\r\n"
            client.sendall(f"{head}{chunk}\r\n0\r\n\r\n".encode())
            assert client.recv(12) == b"HTTP/1.1 400"
        assert "Traceback" not in (tmp_path / "log").read_text()


def test_proxy_headers_are_ignored(tmp_path):
    """Headers that are for proxies are not believed."""
    with serve(Trial("plain_global", Server(1, 1)), log=tmp_path / "log") as server:
        for name in ("Script_Name", "SCRIPT_NAME", "Script-Name", "X-Script-Name"):
            reply = requests.get(f"{server.url}/read", headers={name: "/x"}, timeout=10)
            assert reply.status_code in (200, 400), f"{name}: {reply.text}"
        assert requests.get(f"{server.url}/read", timeout=10).json() == 0
        assert "Traceback" not in (tmp_path / "log").read_text()
