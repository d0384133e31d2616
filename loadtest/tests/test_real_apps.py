"""Published packages, used as they are, each in an environment of its own: make test-apps."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from loadtest import cell
from loadtest.cell import first_look
from loadtest.checker import Fault
from loadtest.trial import App, Server, Trial

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not os.environ.get("REAL_APPS"), reason="slow; make test-apps runs it"),
]
KEPT = Path(__file__).parents[2] / ".venv-apps"
CACHED = """
import os

from flask import Flask
from flask_caching import Cache

app = Flask(__name__)
cache = Cache(app, config={
    "CACHE_TYPE": os.environ.get("KIND"),
    "CACHE_DIR": "cache",
    "CACHE_REDIS_URL": os.environ.get("REDIS"),
})


@app.post("/hits")
def hit():
    return str(cache.cache.inc("hits"))


@app.get("/hits")
def show():
    return str(cache.get("hits") or 0)
"""


@pytest.fixture
def environment():
    """The interpreter of an environment with these packages, made once and kept."""

    def made(name, *packages):
        folder = KEPT / name
        python, done = folder / "bin" / "python", folder / "installed"
        if not done.exists() or done.read_text() != " ".join(packages):
            venv.create(folder, clear=True)
            quietly = ("--quiet", "--disable-pip-version-check")
            command = [sys.executable, "-m", "pip", "--python", python, "install", *quietly]
            installed = subprocess.run([*command, *packages], capture_output=True, text=True)
            if installed.returncode:
                pytest.skip(f"{packages[0]} could not be had: {installed.stderr.strip()[-200:]}")
            done.write_text(" ".join(packages))
        return str(python)

    return made


@pytest.fixture
def judge(tmp_path):
    def run(target, server, **said):
        folder = tmp_path / f"results-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        app, _ = first_look(App(target, **said, chdir=str(tmp_path)), server, folder)
        return cell.run(Trial(target, server, own=app), folder).verdict

    return run


def test_a_file_that_flask_caching_increments_loses_and_redis_holds(
    environment, judge, tmp_path, monkeypatch, redis_url
):
    python = environment("cached", "Flask-Caching==2.5.1", "redis==8.1.0")
    (tmp_path / "cached.py").write_text(CACHED)
    said = {"increment": "POST /hits", "read": "GET /hits"}
    monkeypatch.setenv("KIND", "FileSystemCache")
    assert Fault.LOSES in judge("cached:app", Server(1, 8, python=python), **said).faults
    monkeypatch.setenv("KIND", "RedisCache")
    monkeypatch.setenv("REDIS", redis_url)
    held = judge("cached:app", Server(4, 4, python=python), **said)
    assert held.linearizable, str(held)


def test_a_lock_on_a_file_that_threads_share_keeps_no_thread_out(environment, judge, tmp_path):
    python = environment("bump", "FlaskBump==1.0.0")
    (tmp_path / "state.json").write_text('{"count": 0}')
    alone = judge("FlaskBump:app", Server(4, 1, python=python), increment="GET /")
    assert alone.linearizable, str(alone)
    assert judge("FlaskBump:app", Server(1, 8, python=python), increment="GET /").violated
