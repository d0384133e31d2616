#!/usr/bin/env bash
# Werkzeug 3.1.9 with watchdog 7.1.0: `flask run --debug` never reloads.
#
# With watchdog installed, Werkzeug takes its reloader. It asks watchdog for files that match
# the pattern *.py; since 7.1 such a pattern matches no absolute path, so that a change of the
# app's own file is not reported. The server says "Restarting with watchdog (inotify)" at its
# start, and then goes on with the old code. Werkzeug's own `stat` reloader does reload.
# (Guessed before the run: both reload.)
# Source: werkzeug/_reloader.py, WatchdogReloaderLoop: PatternMatchingEventHandler(patterns=…).
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    flask==3.1.3 werkzeug==3.1.9 watchdog==7.1.0

cat >reloads.py <<'PYTHON'
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

APP = 'from flask import Flask\napp = Flask(__name__)\n\n@app.get("/")\ndef answer():\n    return "{}"\n'
browser = build_opener(ProxyHandler({}))


def answer(port):
    for _ in range(200):
        try:
            return browser.open(f"http://127.0.0.1:{port}/", timeout=5).read().decode()
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server does not answer")


for kind in ("watchdog", "stat"):
    Path("app.py").write_text(APP.format("old"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = (
        "from werkzeug.serving import run_simple; from app import app; "
        f"run_simple('127.0.0.1', {port}, app, use_reloader=True, reloader_type='{kind}')"
    )
    Path("serve.py").write_text(script)
    server = subprocess.Popen(
        [sys.executable, "serve.py"], stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        assert answer(port) == "old"
        time.sleep(2)
        Path("app.py").write_text(APP.format("new"))
        deadline = time.monotonic() + 10
        while answer(port) == "old" and time.monotonic() < deadline:
            time.sleep(0.2)
        print(kind, answer(port))
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
PYTHON
seen=$(venv/bin/python reloads.py)
expected=$'watchdog old\nstat new'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { echo "this has changed; it was:"; printf '%s\n' "$expected"; exit 1; }
