"""Sentences of the pages about Flask, SQLite, Redis and Python, each run on the real thing."""

import base64
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import zlib
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
import redis
from flask import Flask, g, session
from redis.backoff import NoBackoff
from redis.retry import Retry
from werkzeug.serving import make_server

from loadtest.server.redis import store
from loadtest.tests.sockets import serving
from loadtest.tests.waiting import wait_until
from variants.app import create_app
from variants.tests.interpreters import interpreters


def app_that_counts_in_g():
    app = Flask("counts")

    @app.post("/increment")
    def increment():
        g.count = g.get("count", 0) + 1
        return str(g.count)

    @app.get("/thread")
    def thread():
        g.count = 1
        errors = []

        def read():
            try:
                g.get("count")
            except RuntimeError as error:
                errors.append(str(error))

        other = threading.Thread(target=read)
        other.start()
        other.join()
        return errors[0][:40] if errors else "reached"

    @app.get("/stream")
    def stream():
        g.count = 1

        def parts():
            try:
                yield str(g.get("count", "gone"))
            except RuntimeError:
                yield "cannot be reached"

        return app.response_class(parts())

    return app


def test_g_belongs_to_the_app_context():
    """`g` lives as long as an application context: a fixture that opens one keeps the count."""
    app = app_that_counts_in_g()
    client = app.test_client()
    assert [client.post("/increment").text for _ in range(3)] == ["1", "1", "1"]
    variant = create_app("flask_g")
    with variant.app_context():
        assert [variant.test_client().post("/increment").json for _ in range(3)] == [1, 2, 3]


def test_g_in_a_thread_or_a_stream():
    """Neither a thread nor a streamed reply can reach the request's `g`."""
    client = app_that_counts_in_g().test_client()
    assert client.get("/thread").text.startswith("Working outside of application context")
    assert client.get("/stream").text == "cannot be reached"


def test_thread_local_under_flask_run():
    """`flask run` starts a thread for each connection, so that a thread-local starts anew."""
    server = make_server("127.0.0.1", 0, create_app("thread_local"), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        answers = [post(server.port, "/increment") for _ in range(5)]
    finally:
        server.shutdown()
        server.server_close()
    assert answers == [b"1"] * 5


def post(port, path):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        reply = b"".join(iter(lambda: connection.recv(4096), b""))
    return reply.partition(b"\r\n\r\n")[2].strip()


def connect(path, **more):
    return closing(sqlite3.connect(path, isolation_level=None, timeout=5, **more))


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_refused_transaction_may_commit_later(mode, tmp_path):
    """SQLite refuses a reader that wants to write while another writes, committed or not. What
    the reader saw need not be out of date: once the other has rolled back, it commits."""
    path = tmp_path / "state.sqlite3"
    with connect(path) as one, connect(path) as two:
        one.execute(f"PRAGMA journal_mode = {mode}")
        one.execute("CREATE TABLE cache (count)")
        one.execute("INSERT INTO cache VALUES (0)")
        two.execute("PRAGMA busy_timeout = 100")
        two.execute("BEGIN")
        assert two.execute("SELECT count FROM cache").fetchone() == (0,)
        one.execute("BEGIN IMMEDIATE")
        one.execute("UPDATE cache SET count = 99")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            two.execute("UPDATE cache SET count = 1")
        one.execute("ROLLBACK")
        two.execute("UPDATE cache SET count = 1")
        two.execute("COMMIT")
        assert one.execute("SELECT count FROM cache").fetchone() == (1,)


@pytest.mark.parametrize(
    ("mode", "count"), [("DELETE", 0), ("TRUNCATE", 1), ("PERSIST", 1), ("WAL", 1)]
)
def test_journal_that_a_power_cut_brings_back(mode, count, tmp_path):
    """A commit in DELETE mode is the removal of the journal. Where the cut undoes that removal,
    since nobody synced the folder, the next connection rolls the acknowledged commit back."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    journal = before / "state.sqlite3-journal"
    connection = sqlite3.connect(before / "state.sqlite3")
    connection.execute(f"PRAGMA journal_mode = {mode}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE cache (count)")
    connection.execute("INSERT INTO cache VALUES (0)")
    connection.commit()
    connection.execute("UPDATE cache SET count = 1")
    if mode == "DELETE":
        os.link(journal, tmp_path / "kept")
    connection.commit()
    for each in before.iterdir():
        # the index of the WAL is memory, and ends with the power
        if not each.name.endswith("-shm"):
            shutil.copy(each, after)
    if mode == "DELETE":
        shutil.copy(tmp_path / "kept", after / journal.name)
    connection.close()
    with connect(after / "state.sqlite3") as found:
        assert found.execute("SELECT count FROM cache").fetchone() == (count,)


@pytest.mark.parametrize("python", interpreters())
def test_sqlite3_with_autocommit_false(python, tmp_path):
    """With `autocommit=False`, the announced default of the sqlite3 module, a connection is in a
    transaction before its SELECT: the second of two that overlap is refused."""
    script = """
import sqlite3, sys
if sys.version_info < (3, 12):
    print("older"); sys.exit()
path = sys.argv[1]
one = sqlite3.connect(path, autocommit=False, timeout=0.1)
one.execute("CREATE TABLE cache (count)")
one.execute("INSERT INTO cache VALUES (0)")
one.commit()
two = sqlite3.connect(path, autocommit=False, timeout=0.1)
for each in (one, two):
    each.execute("SELECT count FROM cache").fetchone()
one.execute("UPDATE cache SET count = 1")
try:
    two.execute("UPDATE cache SET count = 1")
    print("written")
except sqlite3.OperationalError as error:
    print(error)
"""
    done = subprocess.run(
        [python, "-c", script, str(tmp_path / "state.sqlite3")],
        capture_output=True,
        text=True,
        check=True,
    )
    if done.stdout.strip() == "older":
        pytest.skip("this Python has no autocommit")
    assert done.stdout.strip() == "database is locked"


@contextmanager
def redis_that_never_replies():
    """A server that closes the connection at each INCR; yields its port and the INCRs seen."""
    commands = []

    def answer(connection):
        with connection:
            while data := connection.recv(4096):
                if b"INCR" in data.upper():
                    commands.append(data)
                    break
                starts = [line for line in data.split(b"\r\n") if line[:1] == b"*"]
                connection.sendall(b"+OK\r\n" * max(1, len(starts)))

    with serving(answer) as port:
        yield port, commands


@pytest.mark.parametrize(
    ("make", "sent"),
    [
        (lambda port: redis.Redis(host="127.0.0.1", port=port, protocol=2), 11),
        (lambda port: redis.Redis.from_url(f"redis://127.0.0.1:{port}/0", protocol=2), 1),
        (
            lambda port: redis.Redis(
                host="127.0.0.1", port=port, protocol=2, retry=Retry(NoBackoff(), 0)
            ),
            1,
        ),
    ],
    ids=["Redis(host=…)", "from_url", "no retry"],
)
@pytest.mark.skipif(int(redis.__version__.split(".")[0]) != 8, reason="measured with redis-py 8")
def test_redis_client_sends_again(make, sent):
    """redis-py 8 sends an INCR without a reply ten times more, unless made by `from_url`."""
    with redis_that_never_replies() as (port, commands):
        with pytest.raises(redis.RedisError):
            make(port).incr("count")
        assert len(commands) == sent


@pytest.mark.parametrize(("policy", "survives"), [("allkeys-lru", False), ("noeviction", True)])
def test_redis_that_is_full(policy, survives, tmp_path):
    """A Redis that evicts forgets a count; one that does not refuses the next write instead."""
    with store(tmp_path / "log") as (url, _):
        client = redis.Redis.from_url(url)
        client.incr("count")
        client.config_set("maxmemory-policy", policy)
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 500_000)
        refused = False
        for number in range(1000):
            try:
                client.set(f"page {number}", bytes(10_000))
            except redis.RedisError:
                refused = True
                break
        assert refused == survives
        assert (client.get("count") == b"1") == survives


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
def test_manager_outlives_a_killed_owner(how):
    """A multiprocessing.Manager is not ended by a signal that ends its owner at once."""
    script = (
        "import time; from multiprocessing import Manager; manager = Manager(); "
        "print(manager._process.pid, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    manager = psutil.Process(int(owner.stdout.readline()))
    try:
        owner.send_signal(how)
        owner.wait()
        wait_until(lambda: manager.ppid() != owner.pid)
        assert manager.is_running()
        assert manager.status() != psutil.STATUS_ZOMBIE
    finally:
        manager.kill()
        owner.stdout.close()


def app_with_a_session(key):
    app = Flask("session")
    app.secret_key = key

    @app.post("/increment")
    def increment():
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    return app.test_client(use_cookies=False)


def cookie(reply):
    return reply.headers["Set-Cookie"].partition(";")[0]


def test_cookie_needs_one_secret_key():
    """A worker that has another SECRET_KEY does not read the cookie, and starts again at 1."""
    one, two = app_with_a_session(os.urandom(16)), app_with_a_session(os.urandom(16))
    brought = {"Cookie": cookie(one.post("/increment"))}
    assert one.post("/increment", headers=brought).text == "2"
    assert two.post("/increment", headers=brought).text == "1"


def test_visitor_can_read_the_cookie():
    """The session cookie is signed, not encrypted: its text can be read without the key."""
    value = cookie(app_with_a_session("secret").post("/increment")).partition("=")[2]
    payload = value.rpartition(".")[0].rpartition(".")[0]
    compressed = payload.startswith(".")
    text = base64.urlsafe_b64decode(payload.lstrip(".") + "=" * (-len(payload.lstrip(".")) % 4))
    assert (zlib.decompress(text) if compressed else text) == b'{"count":1}'


def test_flag_is_one_per_process(tmp_path):
    """A flag that changes while the app runs is one flag per process."""
    script = "import sys; sys.path.insert(0, sys.argv[1]); import flag; print(flag.on)"
    Path(tmp_path, "flag.py").write_text("on = False\n")
    sys.path.insert(0, str(tmp_path))
    try:
        import flag

        flag.on = True
    finally:
        sys.path.remove(str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
