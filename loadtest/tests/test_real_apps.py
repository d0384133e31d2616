"""Published packages, used as they are, each in an environment of its own: make test-apps."""

import os
import re
import shlex
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from loadtest import ROOT, cell
from loadtest.cell import Cell, first_look
from loadtest.checker import Failure
from loadtest.report.terminal import figures
from loadtest.trial import App, Server, Trial

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not os.environ.get("REAL_APPS"), reason="slow; make test-apps runs it"),
]
GUIDE = (ROOT / "loadtest" / "README.md").read_text(encoding="utf-8")
KEPT = ROOT / ".venv-apps"
SERVERS = (Server(1, 8), Server(4, 1))
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
METERED = re.search(r"<!-- metered.py -->\n```python\n(.*?)```", GUIDE, re.DOTALL)[1]
PROMETHEUS = "prometheus-flask-exporter==0.23.2"
HITS = {"increment": "POST /hits", "read": "GET /hits"}
ASKED = re.search(r"<!-- asked of metered.py -->\n```\n(.*?)\n\n", GUIDE, re.DOTALL)[1]
WORDS = dict(word.split("=", 1) for word in shlex.split(ASKED.replace("\\\n", " "))[2:])
REQUESTS = {name: WORDS[name.upper()] for name in ("increment", "read", "count")}


@dataclass(frozen=True)
class Real:
    """A published package in use: what is installed, the app, and what is said of it."""

    packages: tuple[str, ...]
    target: str
    said: dict[str, str]
    files: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)


APPS = {
    "`PrometheusMetrics`": Real((PROMETHEUS,), "metered:app", REQUESTS, {"metered.py": METERED}),
    "`GunicornInternalPrometheusMetrics`": Real(
        (PROMETHEUS,),
        "metered:app",
        REQUESTS,
        {
            "metered.py": METERED.replace(
                "prometheus_flask_exporter", "prometheus_flask_exporter.multiprocess"
            ).replace("PrometheusMetrics", "GunicornInternalPrometheusMetrics")
        },
        {"PROMETHEUS_MULTIPROC_DIR": "."},
    ),
    "`FileSystemCache`": Real(
        ("Flask-Caching==2.5.1", "redis==8.1.0"),
        "cached:app",
        HITS,
        {"cached.py": CACHED},
        {"KIND": "FileSystemCache"},
    ),
    "`RedisCache`": Real(
        ("Flask-Caching==2.5.1", "redis==8.1.0"),
        "cached:app",
        HITS,
        {"cached.py": CACHED},
        {"KIND": "RedisCache"},
    ),
    "`FlaskBump:app`": Real(
        ("FlaskBump==1.0.0",),
        "FlaskBump:app",
        {"increment": "GET /"},
        {"state.json": '{"count": 0}'},
    ),
}


def environment(name: str, packages: tuple[str, ...]) -> str:
    """The interpreter of an environment with these packages, made once and kept."""
    folder = KEPT / name.lower()
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


def judged(real: Real, server: Server, folder: Path) -> Cell:
    app, _ = first_look(App(real.target, **real.said, chdir=str(folder)), server, folder)
    return cell.run(Trial(real.target, server, own=app), folder / "results")


def shown(name: str) -> list[str]:
    """Return the outcomes in the guide's table under each of SERVERS."""
    (row,) = [line for line in GUIDE.splitlines() if line.startswith("|") and f" {name} " in line]
    return [each.strip() for each in row.strip("|").split("|")][-len(SERVERS) :]


@pytest.mark.parametrize("server", SERVERS, ids=str)
@pytest.mark.parametrize("name", APPS)
def test_it_comes_out_as_the_guide_shows(name, server, tmp_path, monkeypatch, redis_url):
    real = APPS[name]
    python = environment(real.packages[0].partition("==")[0], real.packages)
    for file, text in real.files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    for setting, value in {"REDIS": redis_url, **real.settings}.items():
        monkeypatch.setenv(setting, str(tmp_path) if value == "." else value)
    verdict = judged(real, Server(server.workers, server.threads, python=python), tmp_path).verdict
    said, _ = figures(verdict)
    if verdict.refuses:
        # how many is not the point
        said = Failure.REFUSES
    assert said in shown(name)[SERVERS.index(server)], f"{said}: {verdict}"
