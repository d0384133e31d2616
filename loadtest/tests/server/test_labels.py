"""Every reply says who gave it, whatever app it is from."""

import asyncio
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from loadtest.server.labels import Labels, around_asgi, load
from loadtest.server.running import serve
from loadtest.server.servers.gunicorn import CONFIG
from loadtest.trial import Server, Trial
from variants.tests.interpreters import interpreters

FRESH = {"Connection": "close"}


@pytest.mark.parametrize(
    ("server", "threads"),
    [
        (Server(2, 2), {1, 2}),
        (Server(2, 1, "sync"), {1}),
        (Server(2, 2, preload=True), {1, 2}),
    ],
    ids=str,
)
def test_reply_has_labels(tmp_path, server, threads):
    """A reply names its worker, thread and boot."""
    with serve(Trial("plain_global", server), log=tmp_path / "log") as running:
        seen = set()
        for path in ("/read", "/nope", "/append") * 20:
            headers = requests.get(running.url + path, headers=FRESH, timeout=5).headers
            seen.add((int(headers["X-Worker"]), headers["X-Boot"]))
            assert int(headers["X-Thread"]) in threads
        assert {worker for worker, _ in seen} <= running.workers()
        assert len(seen) == len({boot for _, boot in seen}) == len({worker for worker, _ in seen})


def test_an_asgi_app_is_labelled_too():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"1"})

    sent = []

    async def send(message):
        sent.append(message)

    # in a thread of its own: this one may have a loop that runs, a browser's
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, around_asgi(app, Labels())({}, None, send)).result()
    start, body = sent
    assert [name for name, _ in start["headers"]] == [b"a", b"x-worker", b"x-thread", b"x-boot"]
    assert body == {"type": "http.response.body", "body": b"1"}


GEVENT_STARTS = """
import runpy, sys
from importlib import metadata
from types import SimpleNamespace as made

labels = runpy.run_path(sys.argv[1])
app, cfg = made(app_uri="variants.app:create_app()"), made(worker_class_str="gevent")
labels["on_starting"](made(app=app, cfg=cfg))
metadata.entry_points()
"""


@pytest.mark.parametrize("python", interpreters())
def test_older_python_with_gevent(python):
    """An older Python of somebody's may have gevent."""
    done = subprocess.run([python, "-c", GEVENT_STARTS, CONFIG], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_labels_after_fork():
    """A process that a fork made has a boot of its own, and counts its threads anew."""
    labels = Labels()
    before = dict(labels())
    receiver, sender = os.pipe()
    child = os.fork()
    if not child:
        os.write(sender, json.dumps(dict(labels())).encode())
        os._exit(0)
    os.waitpid(child, 0)
    after = json.loads(os.read(receiver, 1000))
    assert dict(labels()) == before
    assert after["X-Worker"] == str(child)
    assert after["X-Boot"] != before["X-Boot"]
    assert after["X-Thread"] == "1"


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("shop:nope", "Failed to find attribute 'nope' in 'shop'."),
        ("shop:a.b", "a.b is neither a name nor a call with literals"),
        ("shop:make(open('x'))", "is neither a name nor a call with literals"),
        ("shop:number", "Application object must be callable."),
    ],
)
def test_target_without_app(tmp_path, monkeypatch, target, error):
    """A target that names no app is an ImportError that says why."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    (tmp_path / "shop.py").write_text("number = 1\ndef make(text): ...\n")
    with pytest.raises(ImportError, match=re.escape(error)):
        load(target)


def test_factory_gets_its_arguments(tmp_path, monkeypatch):
    """A factory in a target is called with its literals."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    (tmp_path / "shop.py").write_text("def make(*a, **b): return lambda: (a, b)\n")
    assert load("shop:make('a', 2, c=[3])")() == (("a", 2), {"c": [3]})
