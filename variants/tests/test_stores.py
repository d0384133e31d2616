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

from loadtest.server.gunicorn import serve
from loadtest.trial import Server, Trial
from variants.app import create_app, load

SHARED = ["sqlite_row", "redis_key"]


@pytest.mark.parametrize("variant", ["locked_global", *SHARED])
def test_threads_lose_nothing_and_are_told_distinct_values(client_of, variant):
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
def test_a_fork_after_the_first_use_loses_nothing(client_of, variant):
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


def test_sqlite_keeps_its_file_in_wal_and_a_fork_opens_a_connection_of_its_own(client_of):
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


def test_a_redis_that_is_down_is_503_with_advice(monkeypatch, caplog):
    # port 1 is never listened on
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert "REDIS_URL" in refused(create_app(reloaded("redis_key")).test_client(), caplog)


def test_a_sqlite_file_that_cannot_be_opened_is_503_with_advice(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("SQLITE_PATH", str(tmp_path / "nowhere" / "state.sqlite3"))
    client = create_app(reloaded("sqlite_row")).test_client()
    assert "SQLITE_PATH" in refused(client, caplog)


def test_a_sqlite_file_locked_too_long_is_503_and_loses_nothing_acknowledged(
    client_of, monkeypatch, caplog
):
    client = client_of("sqlite_row")
    module = importlib.import_module("variants.sqlite_row")
    assert client.post("/increment").json == 1
    module.connection().execute("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(module.PATH, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "locked" in refused(client, caplog)
    other.execute("ROLLBACK")
    assert client.post("/increment").json == 2


def test_a_sqlite_file_that_is_overwritten_is_503_with_advice(client_of, caplog):
    client = client_of("sqlite_row")
    module = importlib.import_module("variants.sqlite_row")
    assert client.post("/increment").json == 1
    for name in (module.PATH, f"{module.PATH}-wal"):
        with open(name, "r+b") as file:  # noqa: PTH123
            file.write(b"no database" * 400)
    module.local.__dict__.clear()
    assert "move it away" in refused(client, caplog)
    assert len(caplog.records) == 4


def test_a_row_in_sqlite_holds_a_number_whoever_writes_it(client_of):
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
def test_a_row_that_somebody_has_damaged_is_503_with_advice(client_of, caplog, damage):
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
def test_a_key_that_holds_something_else_is_503_with_advice(client_of, redis_url, caplog, there):
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


def test_a_sqlite_file_that_is_overwritten_while_it_is_served_is_503_and_a_line_each(tmp_path):
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


def test_a_redis_key_with_text_in_it_is_503_and_a_line_each(tmp_path, redis_url):
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


def test_a_module_that_is_no_variant_is_refused_by_what_it_lacks():
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


def test_workers_that_open_a_new_sqlite_file_at_once_all_get_it(tmp_path):
    for attempt in range(5):
        path = tmp_path / f"{attempt}.sqlite3"
        environment = os.environ | {"SQLITE_PATH": str(path), "PAUSE_MS": "0"}
        command = [sys.executable, "-c", OPEN_AT_ONCE, str(time.time() + 0.3)]
        workers = [subprocess.Popen(command, env=environment) for _ in range(4)]
        assert [worker.wait() for worker in workers] == [0] * 4
        db = sqlite3.connect(path)
        assert db.execute("SELECT count FROM cache").fetchone() == (32,)


def test_an_increment_whose_reply_got_lost_is_not_sent_again(client_of, redis_url, monkeypatch):
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
