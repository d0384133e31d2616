#!/usr/bin/env bash
# Flask 3.1.3 with asgiref 3.13.0, under gunicorn 27.0.1 `-k gevent`: of sixteen requests
# for an `async def` view at once, one is answered, and fifteen get status 500.
#
# Flask runs an async view with asgiref's AsyncToSync, which refuses to run where the thread has
# a running event loop already. Under gevent all requests share one thread, and so the first
# request's loop is running while the others begin: RuntimeError "You cannot use AsyncToSync in
# the same thread as an async event loop". Under gthread all sixteen are answered. (Guessed
# before the run: all are answered, one after the other.)
# Source: asgiref/sync.py, AsyncToSync.__call__.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    'flask[async]==3.1.3' asgiref==3.13.0 gunicorn==27.0.1 gevent==26.9.0 packaging==26.4

cat >waits.py <<'PYTHON'
import asyncio

from flask import Flask

app = Flask(__name__)


@app.get("/")
async def answer():
    await asyncio.sleep(0.5)
    return "answered"
PYTHON
cat >ask.py <<'PYTHON'
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

browser = build_opener(ProxyHandler({}))


def status(port):
    try:
        return browser.open(f"http://127.0.0.1:{port}/", timeout=20).status
    except HTTPError as error:
        return error.code


for kind, more in (("gevent", ()), ("gthread", ("--threads", "16"))):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "waits:app", "--worker-class", kind, *more]
    server = subprocess.Popen(
        [*command, "--bind", f"127.0.0.1:{port}", "--no-control-socket"],
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                status(port)
                break
            except OSError:
                time.sleep(0.05)
        with ThreadPoolExecutor(16) as pool:
            statuses = Counter(pool.map(status, [port] * 16))
    finally:
        server.terminate()
        server.wait()
    print(kind, "most get 500" if statuses[500] >= 8 else dict(statuses))
PYTHON
seen=$(venv/bin/python ask.py)
expected=$'gevent most get 500\ngthread {200: 16}'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { echo "this has changed; it was:"; printf '%s\n' "$expected"; exit 1; }
