"""Stores outside the process: shared by threads and processes, and sometimes not to be had."""

import importlib
import multiprocessing
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import redis
import requests

from loadtest.server.running import serve
from loadtest.trial import Server, Trial
from variants.app import create_app, load

SHARED = ["sqlite_row", "redis_key"]


@pytest.mark.parametrize("variant", ["locked_global", *SHARED])
def test_threads_get_distinct_values(client_of, variant):
    """Threads lose nothing and get distinct values."""
    client_of(variant)
    store = load(variant)
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: store.increment(), range(80)))
        positions = list(pool.map(store.append, map(str, range(80))))
    assert sorted(told) == list(range(1, 81)), "concurrent increments must not lose updates"
    assert store.read() == 80
    assert [store.items()[position - 1] for position in positions] == list(map(str, range(80)))


def increment_many(variant):
    store = load(variant)
    for _ in range(20):
        store.increment()


@pytest.mark.parametrize("variant", SHARED)
def test_fork_after_first_use(client_of, variant):
    """A fork after the first use loses nothing."""
    client_of(variant)
    load(variant).increment()
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=increment_many, args=[variant]) for _ in range(4)]
    for child in children:
        child.start()
    increment_many(variant)
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert load(variant).read() == 1 + 5 * 20


def in_a_fork(function):
    """Return, as text, the result of a function in a forked process."""
    read_end, write_end = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write_end, str(function()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(read_end, 100).decode()


def test_sqlite_uses_wal(client_of):
    """SQLite keeps its file in WAL mode, and a fork opens a connection of its own."""
    client_of("sqlite_row")
    module = importlib.import_module("variants.sqlite_row")
    inherited = module.connection()
    assert inherited.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert module.connection() is inherited
    assert in_a_fork(lambda: module.connection() is inherited) == "False"


def reloaded(variant):
    importlib.reload(importlib.import_module(f"variants.{variant}"))
    return variant


def refused(client, caplog):
    for path in ("/create", "/increment"):
        reply = client.post(path)
        assert reply.status_code == 503
        assert list(reply.json) == ["error"]
    assert client.post("/append", json={"item": "a"}).status_code == 503
    assert client.get("/read").status_code in (200, 503)
    assert "Traceback" not in caplog.text
    return reply.json["error"]


def test_redis_down_is_503(monkeypatch, caplog):
    """A Redis that is down is 503 with advice."""
    # port 1 is never listened on
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert "REDIS_URL" in refused(create_app(reloaded("redis_key")).test_client(), caplog)


def test_unopenable_sqlite_is_503(tmp_path, monkeypatch, caplog):
    """An SQLite file that cannot be opened is 503 with advice."""
    monkeypatch.setenv("SQLITE_PATH", str(tmp_path / "nowhere" / "state.sqlite3"))
    client = create_app(reloaded("sqlite_row")).test_client()
    assert "SQLITE_PATH" in refused(client, caplog)


def test_locked_sqlite_is_503(client_of, monkeypatch, caplog):
    """An SQLite file locked too long is 503, and acknowledged writes stay."""
    client = client_of("sqlite_row")
    module = importlib.import_module("variants.sqlite_row")
    assert client.post("/increment").json == 1
    module.connection().execute("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(module.PATH, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "locked" in refused(client, caplog)
    other.execute("ROLLBACK")
    assert client.post("/increment").json == 2


def test_overwritten_sqlite_is_503(client_of, caplog):
    """An SQLite file that is overwritten is 503 with advice."""
    client = client_of("sqlite_row")
    module = importlib.import_module("variants.sqlite_row")
    assert client.post("/increment").json == 1
    for name in (module.PATH, f"{module.PATH}-wal"):
        with open(name, "r+b") as file:  # noqa: PTH123
            file.write(b"no database" * 400)
    module.local.__dict__.clear()
    assert "move it away" in refused(client, caplog)
    assert len(caplog.records) == 4


def test_row_holds_a_number(client_of):
    """A row in SQLite holds a number, whoever writes it."""
    client = client_of("sqlite_row")
    assert client.post("/increment").json == 1
    other = sqlite3.connect(importlib.import_module("variants.sqlite_row").PATH)
    with pytest.raises(sqlite3.IntegrityError):
        other.execute("UPDATE cache SET count = 'text'")
    other.close()
    assert client.post("/increment").json == 2


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM cache",
        "UPDATE cache SET count = 9223372036854775807",
        "INSERT INTO entries VALUES (1, x'ff00')",
    ],
)
def test_damaged_row_is_503(client_of, caplog, damage):
    """A damaged row is 503 with advice."""
    client = client_of("sqlite_row")
    assert client.post("/create").json == 0
    other = sqlite3.connect(importlib.import_module("variants.sqlite_row").PATH)
    other.execute(damage)
    other.commit()
    other.close()
    asked = [client.post("/increment"), client.get("/read"), client.get("/items")]
    refused = [reply.json["error"] for reply in asked if reply.status_code == 503]
    assert {reply.status_code for reply in asked} <= {200, 503}
    assert refused
    assert all("create starts over" in each for each in refused)
    assert "Traceback" not in caplog.text
    assert client.post("/create").json == 0
    assert client.post("/increment").json == 1
    assert client.get("/items").json == []


@pytest.mark.parametrize("there", ["text", b"\xff\xfe", ["a", "list"]])
def test_wrong_key_is_503(client_of, redis_url, caplog, there):
    """A key that holds something else is 503 with advice."""
    client = client_of("redis_key")
    module = importlib.import_module("variants.redis_key")
    direct = redis.Redis.from_url(redis_url)
    for key in (module.CACHE, module.ENTRIES):
        direct.set(key, "x") if isinstance(there, list) else direct.rpush(key, "x")
    if isinstance(there, list):
        direct.delete(module.CACHE)
        direct.rpush(module.CACHE, *there)
    else:
        direct.set(module.CACHE, there)
    asked = [client.post("/increment"), client.get("/read"), client.get("/items")]
    assert {reply.status_code for reply in asked[:2]} == {503}
    assert all("create starts over" in reply.json["error"] for reply in asked[:2])
    assert "Traceback" not in caplog.text
    assert client.post("/create").json == 0
    assert client.post("/increment").json == 1
    assert client.get("/items").json == []


def test_sqlite_overwritten_under_load(tmp_path):
    """An SQLite file overwritten while it is served is 503 and a log line each."""
    path, log = tmp_path / "state.sqlite3", tmp_path / "log"
    env = {"SQLITE_PATH": str(path)}
    with serve(Trial("sqlite_row", Server(2, 2)), log=log, env=env) as server:
        ask = partial(requests.post, f"{server.url}/increment", timeout=30)
        assert ask().json() == 1
        for each in tmp_path.glob("state.sqlite3*"):
            each.write_bytes(b"no database" * 1000)
        refused = [reply.json()["error"] for reply in (ask() for _ in range(20)) if not reply.ok]
    assert refused
    assert all("SQLITE_PATH" in each for each in refused)
    said = log.read_text()
    assert said.count("SQLITE_PATH") == len(refused)
    assert "Traceback" not in said


def test_redis_text_under_load(tmp_path, redis_url):
    """A Redis key with text in it is 503 and a log line each."""
    log = tmp_path / "log"
    env = {"REDIS_URL": redis_url, "REDIS_PREFIX": "damaged:"}
    with serve(Trial("redis_key", Server(2, 2)), log=log, env=env) as server:
        redis.Redis.from_url(redis_url).set("damaged:cache", "text")
        post, get = (partial(way, timeout=30) for way in (requests.post, requests.get))
        asked = [way(server.url + path) for way, path in ((post, "/increment"), (get, "/read")) * 5]
        refused = [reply.json()["error"] for reply in asked]
        assert post(f"{server.url}/create").json() == 0
        assert post(f"{server.url}/increment").json() == 1
    assert all("create starts over" in each for each in refused)
    said = log.read_text()
    assert said.count("create starts over") == len(refused)
    assert "Traceback" not in said


def test_bad_module_names_what_it_lacks():
    """A module that is not a variant is refused by what it lacks."""
    with pytest.raises(ImportError, match=r"json has no create, increment"):
        load("json")


OPEN_AT_ONCE = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from variants.sqlite_row import increment
while time.time() < float(sys.argv[1]):
    pass
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda _: increment(), range(8)))
"""


def test_new_file_opened_at_once(tmp_path):
    """Workers that open a new SQLite file at once all get it."""
    for attempt in range(5):
        path = tmp_path / f"{attempt}.sqlite3"
        environment = os.environ | {"SQLITE_PATH": str(path), "PAUSE_MS": "0"}
        command = [sys.executable, "-c", OPEN_AT_ONCE, str(time.time() + 0.3)]
        workers = [subprocess.Popen(command, env=environment) for _ in range(4)]
        assert [worker.wait() for worker in workers] == [0] * 4
        db = sqlite3.connect(path)
        assert db.execute("SELECT count FROM cache").fetchone() == (32,)


def test_lost_reply_is_not_resent(client_of, redis_url, monkeypatch):
    """An increment whose reply got lost is not sent again."""
    client = client_of("redis_key")
    assert client.post("/increment").json == 1
    direct = redis.Redis.from_url(redis_url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=swallow_replies, args=[listener, redis_url], daemon=True).start()
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{listener.getsockname()[1]}")
        client = create_app(reloaded("redis_key")).test_client()
        assert client.post("/increment").status_code == 503
    assert direct.get(importlib.import_module("variants.redis_key").CACHE) == b"2"


def swallow_replies(listener, redis_url):
    """Passes everything on to Redis, but hangs up instead of giving the answer to an INCR."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, socket.socket(socket.AF_UNIX) as upstream:
            upstream.connect(redis_url.removeprefix("unix://"))
            while command := connection.recv(4096):
                upstream.sendall(command)
                reply = upstream.recv(4096)
                if b"INCR" in command:
                    break
                connection.sendall(reply)
