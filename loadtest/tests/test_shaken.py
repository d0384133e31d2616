"""Shaken runs at the real boundary: apps that a load finds right, and their fixed twins."""

import os
import re
import subprocess
import sys

import pytest

from loadtest import ROOT, cell, shaken
from loadtest.cell import first_look
from loadtest.report.shaken import sentence
from loadtest.shaken import can_be_shaken, clean, shake
from loadtest.tests.shaken_apps import PAIRS
from loadtest.trial import AS_IT_RUNS, App, Load, Server, Trial
from variants.tests.interpreters import interpreters

pytestmark = pytest.mark.timeout(400)
ONLY_LATER = {"one_liner", "pop_after_len"}
"""The apps with windows in which CPython 3.11 and newer do not switch threads."""
ONCE = int(os.environ.get("SHAKEN", "1"))
"""The shaken runs of each fixed twin."""


@pytest.fixture
def cell_of(tmp_path):
    """Judge such an app as it is, without rests."""

    def judge(name, server, fixed=False):
        (tmp_path / "shop.py").write_text(PAIRS[name].source(fixed))
        app = App("shop:app", "POST /hits", "GET /hits", chdir=str(tmp_path))
        app, _ = first_look(app, server, tmp_path)
        return cell.run(Trial("shop:app", server, own=app), tmp_path / "results")

    return judge


@pytest.mark.parametrize("name", PAIRS)
def test_wrong_app_is_found(name, cell_of, tmp_path, monkeypatch):
    """A shaken run finds the window of a wrong app, and names a line in it."""
    # on a busy machine too
    monkeypatch.setattr(shaken, "BUDGET_S", 60.0)
    judged = shake(cell_of(name, Server(1, 8)), tmp_path / "shaken", seed=1)
    assert judged.finding
    assert judged.finding.claim == (2 if name in ONLY_LATER and judged.gil else 1)
    words = judged.finding.moment.sentence + judged.finding.moment.steps
    named = {int(line) for line in re.findall(r":(\d+)", words)}
    assert named & PAIRS[name].lines(), words


@pytest.mark.parametrize("name", PAIRS)
def test_fixed_twin_is_clean(name, cell_of, tmp_path, monkeypatch):
    """No shaken run of a fixed twin finds anything."""
    # a run for each of both claims
    monkeypatch.setattr(shaken, "BUDGET_S", 0.0)
    whole = cell_of(name, Server(1, 8), fixed=True)
    assert clean(whole)
    for seed in range(1, ONCE + 1):
        judged = shake(whole, tmp_path / "shaken", seed=seed)
        assert judged.finding is None, judged.finding
        assert judged.runs == 2
        assert judged.coverage.met


@pytest.mark.parametrize(
    ("variant", "server"),
    [
        ("locked_global", Server(1, 8)),
        ("sqlite_row", Server(4, 8)),
        ("redis_key", Server(4, 8)),
        ("redis_key", Server(1, 1, "gevent")),
    ],
    ids=str,
)
def test_right_variant_is_clean(variant, server, tmp_path, monkeypatch, redis_url):
    """No shaken run of a variant that is right there finds anything."""
    monkeypatch.setattr(shaken, "BUDGET_S", 0.0)
    # within a request a store leaks, as it must: that is another kind
    trial = Trial(variant, server, Load(kind="counter"))
    whole = cell.run(trial, tmp_path / "results", redis_url=redis_url)
    for seed in range(1, ONCE + 1):
        judged = shake(whole, tmp_path / "shaken", seed=seed, redis_url=redis_url)
        assert judged.finding is None, judged.finding
        assert judged.coverage.rested


FILE = """
import json
from pathlib import Path

from flask import Flask

app = Flask(__name__)
file = Path(__file__).with_name("hits.json")


@app.post("/hits")
def hit():
    hits = json.loads(file.read_text()) if file.exists() else 0
    new = file.with_name(f"{file.name}.{__import__('os').getpid()}")
    new.write_text(json.dumps(hits + 1))
    new.replace(file)
    return str(hits + 1)


@app.get("/hits")
def show():
    return file.read_text() if file.exists() else "0"
"""


def test_processes_meet_anywhere(tmp_path, monkeypatch):
    """Workers with one thread rest anywhere, because other processes go on meanwhile."""
    monkeypatch.setattr(shaken, "BUDGET_S", 60.0)
    (tmp_path / "shop.py").write_text(FILE)
    app = App("shop:app", "POST /hits", "GET /hits", chdir=str(tmp_path))
    # what the load finds is of no interest here
    few = Load(seconds=0.1, increments=1)
    judged = cell.run(Trial("shop:app", Server(4, 1), few, own=app), tmp_path / "results")
    judged = shake(judged, tmp_path / "shaken", seed=1)
    assert judged.finding.claim == 1
    assert judged.finding.cell.trial.shake.where == "anywhere"


ASYNC = """
import asyncio

hits = 0


async def app(scope, receive, send):
    global hits
    if scope["method"] == "POST":
        seen = hits
        await asyncio.sleep(0)
        {add}
    headers = [(b"content-type", b"text/plain")]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": str(hits).encode()}})
"""


@pytest.mark.parametrize(
    ("add", "found"), [("hits = seen + 1", True), ("hits += 1", False)], ids=["window", "none"]
)
def test_asgi_rests_at_awaits(add, found, tmp_path, monkeypatch):
    """An ASGI app rests at an await, and never between two."""
    monkeypatch.setattr(shaken, "BUDGET_S", 60.0 if found else 0.0)
    (tmp_path / "shop.py").write_text(ASYNC.format(add=add))
    app = App("shop:app", "POST /hits", "GET /hits", chdir=str(tmp_path))
    judged = cell.run(Trial("shop:app", Server(1, 1, "asgi"), own=app), tmp_path / "results")
    judged = shake(judged, tmp_path / "shaken", seed=1)
    assert judged.coverage.rested
    assert bool(judged.finding) == found
    assert not found or judged.finding.claim == 1


def test_gevent_rests_yield_to_the_hub(cell_of, tmp_path, monkeypatch):
    """Under gevent other requests run during a rest, and what they do is seen."""
    monkeypatch.setattr(shaken, "BUDGET_S", 60.0)
    judged = shake(cell_of("racy", Server(1, 1, "gevent")), tmp_path / "shaken", seed=1)
    assert judged.finding.claim == 2
    assert judged.finding.moment.steps
    assert judged.coverage.met


PLAIN = """
state = {}


def current():
    return state.get("hits", 0)


def app(environ, start):
    if environ["REQUEST_METHOD"] == "POST":
        seen = current()
        state["hits"] = seen + 1
    start("200 OK", [("Content-Type", "text/plain")])
    return [str(current()).encode()]
"""


@pytest.mark.parametrize("python", interpreters())
def test_each_python_is_shaken(python, tmp_path, monkeypatch):
    """An app is shaken in whichever Python serves it, and the report names that one."""
    monkeypatch.setattr(shaken, "BUDGET_S", 60.0)
    (tmp_path / "shop.py").write_text(PLAIN)
    app = App("shop:app", "POST /hits", "GET /hits", increment_count="none", chdir=str(tmp_path))
    trial = Trial("shop:app", Server(1, 8, python=python), own=app)
    judged = shake(cell.run(trial, tmp_path / "results"), tmp_path / "shaken", seed=1)
    assert judged.finding
    assert judged.finding.claim == 1
    assert judged.python in sentence(judged)


@pytest.mark.parametrize(
    ("server", "fault", "can"),
    [
        (Server(1, 1), None, False),
        (Server(1, 8), None, True),
        (Server(4, 1), None, True),
        (Server(1, 1, "gevent"), None, True),
        (Server(1, 8), "restart", False),
        (AS_IT_RUNS, None, False),
    ],
)
def test_what_can_be_shaken(server, fault, can):
    """Requests that cannot overlap, and servers that are not ours, are not shaken."""
    own = App("http://127.0.0.1:5000") if server == AS_IT_RUNS else App("shop:app")
    assert can_be_shaken(Trial("shop:app", server, own=own, fault=fault)) == can


@pytest.mark.parametrize(
    ("choice", "status", "words"),
    [
        ("", 0, "WARNING: shop:app at 1×8, shaken: loses"),
        ("strict", 1, "NOT AS EXPECTED: shop:app at 1×8, shaken: loses"),
        ("0", 0, "Its window may be microseconds wide"),
    ],
)
def test_claim_decides_the_status(choice, status, words, tmp_path):
    """A window in which only a later Python may switch is a warning, or an error if strict."""
    (tmp_path / "shop.py").write_text(PAIRS["one_liner"].source())
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", "check", "--workers", "1", "--threads", "8"],
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "APP": "shop:app", "INCREMENT": "POST /hits"}
        | {"READ": "GET /hits", "SHAKE": choice, "COLUMNS": "500"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert words in done.stdout, done.stdout + done.stderr
    assert done.returncode == status
