"""Every reply says who gave it, whatever app it is from."""

import asyncio
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from loadtest.server.gunicorn import LABELS, serve
from loadtest.server.labels import Labels, around_asgi
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
    done = subprocess.run([python, "-c", GEVENT_STARTS, LABELS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
