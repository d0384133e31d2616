"""Tests that run the instructions for your own app in loadtest/README.md word for word."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from loadtest import ROOT
from loadtest.cell import first_look
from loadtest.trial import App, Server

GUIDE = (ROOT / "loadtest" / "README.md").read_text(encoding="utf-8")
SHOP = """
from flask import Flask, abort, jsonify, request, session

app = Flask(__name__)
app.secret_key = "shop"
hits = {path: 0 for path in ("/hits", "/form")}


@app.route("/login", methods=["POST"])
def login():
    session["token"] = "t0k3n"
    return ""


@app.get("/form")
def form():
    return f'<input name="csrf" value="{session["token"]}">'


@app.route("/hits", methods=["GET", "POST"])
def count():
    if request.method == "POST":
        if request.form.get("csrf", "t0k3n") != "t0k3n":
            abort(400)
        hits["/hits"] += 1
    return jsonify(hits=hits["/hits"])
"""
pytestmark = pytest.mark.timeout(400)


def block(name):
    """The fenced block of that name."""
    return re.search(rf"<!-- {name} -->\n```\w*\n(.*?)```", GUIDE, re.DOTALL)[1]


@pytest.fixture
def shop(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "shop.py").write_text(SHOP)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "where-to-keep-state").write_text(
        f'#!/bin/sh\nexec {sys.executable} -m loadtest "$@"\n'
    )
    (folder / "where-to-keep-state").chmod(0o755)
    return folder


def environment(shop):
    return os.environ | {
        "PATH": f"{shop}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SHAKE": "0",
        "WORKERS": "4",
        "THREADS": "1",
    }


def test_the_one_line_is_what_make_is_told(shop):
    words = shlex.split(block("one line").replace("\\\n", " "))
    command = ["make", "--dry-run", "-C", str(ROOT), "PY=python", *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "python -m loadtest check" in done.stdout
    said = dict(word.split("=", 1) for word in words[2:])
    more = environment(shop) | said
    command = [sys.executable, "-m", "loadtest", "check"]
    done = subprocess.run(command, cwd=shop, env=more, capture_output=True, text=True, timeout=300)
    assert "GET /hits answered 0, POST /hits answered 1 and 2: understood" in done.stderr
    assert done.returncode == 1, done.stdout + done.stderr


def test_the_job_ends_as_the_verdict_says(shop):
    folded = block("job").split(">-\n")[1]
    command = " ".join(folded.split())
    done = subprocess.run(
        command,
        shell=True,
        cwd=shop,
        env=environment(shop),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "It is divided at 4×1" in done.stdout


def test_documented_test_is_red(shop):
    """The documented test is red for a count in each worker."""
    (shop / "test_state.py").write_text(block("test_state.py"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_state.py"]
    done = subprocess.run(
        command, cwd=shop, env=environment(shop), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed" in done.stdout
    assert "'as_expected': False" in done.stdout


def test_documented_mapping_file(shop, tmp_path):
    """The documented mapping file logs in and brings its token."""
    file = tmp_path / "counter.py"
    file.write_text(block("counter.py"))
    app = App("shop:app", mapping=str(file), chdir=str(shop))
    _, (understood,) = first_look(app, Server(1, 1), tmp_path)
    assert "read(http) answered 0, increment(http) answered without a number" in understood
