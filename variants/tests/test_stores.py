"""Stores outside the process: shared by threads and processes, and sometimes not to be had."""

import importlib
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

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


def test_the_boot_label_changes_in_a_forked_worker(client_of):
    client = client_of("plain_global")
    before = client.get("/read").headers["X-Boot"]
    read_end, write_end = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write_end, client.get("/read").headers["X-Boot"].encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read_end, 100).decode() not in ("", before)


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
    importlib.reload(importlib.import_module("variants.redis_key"))
    assert "REDIS_URL" in refused(create_app("redis_key").test_client(), caplog)


def test_a_sqlite_file_that_cannot_be_opened_is_503_with_advice(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("SQLITE_PATH", str(tmp_path / "nowhere" / "state.sqlite3"))
    importlib.reload(importlib.import_module("variants.sqlite_row"))
    assert "SQLITE_PATH" in refused(create_app("sqlite_row").test_client(), caplog)


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


def test_workers_that_open_a_new_sqlite_file_at_once_all_get_it_and_in_wal(tmp_path):
    for attempt in range(5):
        path = tmp_path / f"{attempt}.sqlite3"
        environment = os.environ | {"SQLITE_PATH": str(path), "PAUSE_MS": "0"}
        command = [sys.executable, "-c", OPEN_AT_ONCE, str(time.time() + 0.3)]
        workers = [subprocess.Popen(command, env=environment) for _ in range(4)]
        assert [worker.wait() for worker in workers] == [0] * 4
        db = sqlite3.connect(path)
        assert db.execute("SELECT count FROM cache").fetchone() == (32,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
